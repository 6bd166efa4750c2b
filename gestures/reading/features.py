"""Landmarks → numbers that do not change with place, size, in-plane rotation or mirroring of the hand."""

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gestures.hands.finder import CHAINS, INDEX, LITTLE, MIDDLE, THUMB, WRIST, Hand, Look, Points

_TIPS = tuple(chain[3] for chain in CHAINS)
_KNUCKLES = tuple(chain[0] for chain in CHAINS)
# The thumb's tip to each joint that it can touch or hide; neighbouring tips; each tip to its own knuckle and to the wrist.
_PAIRS = np.array(
    [(THUMB[3], joint) for chain in CHAINS[1:] for joint in (chain[0], chain[1], chain[3])]
    + list(itertools.pairwise(_TIPS[1:]))
    + list(zip(_TIPS, _KNUCKLES, strict=True))
    + [(tip, WRIST) for tip in _TIPS]
)
_CHAINS = np.array([(WRIST, *chain) for chain in CHAINS])


def geometry(landmarks: Points, world: Points, right: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return (n, 206) float32: hands in a canonical frame, in the picture and in space, with their joint angles and distances.

    landmarks: (n, 21, 3) float32, pixels. world: (n, 21, 3) float32, metres. right: (n,) bool, whether the model calls it a right hand.
    """
    flat, space = in_picture(landmarks), in_space(world, right)
    parts = [points.reshape(len(points), -1) for points in (flat, space)]
    for points in (flat, space):
        parts += [_bends(points), np.linalg.norm(points[:, _PAIRS[:, 0]] - points[:, _PAIRS[:, 1]], axis=2)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def looks_geometry(looks: Sequence[Look]) -> NDArray[np.float32]:
    """Return (n, 206) float32: `geometry` of one hand as each look saw it."""
    landmarks, world = np.stack([look.landmarks for look in looks]), np.stack([look.world for look in looks])
    return geometry(landmarks, world, np.array([look.rightness >= 0.5 for look in looks]))


def in_picture(landmarks: Points) -> Points:
    """Lay the hand, as seen, upright on its wrist: middle knuckle straight up, palm of unit length, index finger left of the little one."""
    points = landmarks - landmarks[:, WRIST : WRIST + 1]
    up = points[:, MIDDLE[0], :2]
    length = np.linalg.norm(up, axis=1)
    turn = np.stack([np.stack([-up[:, 1], up[:, 0]], axis=1), -up], axis=1) / (length[:, None, None] + 1e-6)
    flat = np.einsum("nij,nkj->nki", turn, points[:, :, :2])
    # A palm that is seen from its edge or its end is short or narrow: take the longer of the two measures.
    width = np.linalg.norm(landmarks[:, INDEX[0], :2] - landmarks[:, LITTLE[0], :2], axis=1)
    size = np.maximum(length, 1.3 * width)[:, None, None] + 1e-6
    mirrored = flat[:, INDEX[0], 0] > flat[:, LITTLE[0], 0]
    flat[:, :, 0] *= np.where(mirrored, -1, 1)[:, None]
    upright: Points = np.concatenate([flat, points[:, :, 2:]], axis=2) / size
    return upright


def in_space(world: Points, right: NDArray[np.bool_]) -> Points:
    """Lay the hand, in space, in the frame of its own palm: y from wrist to middle knuckle, x across to the index finger, z out of it."""
    points = world - world[:, WRIST : WRIST + 1]
    y = points[:, MIDDLE[0]]
    size = np.linalg.norm(y, axis=1, keepdims=True) + 1e-9
    y = y / size
    x = points[:, INDEX[0]] - points[:, LITTLE[0]]
    x = x - (x * y).sum(axis=1, keepdims=True) * y
    x = x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-9)
    z = np.cross(x, y) * np.where(right, -1, 1)[:, None]
    frame = np.stack([x, y, z], axis=1)
    upright: Points = (np.einsum("nij,nkj->nki", frame, points) / size[:, None]).astype(np.float32)
    return upright


def _bends(points: Points) -> Points:
    """(n, 15) cosines of the angles between a finger's neighbouring bones, from the wrist to the tip: 1 is straight."""
    bones = np.diff(points[:, _CHAINS], axis=2)
    bones = bones / (np.linalg.norm(bones, axis=3, keepdims=True) + 1e-9)
    cosines: Points = (bones[:, :, 1:] * bones[:, :, :-1]).sum(axis=3).reshape(len(points), -1)
    return cosines


@cache
def finger_features() -> list[NDArray[np.int64]]:
    """Return, for each finger, the columns of `geometry` that belong to it alone: its joints, its bends, where its tip is.

    A finger that is read from these cannot lean on what the other fingers mostly do in the training photos, so that a pose in no
    training photo is read like any other.
    """
    tables = []
    for number, chain in enumerate(CHAINS):
        columns = []
        for start in (0, 63):  # in the picture, in space
            columns += [start + 3 * joint + axis for joint in chain for axis in range(3)]
        for start in (126, 166):
            bends, pairs = start, start + 15
            columns += [bends + 3 * number + bend for bend in range(3)]
            columns += [pairs + pair for pair, joints in enumerate(_PAIRS) if _concerns(chain, joints)]
        tables.append(np.array(columns))
    return tables


def _concerns(chain: tuple[int, ...], joints: NDArray[np.int64]) -> bool:
    """Whether a distance is between a finger's tip and its own knuckle, the wrist or the thumb's tip."""
    one, other = joints
    own = one == chain[3] and other in (chain[0], WRIST)
    return bool(own or (one == THUMB[3] and (chain == THUMB or other in chain)))


def surroundings(hand: Hand) -> NDArray[np.float32]:
    """Return (8,) float32: what besides the fingers tells a hand that poses from one at rest.

    How sure the networks are, whether their looks agree, how large and sharp the hand can be, and which way it points: hands that hang
    are mostly at rest. Not a number where the finder does not tell.
    """
    if len(hand.looks) < 3:
        return np.full(8, np.nan, np.float32)
    _, second, mirrored = hand.looks
    up = hand.landmarks[MIDDLE[0], :2] - hand.landmarks[WRIST, :2]
    up = up / (np.linalg.norm(up) + 1e-6)
    return np.array(
        [
            _log_odds(second.presence),
            _log_odds(mirrored.presence),
            _log_odds(hand.palm_score),
            np.log(_distance(second, mirrored, hand.size) + 1e-3),
            np.log(hand.size),
            np.log(hand.share + 1e-4),
            abs(second.rightness + mirrored.rightness - 1),
            -up[1],
        ],
        np.float32,
    )


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, 1e-4), 1 - 1e-4)
    return float(np.log(clipped / (1 - clipped)))


def _distance(one: Look, other: Look, size: float) -> float:
    return float(np.linalg.norm(one.landmarks[:, :2] - other.landmarks[:, :2], axis=1).mean()) / (size + 1e-6)
