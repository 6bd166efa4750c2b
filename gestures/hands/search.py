"""The default finder: looks for palms at every scale that a hand can have in the photo.

MediaPipe's own pipeline squeezes the whole photo to 192×192 pixels and so misses every hand of a group photo. Here the palm detector
runs over overlapping tiles of a pyramid, zoomed-out tiles included (they catch hands that fill the frame); all palms go through one
non-maximum suppression; the landmark network then looks twice at each, the second time through a square laid around the first
landmarks; and hands that were found twice are dropped by the distance of their landmarks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from gestures.errors import FinderError
from gestures.hands.bundle import load_bundle
from gestures.hands.finder import Hand, Points, Side
from gestures.hands.networks import (
    PALM_INPUT,
    LandmarkNetwork,
    PalmDetector,
    Palms,
    Pixels,
    Pyramid,
    landmark_region,
    palm_region,
)
from gestures.photo import Photo


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How thoroughly to search.

    zooms: sides of the tiles, as the photo's long side divided by each; below 1 the tile is larger than the photo.
    overlap: share of a tile that the next one covers again.
    least_tile: pixels; tiles smaller than this would look for hands too small to read.
    palm_threshold: palms with a lower score are not looked at. A low one costs landmark passes, a high one hands.
    presence_threshold: hands of which the landmark network is less sure, at the second pass, are dropped.
    second_pass: whether the landmark network looks again through a square laid around the first landmarks.
    """

    zooms: tuple[float, ...] = (0.5, 0.667, 1, 2, 4, 8, 12)
    overlap: float = 1 / 3
    least_tile: int = 100
    palm_threshold: float = 0.15
    presence_threshold: float = 0.3
    second_pass: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A square of the photo at the palm detector's size. x, y: its corner in the photo, scale: photo pixels a tile pixel."""

    picture: Pixels
    x: float
    y: float
    scale: float


def tiles(pixels: Pixels, settings: SearchSettings) -> Iterator[Tile]:
    """Cut a photo into overlapping tiles at every zoom. Each zoom is one resize of the photo; its tiles are windows into that."""
    height, width = pixels.shape[:2]
    for zoom in settings.zooms:
        side = max(width, height) / zoom
        if zoom > 1 and side < settings.least_tile:
            break
        scale = side / PALM_INPUT
        size = (max(1, round(width / scale)), max(1, round(height / scale)))
        level = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)
        xs, ys = _starts(size[0], settings.overlap), _starts(size[1], settings.overlap)
        left, top = max(0, -xs[0]), max(0, -ys[0])
        right, bottom = max(0, xs[-1] + PALM_INPUT - size[0]), max(0, ys[-1] + PALM_INPUT - size[1])
        padded = cv2.copyMakeBorder(level, top, bottom, left, right, cv2.BORDER_CONSTANT)
        for y in ys:
            for x in xs:
                window = padded[y + top : y + top + PALM_INPUT, x + left : x + left + PALM_INPUT]
                yield Tile(window.astype(np.uint8, copy=False), x * width / size[0], y * height / size[1], width / size[0])


def _starts(length: int, overlap: float) -> list[int]:
    """Where tiles begin along a side: evenly spread, with the overlap or more; one tile in the middle of a side that fits into it."""
    if length <= PALM_INPUT:
        return [(length - PALM_INPUT) // 2]
    count = int(np.ceil((length - PALM_INPUT) / (PALM_INPUT * (1 - overlap)))) + 1
    return [round(start) for start in np.linspace(0, length - PALM_INPUT, count)]


class SearchFinder:
    """Finds every hand in a photo by searching it at every scale."""

    name = "search"

    def __init__(self, model: Path | None = None, settings: SearchSettings = SearchSettings()) -> None:
        bundle = load_bundle(model)
        self._palms = PalmDetector(bundle.palm_detector)
        self._landmarks = LandmarkNetwork(bundle.landmark_network)
        self._settings = settings
        self._closed = False

    def find(self, photo: Photo) -> list[Hand]:
        """Return the hands in the photo, largest first. Raises `FinderError` when closed or when a network fails."""
        if self._closed:
            raise FinderError(problem="the finder is closed")
        pyramid = Pyramid(photo.pixels)
        hands = self._look(pyramid, self.find_palms(photo))
        return sorted(hands, key=lambda hand: -hand.size)

    def find_palms(self, photo: Photo) -> Palms:
        """Return the palms of the whole photo, each once, the surest first, in pixels of the photo."""
        parts = [
            self._palms.detect(tile.picture, self._settings.palm_threshold).mapped(tile.scale, tile.x, tile.y)
            for tile in tiles(photo.pixels, self._settings)
        ]
        return suppress(Palms.merged(parts))

    def _look(self, pyramid: Pyramid, palms: Palms) -> list[Hand]:
        """Run the landmark network over palms; palms that fall onto a hand already found more surely are dropped."""
        hands: list[Hand] = []
        for box, keypoints, score in zip(palms.boxes, palms.keypoints, palms.scores, strict=True):
            first = result = self._landmarks.run(pyramid, palm_region(keypoints, box))
            if first.presence < self._settings.presence_threshold / 3:
                continue
            steadiness = 0.0
            if self._settings.second_pass:
                result = self._landmarks.run(pyramid, landmark_region(first.landmarks))
                steadiness = _distance(first.landmarks, result.landmarks)
            if result.presence < self._settings.presence_threshold:
                continue
            side: Side = "left" if result.handedness >= 0.5 else "right"
            hands.append(Hand(result.landmarks, result.world, side, result.presence, float(score), steadiness, result.embedding))
        return drop_duplicates(hands)

    def close(self) -> None:
        """Release the networks."""
        self._closed = True
        self.__dict__.pop("_palms", None)
        self.__dict__.pop("_landmarks", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def suppress(palms: Palms, threshold: float = 0.3) -> Palms:
    """Weighted non-maximum suppression, as in MediaPipe: palms whose boxes overlap by more (intersection over union) than the threshold
    become one, their mean weighted by score, with the surest one's score.
    """
    if not len(palms):
        return palms
    x0, y0, x1, y1 = palms.boxes.T
    area = (x1 - x0) * (y1 - y0)
    order = np.argsort(-palms.scores, kind="stable")
    boxes, keypoints, scores = [], [], []
    while len(order):
        best, rest = order[0], order
        wide = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest])
        high = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest])
        shared = np.clip(wide, 0, None) * np.clip(high, 0, None)
        same = shared > threshold * (area[best] + area[rest] - shared)
        same[0] = True
        weights = palms.scores[rest[same]]
        boxes.append(np.average(palms.boxes[rest[same]], axis=0, weights=weights))
        keypoints.append(np.average(palms.keypoints[rest[same]], axis=0, weights=weights))
        scores.append(palms.scores[best])
        order = rest[~same]
    return Palms(np.array(boxes, np.float32), np.array(keypoints, np.float32), np.array(scores, np.float32))


# Two hands whose landmarks lie, on average, closer than this share of the smaller one's size are one hand found twice.
DUPLICATE_DISTANCE = 0.25


def drop_duplicates(hands: list[Hand]) -> list[Hand]:
    """Keep each hand once: the one that the landmark network and the palm detector are surest of together."""
    kept: list[Hand] = []
    for hand in sorted(hands, key=lambda hand: -hand.presence * hand.palm_score):
        if all(_distance(hand.landmarks, other.landmarks) > DUPLICATE_DISTANCE for other in kept):
            kept.append(hand)
    return kept


def _distance(one: Points, other: Points) -> float:
    """Mean distance of two hands' landmarks in the picture, as a share of the smaller one's size."""
    size = min(float(np.ptp(points[:, :2], axis=0).max()) for points in (one, other))
    return float(np.linalg.norm(one[:, :2] - other[:, :2], axis=1).mean()) / max(size, 1e-6)
