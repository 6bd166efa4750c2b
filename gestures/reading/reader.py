"""[Hand] → [PosedHand]: reads every hand of a photo, and decides which of them pose."""

import numpy as np

from gestures.hands.finder import CHAINS, INDEX, MIDDLE, THUMB, WRIST, Hand, Points
from gestures.reading.fingers import Fingers, PosedHand, State
from gestures.reading.poses import pose_scores


def _bend(points: Points) -> float:
    """Sum of the angles between a chain's bones, in degrees; 0 for a straight finger."""
    bones = np.diff(points, axis=0)
    bones /= np.linalg.norm(bones, axis=1, keepdims=True) + 1e-9
    return float(np.degrees(np.arccos(np.clip((bones[1:] * bones[:-1]).sum(axis=1), -1, 1))).sum())


def _sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


def read_fingers(hand: Hand) -> Fingers:
    """Read the fingers' states from the joint angles of the world landmarks."""
    world = hand.world
    length = float(np.linalg.norm(world[MIDDLE[0]] - world[WRIST]))
    extended = [_sigmoid((95 - _bend(world[[WRIST, *chain]])) / 15) for chain in CHAINS]
    reach = float(np.linalg.norm(world[THUMB[3]] - world[MIDDLE[0]])) / length
    extended[0] *= _sigmoid((reach - 0.75) / 0.06)
    touch = float(np.linalg.norm(world[THUMB[3]] - world[INDEX[3]])) / length
    ring = _sigmoid((0.35 - touch) / 0.05)
    gap = float(np.linalg.norm(world[INDEX[3]] - world[MIDDLE[3]])) / length
    thumb = hand.landmarks[THUMB[3]] - hand.landmarks[THUMB[0]]
    up = -float(thumb[1]) / (float(np.hypot(thumb[0], thumb[1])) + 1e-9)
    return Fingers(
        (extended[0], extended[1], extended[2], extended[3], extended[4]), 1.0, ring, 0.0, _sigmoid((gap - 0.35) / 0.05), _sigmoid(4 * up)
    )


def read_hands(hands: list[Hand]) -> list[PosedHand]:
    """Read every hand of one photo."""
    posed = []
    for hand in hands:
        fingers = read_fingers(hand)
        scores = pose_scores(fingers)
        pose = max(scores, key=lambda key: scores[key])
        sure = scores[pose] > 0.3
        posed.append(PosedHand(hand, fingers, State.POSING if sure else State.REST, pose if sure else None, scores[pose]))
    return posed
