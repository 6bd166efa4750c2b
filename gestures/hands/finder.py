"""What a hand finder takes and gives: a photo in, every hand in it out, with 21 landmarks each."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gestures.photo import Photo

Side = Literal["left", "right"]
Points = NDArray[np.float32]
Box = tuple[float, float, float, float]  # x, y, width, height

# Landmark numbers as MediaPipe gives them: wrist, then four joints a finger from the palm to the tip.
WRIST = 0
THUMB = (1, 2, 3, 4)  # CMC MCP IP TIP
INDEX = (5, 6, 7, 8)  # MCP PIP DIP TIP
MIDDLE = (9, 10, 11, 12)
RING = (13, 14, 15, 16)
LITTLE = (17, 18, 19, 20)
CHAINS = (THUMB, INDEX, MIDDLE, RING, LITTLE)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the landmark network saw of a hand in one look.

    landmarks: (21, 3) float32, pixels of the photo. world: (21, 3) float32, metres. presence: 0..1. rightness: 0..1, 1 for the
    subject's right hand. embedding: (1152,) float32, 0..6, what the network's last layer saw; landmarks are but a linear view of it.
    """

    landmarks: Points
    world: Points
    presence: float
    rightness: float
    embedding: Points


@dataclass(frozen=True, eq=False)
class Hand:
    """One hand in a photo.

    landmarks: (21, 3) float32; x and y in pixels of the upright photo, z (depth, smaller is nearer) in the same unit.
    world: (21, 3) float32; metres, origin at the hand's centre.
    side: the subject's own hand as the model sees it. A mirrored selfie turns it round: no reading may depend on it.
    presence: 0..1, how sure the landmark network is that it looks at a hand.
    palm_score: 0..1, the palm detector's score; 1 where a finder does not tell.
    share: the hand's size as a share of the photo's longer side; 0 where a finder does not tell.
    looks: the landmark network's looks at the hand that the fields above come from, the first one's square laid around the palm, the
        others' around the landmarks; empty where a finder does not tell.
    """

    # Too long to be shown where somebody looks at an advice.
    landmarks: Points = field(repr=False)
    world: Points = field(repr=False)
    side: Side
    presence: float
    palm_score: float = 1.0
    share: float = 0.0
    looks: tuple[Look, ...] = field(default=(), repr=False)

    @cached_property
    def box(self) -> Box:
        """The landmarks' bounds in pixels of the upright photo, which may reach beyond the picture."""
        low, high = self.landmarks[:, :2].min(axis=0), self.landmarks[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels."""
        return max(self.box[2:])


class HandFinder(Protocol):
    """Finds every hand in a photo. Raises `FinderError` rather than giving an empty answer that it did not look for."""

    name: str

    def find(self, photo: Photo) -> list[Hand]:
        """Return the hands in the photo, largest first."""
        ...

    def close(self) -> None:
        """Release the networks; `find` raises `FinderError` from then on."""
        ...


def shared_area(one: Box, other: Box) -> float:
    """Return the area that two boxes have in common, in the square of their unit."""
    (x, y, width, height), (x0, y0, width0, height0) = one, other
    wide, high = min(x + width, x0 + width0) - max(x, x0), min(y + height, y0 + height0) - max(y, y0)
    return max(wide, 0) * max(high, 0)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    shared = shared_area(one, other)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
