"""[Hand] → pairs: which hands are probably of the same person, by geometry alone. Faces and bodies are not looked at, nobody is named."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gestures.hands.finder import MIDDLE, WRIST, Hand

# Lengths are in palms, from the wrist to the middle finger's knuckle, about 9 cm; that of a pair is the geometric mean of its two.
MOST_RATIO = 1.6  # of the palms' lengths: hands of one person are about as far from the camera
LEAST_PRESENCE = 0.65  # pairs of lesser ones were mostly none of hands
LEAST_DISTANCE = 0.35  # nearer than that it is one hand, found twice
MOST_DISTANCE = 5.0  # of the only two hands of a photo
ANOTHER = 0.5  # of the smaller palm: what is smaller is a piece of a hand, or far behind
MOST_DISTANCE_IN_GROUP = 2.0  # further away, a neighbour's hand is as likely as one's own other hand
ALONE = 1.3  # no third hand of similar size may be nearer than this many times the pair's distance
FOREARM = 2.6


def pairs(hands: Sequence[Hand]) -> tuple[tuple[int, int], ...]:
    """Return which hands are probably of the same person, as pairs of indices, the one further left in the photo first.

    Two hands belong together when they are a left and a right one of similar size, near each other with no third about as near, where
    uncrossed arms have them, and with the elbows uncrossed too. Cautious by choice: when each of several people raises a hand, landmarks
    tell too little of whose they are, so most hands of a group stay alone. On 65 photos of several hands, matched by eye, seven pairs that
    can be judged are found of some fifty there are: six are right, one is of two things that are no hands. Among the people of 52 sheets,
    most with one hand up, no pair is found.
    """
    palms = np.array([_palm(hand) for hand in hands])
    middles = np.array([hand.landmarks[:, :2].mean(axis=0) for hand in hands], np.float64).reshape(-1, 2)
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=2)
    similar = np.maximum(palms[:, None], palms[None]) <= MOST_RATIO * np.minimum(palms[:, None], palms[None])
    apart[~similar] = np.inf
    found = []
    for one, other in combinations(range(len(hands)), 2):
        distance = apart[one, other] / np.sqrt(palms[one] * palms[other])
        third = np.delete(apart[[one, other]], [one, other], axis=1).min(initial=np.inf)
        only_two = np.delete(palms, [one, other]).max(initial=0) < ANOTHER * min(palms[one], palms[other])
        most = MOST_DISTANCE if only_two else MOST_DISTANCE_IN_GROUP
        if not LEAST_DISTANCE <= distance <= most or third < ALONE * apart[one, other]:
            continue
        left, right = (one, other) if middles[one, 0] <= middles[other, 0] else (other, one)
        if min(hands[one].presence, hands[other].presence) >= LEAST_PRESENCE and _uncrossed(hands[left], hands[right], bool(only_two)):
            found.append((left, right))
    return tuple(found)


def _uncrossed(left: Hand, right: Hand, only_two: bool) -> bool:
    """Whether one person's arms, not crossed, could have these hands at the left and at the right of the photo.

    Who faces the camera has the right hand at the left of the photo; in a mirrored selfie it is the other way round, which is believed
    only where there are no other people's hands.
    """
    sides = (left.side, right.side)
    if sides != ("right", "left") and not (only_two and sides == ("left", "right")):
        return False
    return bool(_elbow(left)[0] <= _elbow(right)[0])


def _palm(hand: Hand) -> float:
    """The palm's length in depth too, in pixels: unlike the box, it hardly changes with the pose and the angle to the camera."""
    return max(float(np.linalg.norm(hand.landmarks[MIDDLE[0]] - hand.landmarks[WRIST])), 1e-6)


def _elbow(hand: Hand) -> NDArray[np.float64]:
    """About where the elbow is: straight on from the knuckles over the wrist."""
    wrist, knuckle = hand.landmarks[WRIST].astype(np.float64), hand.landmarks[MIDDLE[0]].astype(np.float64)
    elbow: NDArray[np.float64] = (wrist + (wrist - knuckle) * FOREARM)[:2]
    return elbow
