"""Poses that two hands make together, told by where the hands touch: neither hand alone says what they show.

A two-hand heart is a pose that agencies recommend as safe, and each of its hands alone looks like an OK, an open palm or a fist.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from gestures.hands.finder import INDEX, LITTLE, MIDDLE, THUMB, WRIST, Hand

HEART = "hand_heart"

# Lengths in palms, the mean of both hands'. In the two kinds of heart that HaGRIDv2 knows thumbs touch at 0.2 and index fingers at
# 0.1, the hearts are 0.6 high and the wrists nearly 3 apart; of the hands in some 870 labelled photos no two come near this but some of
# 15 pixels in a lap, whose landmarks are no more exact than that.
LEAST_PRESENCE = 0.9
LEAST_PALM = 20  # pixels
MOST_THUMBS_APART = 0.35
MOST_INDEXES_APART = 0.3
LEAST_OPENING = 0.45  # from each hand's thumb to its index finger
LEAST_WRISTS_APART = 1.5  # folded hands and hands that hold a thing have them closer
MOST_RATIO = 1.5


def hearts(hands: Sequence[Hand]) -> dict[int, float]:
    """Return the hands that make a heart with another one: index → how sure both are of being hands, 0..1."""
    found = {}
    for one, other in combinations(range(len(hands)), 2):
        if _is_heart(hands[one], hands[other]):
            found[one] = found[other] = min(hands[one].presence, hands[other].presence)
    return found


def _is_heart(one: Hand, other: Hand) -> bool:
    palms = _palm(one), _palm(other)
    palm = float(np.sqrt(palms[0] * palms[1]))

    def apart(hand: Hand, joint: int, its: Hand, another: int) -> float:
        return float(np.linalg.norm(hand.landmarks[joint, :2] - its.landmarks[another, :2])) / palm

    return (
        min(one.presence, other.presence) >= LEAST_PRESENCE
        and min(palms) >= LEAST_PALM
        and max(palms) <= MOST_RATIO * min(palms)
        and apart(one, THUMB[3], other, THUMB[3]) <= MOST_THUMBS_APART
        and apart(one, INDEX[3], other, INDEX[3]) <= MOST_INDEXES_APART
        and min(apart(hand, THUMB[3], hand, INDEX[3]) for hand in (one, other)) >= LEAST_OPENING
        and apart(one, WRIST, other, WRIST) >= LEAST_WRISTS_APART
    )


def _palm(hand: Hand) -> float:
    """The palm's length or width in the picture, whichever is longer, in pixels."""
    length = np.linalg.norm(hand.landmarks[MIDDLE[0], :2] - hand.landmarks[WRIST, :2])
    width = np.linalg.norm(hand.landmarks[INDEX[0], :2] - hand.landmarks[LITTLE[0], :2])
    return max(float(length), float(width), 1e-6)
