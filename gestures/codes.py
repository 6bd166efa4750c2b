"""[PosedHand] × Contest → codes: the numbers that poses, alone or together, can be read as."""

from dataclasses import dataclass

from gestures.reading.poses import Strength


@dataclass(frozen=True, slots=True)
class Code:
    """A number that one hand, or two hands together, can be read as.

    confidence: 0..1, that of the poses it stands on. hands: indices into the advice's hands. on_ballot: the contest has this number.
    """

    number: int
    strength: Strength
    confidence: float
    hands: tuple[int, ...]
    on_ballot: bool
