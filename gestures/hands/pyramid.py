"""A photo as the networks are shown it: at every size, in daylight and without grain, in upright or turned squares.

Squares around palms and landmarks are laid as in MediaPipe's hand graphs (hand_detector_graph.cc, hand_landmarks_detector_graph.cc).
"""

from copy import copy
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from gestures.hands.finder import CHAINS, INDEX, MIDDLE, RING, THUMB, WRIST
from gestures.hands.grain import levels_to_smooth, smoothed
from gestures.hands.light import dark_places_lit, daylight
from gestures.photo import Photo, Pixels

Floats = NDArray[np.float32]

LANDMARK_INPUT = 224
# A grainy photo is smoothed before it is cropped, but only where the crop shrinks it by less than this: shrinking averages grain away.
SMOOTHED_BELOW = 1.4

# A photo's light is measured on about this many pixels along its longer side.
LIGHT_SIDE = 100


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square of a photo: centre and side in pixels, angle in radians, positive clockwise as seen."""

    x: float
    y: float
    side: float
    angle: float

    def to_photo(self) -> NDArray[np.float64]:
        """(2, 3) matrix from the unit square (0..1) to the photo's pixels."""
        cos, sin = np.cos(self.angle) * self.side, np.sin(self.angle) * self.side
        return np.array([[cos, -sin, self.x - (cos - sin) / 2], [sin, cos, self.y - (sin + cos) / 2]])


class Pyramid:
    """A photo at full size, and at a quarter, an eighth, … of its sides, made when first asked for, so that a small crop of a large photo
    is not aliased. Half its sides is made around a crop only: of a whole photo of 50 megapixels, it would take 38 MB.

    The photo may be a view that turns or mirrors what the camera stored. All is then made from the stored picture, and only what is handed
    out is turned: to turn all of a large photo takes as long as half a search, and its memory once more.
    """

    def __init__(self, pixels: Pixels, *, smooth: float = 0) -> None:
        """pixels: (height, width, 3) uint8 RGB, upright. smooth: levels that grain may have, see `grain`; 0 leaves it as it is."""
        self.height, self.width = pixels.shape[:2]
        down, across = pixels.strides[:2]
        y, x = (-1 if stride < 0 else 1 for stride in (down, across))
        self._mirror = np.s_[::y, ::x]
        self._lies = abs(down) < abs(across)
        # From the photo's pixels to those of the stored picture.
        upright = np.array([[x, 0, 0 if x > 0 else self.width], [0, y, 0 if y > 0 else self.height]])
        self._to_stored = upright[::-1] if self._lies else upright
        stored = pixels[self._mirror].swapaxes(0, 1) if self._lies else pixels[self._mirror]
        self._levels = {0: np.ascontiguousarray(stored)}
        self._step = max(1, max(self.height, self.width) // LIGHT_SIDE)
        self._light: NDArray[np.float64] | None = None
        self._gains: Floats | None = None
        self._smooth = smooth

    @classmethod
    def for_networks(cls, photo: Photo) -> Self:
        """A photo as the networks see it best: in daylight, and without its grain."""
        pyramid = cls(photo.pixels, smooth=levels_to_smooth(photo.pixels, coarse=photo.coarse))
        pyramid._light = daylight(pyramid._few_pixels())
        return pyramid

    def lit_up(self) -> Self | None:
        """Return the same photo with its dark places lit up, or None where few are dark, see `light`."""
        gains = dark_places_lit(self._in_light(self._few_pixels(), None))
        if gains is None:
            return None
        lit = copy(self)
        lit._gains = gains
        return lit

    def crop(self, to_photo: NDArray[np.float64], side: int, *, continued: bool = False) -> Pixels:
        """Return the (side, side, 3) picture that the unit square covers in the photo. Outside the photo it is black, as MediaPipe has it,
        or, `continued`, as the nearest pixel of the photo's edge.
        """
        to_stored = self._to_stored[:, :2] @ to_photo
        to_stored[:, 2] += self._to_stored[:, 2]
        shrink = float(np.hypot(to_photo[0, 0], to_photo[1, 0])) / side
        number = self._number(shrink)
        gains = None if self._gains is None else _warped(self._gains, to_stored / self._step, side, cv2.BORDER_REPLICATE)
        if number == 1:
            source, corner = self._around(to_stored)
            source = _halve(source, 1)
            to_stored[:, 2] -= corner
        elif self._smooth and shrink < SMOOTHED_BELOW:
            source, corner = self._around(to_stored)
            source = smoothed(source, self._smooth)
            to_stored[:, 2] -= corner
        else:
            source = self._level(number)
        outside = cv2.BORDER_REPLICATE if continued else cv2.BORDER_CONSTANT
        return self._in_light(_warped(source, to_stored / 2**number, side, outside), gains)

    def square(self, region: Region) -> Pixels:
        """Return what the landmark network is shown of a region, (224, 224, 3): a hand that the photo's edge cuts off goes on beyond it."""
        return self.crop(region.to_photo(), LANDMARK_INPUT, continued=True)

    def reduced(self, shrink: float) -> Pixels:
        """Return all of the photo with its sides divided by `shrink`, 1 or more, and rounded to whole pixels, at least one."""
        number = self._number(shrink)
        level = _halve(self._level(0), 1) if number == 1 else self._level(number)  # photos of 50 megapixels are reduced by more
        width, height = (max(1, round(length / shrink)) for length in (self.width, self.height))
        size = (height, width) if self._lies else (width, height)
        gains = None if self._gains is None else cv2.resize(self._gains, size, interpolation=cv2.INTER_LINEAR)
        small = self._in_light(cv2.resize(level, size, interpolation=cv2.INTER_AREA), gains)
        return np.ascontiguousarray((small.swapaxes(0, 1) if self._lies else small)[self._mirror])

    def _few_pixels(self) -> Pixels:
        """Some pixels of the stored picture, in rows and columns: enough to tell the light."""
        return np.ascontiguousarray(self._levels[0][:: self._step, :: self._step])

    def _in_light(self, picture: cv2.typing.MatLike, gains: cv2.typing.MatLike | None) -> Pixels:
        if self._light is not None:
            picture = cv2.transform(picture, self._light)
        if gains is not None:
            picture = cv2.merge([cv2.multiply(channel, gains, dtype=cv2.CV_8U) for channel in cv2.split(picture)])
        return picture.astype(np.uint8, copy=False)

    def _number(self, shrink: float) -> int:
        """How often the photo can be halved without being reduced by more."""
        return min(int(max(shrink, 1)).bit_length(), int(min(self.height, self.width)).bit_length()) - 1

    def _level(self, number: int) -> Pixels:
        if number not in self._levels:
            self._levels[number] = _halve(self._level(number - 1), 1) if number > 2 else _halve(self._level(0), number)
        return self._levels[number]

    def _around(self, to_stored: NDArray[np.float64]) -> tuple[Pixels, NDArray[np.int64]]:
        """Return what the unit square covers of the stored picture, with some pixels around it, and where that begins."""
        corners = to_stored @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
        stored = self._level(0)
        height, width = stored.shape[:2]
        low = np.clip(np.floor(corners.min(axis=1)).astype(int) - 4, 0, (width - 2, height - 2))
        high = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 4, low + 2, (width, height))
        return stored[low[1] : high[1], low[0] : high[0]], low


def _warped(source: cv2.typing.MatLike, to_source: NDArray[np.float64], side: int, border: int) -> cv2.typing.MatLike:
    """Return the (side, side, …) picture that the unit square covers."""
    matrix = to_source / np.array([[side, side, 1]])
    # The pixel grids' origins lie half a pixel inside the first pixel.
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    return cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border)


def _halve(pixels: Pixels, times: int) -> Pixels:
    """Halve the sides so many times; what is no whole pixel then is left out."""
    width, height = pixels.shape[1] >> times, pixels.shape[0] >> times
    whole = pixels[: height << times, : width << times]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def palm_region(keypoints: Floats, box: Floats) -> Region:
    """Lay a square around the whole hand from a palm: turned so that wrist to middle MCP points up, moved half a box up, 2.6 boxes wide."""
    angle = _angle(keypoints[0], keypoints[2])
    width, height = (float(v) for v in box[2:] - box[:2])
    x, y = (float(v) for v in (box[:2] + box[2:]) / 2)
    moved = -0.5 * height
    return Region(x - moved * float(np.sin(angle)), y + moved * float(np.cos(angle)), 2.6 * max(width, height), angle)


def landmark_region(landmarks: Floats) -> Region:
    """Lay a square around the hand from its landmarks, as MediaPipe does between video frames: twice as wide, moved a tenth."""
    points = landmarks[:, :2]
    knuckle = (points[INDEX[0]] + points[RING[0]]) / 2 * 0.5 + points[MIDDLE[0]] * 0.5
    angle = _angle(points[WRIST], knuckle)
    inner = points[[WRIST, *THUMB[:3], *(joint for chain in CHAINS[1:] for joint in chain[:2])]]
    middle = (inner.min(axis=0) + inner.max(axis=0)) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    upright = (inner - middle) @ turn
    low, high = upright.min(axis=0), upright.max(axis=0)
    centre = turn @ ((low + high) / 2) + middle
    width, height = high - low
    centre = centre + turn @ np.array([0, -0.1 * height])
    return Region(float(centre[0]), float(centre[1]), float(2 * max(width, height)), angle)


def _angle(wrist: Floats, knuckle: Floats) -> float:
    """How far the hand is turned from pointing straight up, in radians."""
    return float(np.pi / 2 - np.arctan2(wrist[1] - knuckle[1], knuckle[0] - wrist[0]))
