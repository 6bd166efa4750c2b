"""MediaPipe's palm detector and hand landmark network, run on LiteRT.

Constants are those of MediaPipe's hand graphs (hand_detector_graph.cc, hand_landmarks_detector_graph.cc, ssd_anchors_calculator.cc).
"""

from copy import copy
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from gestures.errors import FinderError
from gestures.hands.finder import CHAINS, INDEX, MIDDLE, RING, THUMB, WRIST, Look
from gestures.hands.grain import levels_to_smooth, smoothed
from gestures.hands.light import dark_places_lit, daylight
from gestures.hands.models import Model
from gestures.photo import Photo, Pixels

Floats = NDArray[np.float32]

PALM_INPUT = 192
LANDMARK_INPUT = 224
# The palm detector is fully convolutional: on a picture of half the side it takes a fifth of the time, and sees palms of the same pixels.
SMALL_PALM_INPUT = 96
# A grainy photo is smoothed before it is cropped, but only where the crop shrinks it by less than this: shrinking averages grain away.
SMOOTHED_BELOW = 1.4

# A photo's light is measured on about this many pixels along its longer side.
LIGHT_SIDE = 100


@dataclass(frozen=True, slots=True, eq=False)
class Palms:
    """Palms found in one picture.

    boxes: (n, 4) float32, x0 y0 x1 y1. keypoints: (n, 7, 2) float32: wrist, MCP of index, middle, ring and little finger, two of the
    thumb. scores: (n,) float32, 0..1. All in pixels of that picture.
    """

    boxes: Floats
    keypoints: Floats
    scores: Floats

    @classmethod
    def merged(cls, parts: "list[Palms]") -> "Palms":
        """All palms of one picture or several in one."""
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.keypoints for part in parts]),
            np.concatenate([part.scores for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def mapped(self, scale: float, x: float, y: float) -> "Palms":
        """The same palms in another picture: times `scale`, then moved by x and y."""
        shift = np.array([x, y], np.float32)
        return Palms(self.boxes * scale + np.tile(shift, 2), self.keypoints * scale + shift, self.scores)


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


def _anchors(side: int) -> Floats:
    """(n, 2) anchor centres in a picture of side² pixels: two a cell at stride 8, six (three layers of two) at stride 16."""
    layers = []
    for stride, count in ((8, 2), (16, 6)):
        y, x = np.divmod(np.arange((side // stride) ** 2), side // stride)
        layers.append(np.repeat((np.stack([x, y], axis=1) + 0.5) * stride, count, axis=0))
    return np.concatenate(layers).astype(np.float32)


class Network:
    """A LiteRT model with one picture in and several tensors out, on so many threads; the result does not depend on how many."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        (detail,) = self._interpreter.get_input_details()
        self._input, self._shape = detail["index"], tuple(detail["shape"])
        self._outputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_output_details()}

    def run(self, picture: Pixels) -> None:
        """Run on an RGB picture, (height, width, 3) uint8, of the size that the network takes."""
        try:
            self._interpreter.set_tensor(self._input, np.multiply(picture, np.float32(1 / 255))[None])
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise FinderError(problem=str(error)) from error

    def take(self, height: int, width: int) -> None:
        """Let a fully convolutional network take pictures of this size from now on; a change costs some milliseconds."""
        shape = (1, height, width, 3)
        if shape != self._shape:
            self._interpreter.resize_tensor_input(self._input, shape)
            self._interpreter.allocate_tensors()
            self._shape = shape

    def output(self, name: str) -> Floats:
        """Return what the last run gave under a name, without the dimension of the batch."""
        result: Floats = self._interpreter.get_tensor(self._outputs[name])[0]
        return result


class PalmDetector:
    """The palm detector: a picture of side² pixels in, palms in its pixels out. The side, a multiple of 32, is 192 in MediaPipe."""

    def __init__(self, model: bytes, threads: int = 1, side: int = PALM_INPUT) -> None:
        self.side = side
        opened = Model(model)
        opened.take(side)
        opened.quantize()
        self._network = Network(opened.packed(), threads)
        self._anchors = _anchors(side)

    def detect(self, picture: Pixels, threshold: float) -> Palms:
        """Return palms whose score reaches the threshold, overlapping ones included. picture: (side, side, 3) uint8 RGB."""
        self._network.run(picture)
        logits = self._network.output("Identity_1")[:, 0]
        which = np.flatnonzero(logits >= np.log(threshold / (1 - threshold)))
        raw = self._network.output("Identity")[which]
        anchors = self._anchors[which]
        centre, half = raw[:, 0:2] + anchors, raw[:, 2:4] / 2
        keypoints = raw[:, 4:18].reshape(-1, 7, 2) + anchors[:, None]
        scores = 1 / (1 + np.exp(-np.clip(logits[which], -100, 100)))
        return Palms(np.concatenate([centre - half, centre + half], axis=1), keypoints, scores.astype(np.float32))


class LandmarkNetwork:
    """The landmark network: a turned square of a photo in, 21 landmarks out."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        opened = Model(model)
        self._embedding = opened.tell_embedding()
        opened.quantize()
        self._network = Network(opened.packed(), threads)

    def look(self, picture: Pixels, region: Region, *, mirrored: bool = False) -> Look:
        """Find the landmarks of the one hand that the region is laid around. picture: (224, 224, 3) uint8, what the region covers, or its
        mirror image where `mirrored`.
        """
        self._network.run(picture)
        points = self._network.output("Identity").reshape(21, 3) / LANDMARK_INPUT
        world = self._network.output("Identity_3").reshape(21, 3).copy()
        presence, rightness = (float(self._network.output(name)[0]) for name in ("Identity_1", "Identity_2"))
        if mirrored:
            points[:, 0], world[:, 0], rightness = 1 - points[:, 0], -world[:, 0], 1 - rightness
        to_photo = region.to_photo()
        landmarks = np.empty((21, 3), np.float32)
        landmarks[:, :2] = points[:, :2] @ to_photo[:, :2].T + to_photo[:, 2]
        landmarks[:, 2] = points[:, 2] * region.side
        cos, sin = np.cos(region.angle), np.sin(region.angle)
        world[:, :2] = world[:, :2] @ np.array([[cos, sin], [-sin, cos]], np.float32)
        return Look(landmarks, world, presence, rightness, self._network.output(self._embedding))


class Pyramid:
    """A photo at full size, and at a quarter, an eighth, … of its sides, made when first asked for, so that a small crop of a large photo
    is not aliased. Half its sides is made around a crop only: of a whole photo of 50 megapixels, it would take 38 MB.

    The photo may be a view that turns or mirrors what the camera stored. All is then made from the stored picture, and only what is handed
    out is turned: to turn all of a large photo takes as long as half a search, and its memory once more.
    """

    def __init__(self, pixels: Pixels, *, in_daylight: bool = False, smooth: float = 0) -> None:
        """pixels: (height, width, 3) uint8 RGB, upright. in_daylight: show it as it would look in common light, see `light`.

        smooth: levels that grain may have, see `grain`; 0 leaves it as it is.
        """
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
        self._light = daylight(self._few_pixels()) if in_daylight else None
        self._gains: Floats | None = None
        self._smooth = smooth

    @classmethod
    def for_networks(cls, photo: Photo) -> Self:
        """A photo as the networks see it best: in daylight, and without its grain."""
        return cls(photo.pixels, in_daylight=True, smooth=levels_to_smooth(photo.pixels, coarse=photo.coarse))

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
