"""[Hand] → [PosedHand]: reads every hand of a photo, and decides which of them pose."""

from dataclasses import dataclass

import numpy as np

from gestures.hands.finder import Hand
from gestures.reading.fingers import Fingers, PosedHand, State
from gestures.reading.head import load_head
from gestures.reading.poses import best_pose, pose_table, poses_as_none
from gestures.reading.two_hands import HEART, hearts


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which calibrated score, 0..1, a hand counts as posing. MODEL_CARD.md shows what is found and flagged at each.

    The score itself leans to recall for a single person close up and to quiet for the small hands of a group (see `head.evidence`).
    review: from here up, the hand poses. unclear: from here up to `review`, it seems to pose, but not surely. A hand that poses as no row
        of the table does (see `poses_as_none`) is unclear with any lower score, too.
    least_size: pixels; a smaller hand cannot be read, and is at most unclear.
    """

    review: float = 0.65
    unclear: float = 0.35
    least_size: float = 14

    def __post_init__(self) -> None:
        """Raise `ValueError` for what is no score: no hand comes up to NaN, and every photo would be called clear."""
        if not (0 <= self.review <= 1 and 0 <= self.unclear <= 1):
            raise ValueError(f"review and unclear are scores from 0 to 1, not {self.review} and {self.unclear}")


def read_hands(hands: list[Hand], thresholds: Thresholds = Thresholds()) -> list[PosedHand]:
    """Read every hand of one photo."""
    head = load_head()
    fingers = [head.read(hand) for hand in hands]
    poses = [best_pose(one) for one in fingers]
    raw = np.array([one.posing * fit if pose_table()[pose].readings else 0.0 for one, (pose, fit) in zip(fingers, poses, strict=True)])
    scores = head.scores(raw, np.array([hand.share for hand in hands]))
    posed = [
        _posed(hand, one, pose, float(score), thresholds) for hand, one, (pose, _), score in zip(hands, fingers, poses, scores, strict=True)
    ]
    for index, sure in hearts(hands).items():
        posed[index] = PosedHand(hands[index], fingers[index], State.POSING, HEART, sure, HEART, sure)
    return posed


def _posed(hand: Hand, fingers: Fingers, pose: str, score: float, thresholds: Thresholds) -> PosedHand:
    large_enough = hand.size >= thresholds.least_size
    unread = poses_as_none(fingers)
    if score >= thresholds.review and large_enough:
        return PosedHand(hand, fingers, State.POSING, pose, score, pose, score)
    if score >= min(thresholds.review, thresholds.unclear) or (large_enough and unread):
        return PosedHand(hand, fingers, State.UNCLEAR, pose if large_enough and not unread else None, score, pose, score)
    return PosedHand(hand, fingers, State.REST, None, 1 - score, pose, score)
