"""What is read off one hand: the fingers' states and the pose that they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gestures.hands.finder import Hand

FINGERS = ("thumb", "index", "middle", "ring", "little")
LETTERS = "TIMRP"


class State(StrEnum):
    """What a hand does, as far as can be told."""

    POSING = "posing"
    """It poses, and the pose was read with enough confidence."""
    UNCLEAR = "unclear"
    """It seems to pose, but not surely, or like nothing that is known, or it is too small to be read: the person looks."""
    REST = "rest"
    """It poses nothing: it is relaxed, holds something or is busy with something else."""


@dataclass(frozen=True, slots=True)
class Fingers:
    """What the reading head sees in one hand. All are probabilities, 0..1.

    extended: thumb, index, middle, ring, little is extended (0 folded, near 0.5 can't tell).
    posing: the hand shows something on purpose, rather than being at rest or busy.
    ring: thumb and index finger make a ring (OK).
    crossed: the tips of thumb and index finger are crossed (finger heart).
    apart: the extended fingers are spread.
    thumb_up: the thumb points up in the upright photo (0: down).
    shapes: what the hand looks like as a whole: how likely it has each shape (`PoseEntry.shape`) that photos taught; empty where the finder
        does not tell how the hand looks.
    """

    extended: tuple[float, float, float, float, float]
    posing: float
    ring: float
    crossed: float
    apart: float
    thumb_up: float
    shapes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PosedHand:
    """A hand with what was read off it.

    pose: a key of poses.toml: of a hand that is unclear, what it seems to show. None where it is at rest or can't be read.
    confidence: calibrated probability 0..1 that `pose` is right; for a hand at rest, that it poses nothing.
    best_pose, score: the pose that fits best whatever the state, and the calibrated probability that the hand shows it on purpose.
    """

    hand: Hand
    fingers: Fingers
    state: State
    pose: str | None
    confidence: float
    best_pose: str
    score: float
