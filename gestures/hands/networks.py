"""MediaPipe's palm detector and hand landmark network, run on LiteRT.

Constants are those of MediaPipe's hand graphs (hand_detector_graph.cc, hand_landmarks_detector_graph.cc, ssd_anchors_calculator.cc).
"""

from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from gestures.errors import FinderError
from gestures.hands.finder import Look
from gestures.hands.models import Model
from gestures.hands.pyramid import LANDMARK_INPUT, Floats, Region
from gestures.photo import Pixels

PALM_INPUT = 192
# The palm detector is fully convolutional: on a picture of half the side it takes a fifth of the time, and sees palms of the same pixels.
SMALL_PALM_INPUT = 96


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
    """The palm detector: a picture of side² pixels in, palms in its pixels out. The side, a multiple of 32, is 192 in MediaPipe.

    model: it is left taking pictures of that side.
    """

    def __init__(self, model: Model, threads: int = 1, side: int = PALM_INPUT) -> None:
        self.side = side
        model.take(side)
        self._network = Network(model.packed(), threads)
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
