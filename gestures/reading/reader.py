"""[Hand] → [PosedHand]: reads every hand of a photo, and decides which of them pose."""

from dataclasses import dataclass

from gestures.hands.finder import Hand
from gestures.reading.fingers import PosedHand, State
from gestures.reading.head import Head, load_head
from gestures.reading.poses import best_pose, pose_table


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a hand counts as posing, by the calibrated score 0..1. MODEL_CARD.md shows what each costs.

    near: for a hand that is large in the photo: lean to recall, a single person looks at one advice.
    far: for the small hands of a group: lean to quiet, every one of them can raise a false alarm.
    large: a hand is near from this share of the photo's longer side.
    unclear: from here up to the threshold, the hand seems to pose but is not read with confidence.
    least_size: pixels; a smaller hand cannot be read, and is at most unclear.
    """

    near: float = 0.4
    far: float = 0.5
    large: float = 0.1
    unclear: float = 0.35
    least_size: float = 18


def read_hands(hands: list[Hand], thresholds: Thresholds = Thresholds(), head: Head | None = None) -> list[PosedHand]:
    """Read every hand of one photo."""
    head = head or load_head()
    return [_read(hand, thresholds, head) for hand in hands]


def _read(hand: Hand, thresholds: Thresholds, head: Head) -> PosedHand:
    fingers = head.read(hand)
    pose, fit = best_pose(fingers)
    score = head.calibrated(fingers.posing * fit)
    threshold = thresholds.near if hand.share >= thresholds.large else thresholds.far
    if score >= threshold and hand.size >= thresholds.least_size:
        return PosedHand(hand, fingers, State.POSING, pose, score, pose, score)
    # A fist or a fist-like hand at rest is read as no number either way: nothing to look at.
    if score >= thresholds.unclear and pose_table()[pose].readings:
        return PosedHand(hand, fingers, State.UNCLEAR, None, score, pose, score)
    return PosedHand(hand, fingers, State.REST, None, 1 - score, pose, score)
