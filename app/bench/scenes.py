"""Scenes with known truth: pictures of people and hands, pasted with soft edges into a background, so many pixels large.

Everything comes from the project's samples, which are rendered; where `../shared` is there, its photos of single people are pasted too,
and its photos of events are the backgrounds. The hands of a background are nobody's truth. One seed gives one scene.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from gestures.drawing import encode
from gestures.hands.finder import Box, overlap
from gestures.hands.search import SearchFinder, tiles_at
from gestures.pasting import FEATHER, LARGEST_SCALE, covering, put, sides, with_noise
from gestures.photo import Pixels, open_photo

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"

QUALITY = 88
SURE = 0.8  # presence from which a hand that the finder sees in a source picture is taken for truth; at 0.7 a chin was
LEAST_IN_SOURCE = 40  # pixels; a smaller one's place is not known well enough


@dataclass(frozen=True, slots=True)
class TrueHand:
    """A hand that was pasted. box: x, y, width, height of its landmarks, in the scene's pixels. person: number of the pasted person."""

    box: Box
    person: int

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels."""
        return max(self.box[2:])


@dataclass(frozen=True, slots=True)
class Scene:
    """A JPEG and the hands in it."""

    data: bytes
    hands: tuple[TrueHand, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to paste. boxes: x, y, width, height in its pixels of the hands that are wholly inside its soft edge, largest first."""

    path: Path
    boxes: tuple[Box, ...]


def compose(megapixels: float, hands: int, sizes: tuple[float, float], seed: int, *, photos: bool = True) -> Scene:
    """Return a 4:3 scene with up to so many hands; fewer where they do not fit beside one another.

    sizes: of each person's largest hand in pixels, least and most; drawn evenly on a logarithmic scale. photos: use `../shared` too, where
    it is there.
    """
    rng = np.random.default_rng((seed, round(megapixels * 10)))
    width, height = sides(megapixels)
    picture = _background(width, height, rng, photos=photos)
    truth: list[TrueHand] = []
    taken: list[Box] = []
    for size in sorted(np.exp(rng.uniform(np.log(sizes[0]), np.log(sizes[1]), hands)), reverse=True):
        if len(truth) == hands:
            break
        source = _draw(size, hands - len(truth), rng, photos=photos)
        scale = size / max(source.boxes[0][2:])
        boxes = put(picture, open_photo(source.path.read_bytes()).pixels, source.boxes, scale, taken, rng)
        truth += [TrueHand(box, len(taken) - 1) for box in boxes or ()]
    return Scene(encode(picture, quality=QUALITY), tuple(truth))


@cache
def _people(*, photos: bool) -> tuple[tuple[Path, ...], ...]:
    """The pictures to paste, in groups that are drawn from equally often."""
    folder = ROOT / "samples"
    if not folder.is_dir():
        folder = Path(str(files("app") / "web" / "static" / "samples"))
    groups = [tuple(path for path in sorted(folder.glob("*.jpg")) if path.stem not in ("group", "sideways"))]
    if photos and SHARED.is_dir():
        groups.append(tuple(sorted((SHARED / "rendered" / "small").glob("*.jpg"))))
        # Twice, since they are the real thing and the most varied.
        groups += [tuple(sorted((SHARED / "photos" / "hagrid").glob("*/*.jpg")))] * 2
        groups.append(tuple(sorted((SHARED / "photos" / "scenes").glob("*.jpg"))))
    return tuple(group for group in groups if group)


@cache
def _grounds(*, photos: bool) -> tuple[Path, ...]:
    """Photos of events for backgrounds, those of some size only."""
    found = sorted((SHARED / "photos" / "rest_events").glob("*.jpg")) if photos else []
    return tuple(path for path in found if path.stat().st_size > 250_000)


def _draw(size: float, most: int, rng: np.random.Generator, *, photos: bool) -> Source:
    """Choose a picture that has a hand, at most so many, and need not be enlarged much for its largest hand to reach the size."""
    groups = _people(photos=photos)
    best: Source | None = None
    for _ in range(40):
        group = groups[rng.integers(len(groups))]
        source = _source(group[rng.integers(len(group))])
        if not source.boxes or len(source.boxes) > most:
            continue
        if max(source.boxes[0][2:]) * LARGEST_SCALE >= size:
            return source
        if best is None or max(source.boxes[0][2:]) > max(best.boxes[0][2:]):
            best = source
    if best is None:
        raise LookupError("no picture with a hand to paste")
    return best


@cache
def _finder() -> SearchFinder:
    """The finder that tells where the hands of a small source picture are."""
    return SearchFinder(settings=tiles_at(0.5, 0.7, 1, 2))


@cache
def _source(path: Path) -> Source:
    photo = open_photo(path.read_bytes())
    edge = FEATHER * min(photo.width, photo.height)
    boxes: list[Box] = []
    for hand in _finder().find(photo):
        x, y, width, height = hand.box
        inside = min(x, y, photo.width - x - width, photo.height - y - height) >= edge / 2
        doubtful = any(overlap(hand.box, box) > 0 for box in boxes)  # a finger taken for a hand of its own
        if hand.presence >= SURE and hand.size >= LEAST_IN_SOURCE and inside and not doubtful:
            boxes.append(hand.box)
    return Source(path, tuple(boxes))


def _background(width: int, height: int, rng: np.random.Generator, *, photos: bool) -> Pixels:
    """A photo of an event, enlarged until it covers the scene, or else a drawn hall; with a camera's noise."""
    grounds = _grounds(photos=photos)
    if grounds:
        pixels = covering(open_photo(grounds[rng.integers(len(grounds))].read_bytes()).pixels, width, height, rng)
    else:
        pixels = _hall(width, height, rng)
    return with_noise(pixels, rng)


def _hall(width: int, height: int, rng: np.random.Generator) -> Pixels:
    """A wall and a floor with unevenness at every scale, and panels, poles and blobs in all colours, those of skin among them."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    wall, floor = rng.uniform(90, 220, (2, 3)).astype(np.float32)
    rough = sum(
        cv2.resize(rng.normal(0, 24 / 2**k, (3 * 4**k, 4 * 4**k)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        for k in range(4)
    )
    picture = np.where(down < rng.uniform(0.55, 0.8), wall * (1 - 0.3 * down), floor * (0.6 + 0.4 * down)) + np.asarray(rough)[..., None]
    picture = np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))
    for _ in range(120):
        colour = tuple(int(c) for c in (rng.integers(0, 256, 3) if rng.random() < 0.7 else rng.uniform(0.3, 1) * np.array([235, 185, 150])))
        x, y = int(rng.integers(width)), int(rng.integers(height))
        w, h = (int(v) for v in np.exp(rng.uniform(np.log(0.004), np.log(0.15), 2)) * height)
        if rng.random() < 0.6:
            cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1, cv2.LINE_AA)
        else:
            cv2.ellipse(picture, (x, y), (w // 2 + 1, h // 2 + 1), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture
