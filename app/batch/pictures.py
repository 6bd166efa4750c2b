"""What a worker makes of one photo of a batch: the hands, and small pictures of them for the reports."""

import time
from dataclasses import dataclass, replace

from gestures import Checker, Findings, Limits, Photo, open_photo
from gestures.drawing import encode
from gestures.hands.finder import Box
from gestures.hands.pyramid import Pyramid
from gestures.photo import Pixels
from gestures.reading.fingers import State

# Longest sides in pixels. A crop shows a hand in a dense grid; a preview is large enough to tell which hand of a group is meant.
CROP = 112
PREVIEW = 640
# Round a hand, as a share of its size, so that it is seen what the hand belongs to.
MARGIN = 0.35


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a photo: `Findings.to_dict`, and the pictures of `app.batch.rows.Row`."""

    findings: dict[str, object]
    crops: tuple[bytes, ...] = ()
    preview: bytes | None = None


@dataclass(frozen=True, slots=True)
class LookJob:
    """The job of a batch: find and read the hands in a photo's bytes. pictures: whether crops and preview are wanted."""

    data: bytes
    pictures: bool = True

    def run(self, checker: Checker, limits: Limits) -> Found:
        """Find and read the hands. Raises a `GesturesError`."""
        started = time.perf_counter()
        photo = open_photo(self.data, limits)
        findings = checker.look(photo)
        findings = replace(findings, elapsed_ms=(time.perf_counter() - started) * 1000)
        return with_pictures(photo, findings) if self.pictures else Found(findings.to_dict())


def with_pictures(photo: Photo, findings: Findings) -> Found:
    """Add a crop a hand and, where a hand may need a look in one contest or another, a preview."""
    crops = tuple(encode(reduced(around(photo, posed.hand.box, MARGIN), CROP), quality=75) for posed in findings.hands)
    shows = any(posed.state is not State.REST for posed in findings.hands)
    return Found(findings.to_dict(), crops, encode(reduced(photo.pixels, PREVIEW), quality=70) if shows else None)


def around(photo: Photo, box: Box, margin: float) -> Pixels:
    """Return the square around a hand, with a margin as a share of its size, as far as it lies in the photo; at least one pixel."""
    x, y, width, height = box
    half = max(width, height) * (0.5 + margin)
    across, down = (
        slice(min(max(round(middle - half), 0), size - 1), min(max(round(middle + half), 1), size))
        for middle, size in ((x + width / 2, photo.width), (y + height / 2, photo.height))
    )
    return photo.pixels[down, across]


def reduced(pixels: Pixels, side: int) -> Pixels:
    """Return a picture no longer than a side. It is never enlarged: what little can be seen of a face beside a far hand stays little."""
    return Pyramid(pixels).reduced(max(1.0, max(pixels.shape[:2]) / side))
