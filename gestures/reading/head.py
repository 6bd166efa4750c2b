"""The trained reading head, in plain NumPy: is the hand posing at all, and what does each part of it do?

It reads parts, so that a pose in no training photo is read by composition: each finger from its own joints alone; posing, ring,
crossed tips and spread from the whole hand, from what the landmark network's last layer saw, and posing also from the hand's
surroundings. Beside that it says which shape of the table the hand as a whole looks like, of those that photos taught.
train.py makes head.npz; MODEL_CARD.md says from what, and how well it does.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from gestures.hands.finder import THUMB, Hand
from gestures.reading.features import finger_features, geometry, looks_geometry, surroundings
from gestures.reading.fingers import FINGERS, Fingers

Floats = NDArray[np.float32]

# What the head says of a hand, in the order of its output.
PARTS = ("posing", *FINGERS, "ring", "crossed", "apart")
# Parts that are read from the whole hand; each finger is read from its own joints.
WHOLE = (0, 6, 7, 8)
# The networks beside the fingers', by their names in `Head`.
NETWORKS = ("whole", "appearance", "surroundings", "shape_geometry", "shape_appearance")


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """A small network: normalised input, one hidden layer of rectified units, a linear output. weights: (in, hidden), (hidden, out)."""

    mean: Floats
    deviation: Floats
    hidden: tuple[Floats, Floats]
    output: tuple[Floats, Floats]

    def __call__(self, values: Floats) -> Floats:
        """(n, in) → (n, out)."""
        normal = (values - self.mean) / self.deviation
        result: Floats = np.maximum(normal @ self.hidden[0] + self.hidden[1], 0) @ self.output[0] + self.output[1]
        return result


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The networks of head.npz, and the weights that turn what they say into a calibrated probability.

    shapes: what the whole hand can look like. photographed: which of them photos taught, not rendered hands alone.
    """

    fingers: tuple[Layers, ...]
    whole: Layers
    appearance: Layers
    surroundings: Layers
    shape_geometry: Layers
    shape_appearance: Layers
    shapes: tuple[str, ...]
    photographed: tuple[bool, ...]
    calibration: Floats

    def logits(self, joints: Floats, embeddings: Floats | None, around: Floats) -> Floats:
        """Return (n, 9) log-odds of `PARTS`. joints: (n, 206) `geometry`. embeddings: (n, 1152) or None. around: (n, 8) `surroundings`."""
        whole = self.whole(joints)
        if embeddings is not None:
            whole = whole + self.appearance(embeddings)
        if not np.isnan(around).any():
            whole[:, :1] += self.surroundings(around)
        logits = np.empty((len(joints), len(PARTS)), np.float32)
        logits[:, WHOLE] = whole
        for number, (layers, columns) in enumerate(zip(self.fingers, finger_features(), strict=True)):
            logits[:, 1 + number] = layers(joints[:, columns])[:, 0]
        return logits

    def looks_like(self, joints: Floats, embeddings: Floats) -> Floats:
        """Return (1 + shapes,) how likely one hand is at rest or has each shape, judged by the whole of it: the mean of its looks."""
        logits = (self.shape_geometry(joints) + self.shape_appearance(embeddings)).mean(axis=0)
        likely: Floats = np.exp(logits - np.logaddexp.reduce(logits))
        return likely

    def read(self, hand: Hand) -> Fingers:
        """Read one hand, as the mean of the looks at it; by its joints alone where the finder does not tell how it looks."""
        looks = hand.looks[1:]
        if looks:
            joints, embeddings = looks_geometry(looks), np.stack([look.embedding for look in looks])
        else:
            joints, embeddings = geometry(hand.landmarks[None], hand.world[None], np.array([hand.side == "right"])), None
        logits = self.logits(joints, embeddings, np.repeat(surroundings(hand)[None], len(joints), axis=0)).mean(axis=0)
        posing, *extended, ring, crossed, apart = (float(p) for p in 1 / (1 + np.exp(-logits)))
        whole: dict[str, float] = {}
        if embeddings is not None:
            at_rest, *likely = (float(p) for p in self.looks_like(joints, embeddings))
            known = zip(self.shapes, likely, self.photographed, strict=True)
            whole = {shape: p / (1 - at_rest + 1e-6) for shape, p, photographed in known if photographed}
            posing = (posing * (1 - at_rest)) ** 0.5
        thumb, index, middle, ring_finger, little = extended
        return Fingers((thumb, index, middle, ring_finger, little), posing, ring, crossed, apart, _thumb_up(hand), whole)

    def scores(self, raw: Floats, shares: Floats) -> Floats:
        """Return (n,) calibrated probabilities that the hands of one photo pose on purpose what they seem to. raw, shares: (n,) 0..1."""
        return probability(evidence(raw, shares), self.calibration)


def evidence(raw: Floats, shares: Floats) -> Floats:
    """The evidence that each hand of one photo poses on purpose, (n, 4) float32: its own raw score, how large it is, what the others do.

    raw: (n,) 0..1, posing × how well the best pose fits. shares: (n,) sizes as a share of the photo's longer side. A hand near the
    camera mostly poses for it; and where others pose, one more does. Last comes a constant.
    """
    clipped = np.clip(raw, 1e-4, 1 - 1e-4)
    others = [np.sort(np.delete(raw, i))[-OTHERS:].sum() / OTHERS for i in range(len(raw))]
    near = np.log(np.clip(shares, 0.003, 1))
    return np.stack([np.log(clipped / (1 - clipped)), near, np.array(others), np.ones(len(raw))], axis=1).astype(np.float32)


# How many of the other hands, the surest ones, tell whether people pose in the photo.
OTHERS = 3


def probability(columns: Floats, calibration: Floats) -> Floats:
    """(n,) calibrated probabilities of (n, 4) `evidence`."""
    probabilities: Floats = 1 / (1 + np.exp(-columns @ calibration))
    return probabilities


def _thumb_up(hand: Hand) -> float:
    """How sure the thumb points up rather than down in the photo; 0.5 where it lies level."""
    x, y = hand.landmarks[THUMB[3], :2] - hand.landmarks[THUMB[0], :2]
    return float(1 / (1 + np.exp(6 * y / (np.hypot(x, y) + 1e-6))))


@cache
def load_head() -> Head:
    """Load head.npz."""
    with np.load(str(files("gestures.reading") / "head.npz")) as data:

        def layers(name: str) -> Layers:
            parts = ("mean", "deviation", "w1", "b1", "w2", "b2")
            mean, deviation, w1, b1, w2, b2 = (data[f"{name}.{part}"].astype(np.float32) for part in parts)
            return Layers(mean, deviation, (w1, b1), (w2, b2))

        fingers = tuple(layers(finger) for finger in FINGERS)
        return Head(
            fingers,
            **{name: layers(name) for name in NETWORKS},
            shapes=tuple(str(shape) for shape in data["shapes"]),
            photographed=tuple(bool(shape) for shape in data["photographed"]),
            calibration=data["calibration"],
        )
