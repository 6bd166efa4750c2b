"""Where in a photo hands could be, and how large: one look of a small network at a reduced copy of the whole photo.

A large photo holds some four hundred places and scales at which the palm detector would have to look, and nearly all of them are sky,
wall, floor or cloth. The proposal network (a fully convolutional one, 0.2 million weights, our own) was taught what the exhaustive
search finds, and says for every place and every octave of size how likely a hand is there; `cover` then lays as few tiles as give the
palm detector a good view of all of them. train_proposals.py makes proposals.tflite; MODEL_CARD.md says from what.
"""

from dataclasses import dataclass
from importlib.resources import files

import cv2
import numpy as np

from gestures.hands.networks import Floats, Network, Pixels, Pyramid, Region

# The network's maps: photo pixels of its input a cell, and the least hand, in the same pixels, that the map is for; each is for the
# octave from there, the last for all larger hands.
MAPS = ("head0", "head1", "head2", "head3")
STRIDES = (8, 8, 16, 32, 64, 64)
SIZES = (3, 8, 16, 32, 64, 128)

# The copy's long side is the photo's divided by REDUCTION, and no less than LEAST_INPUT where the photo has as much: the smallest hand
# that can be read, some 15 pixels, is then 4 pixels wide, the least that the network was taught.
REDUCTION = 4
LEAST_INPUT = 512
MULTIPLE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """Places where a hand could be. centres: (n, 2) float32 x y, sizes: (n,) float32, in pixels of the photo. chances: (n,) 0..1."""

    centres: Floats
    sizes: Floats
    chances: Floats

    def __len__(self) -> int:
        return len(self.chances)


class ProposalNetwork:
    """The network of proposals.tflite."""

    def __init__(self) -> None:
        self._network = Network((files("gestures.hands") / "proposals.tflite").read_bytes())

    def propose(self, pyramid: Pyramid, least_chance: float) -> Proposals:
        """Return where a hand is at least so likely, the peaks of each map only."""
        longest = max(pyramid.pixels.shape[:2])
        shrink = max(1.0, min(REDUCTION, longest / LEAST_INPUT))
        picture = _input(pyramid, shrink)
        self._network.take(*picture.shape[:2])
        self._network.run(picture)
        levels = [level for name in MAPS for level in np.moveaxis(self._network.output(name), 2, 0)]
        centres, sizes, chances = [], [], []
        for logits, stride, least in zip(levels, STRIDES, SIZES, strict=True):
            peaks = (logits >= cv2.dilate(logits, np.ones((3, 3), np.uint8))) & (logits >= np.log(least_chance / (1 - least_chance)))
            y, x = np.nonzero(peaks)
            centres.append((np.stack([x, y], axis=1) + 0.5) * stride * shrink)
            sizes.append(np.full(len(x), least * 2**0.5 * shrink))
            chances.append(1 / (1 + np.exp(-logits[y, x])))
        return Proposals(*(np.concatenate(parts).astype(np.float32) for parts in (centres, sizes, chances)))


def _input(pyramid: Pyramid, shrink: float) -> Pixels:
    """The photo reduced, with black to the right and below up to whole cells of the coarsest map."""
    height, width = pyramid.pixels.shape[:2]
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    small = cv2.resize(pyramid.reduced(shrink), size, interpolation=cv2.INTER_AREA)
    right, bottom = -size[0] % MULTIPLE, -size[1] % MULTIPLE
    return cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_CONSTANT).astype(np.uint8, copy=False)


# How often the palm detector fires on a hand, by the hand's size as a share of the tile's side, and by how far from the tile's edge its
# middle lies, in hands (0 and less: on or beyond the edge); the second is a factor on the first. Measured on 8,000 pairs of hand and tile.
SHARES = (0.02, 0.04, 0.065, 0.1, 0.15, 0.2, 0.3, 0.5, 0.65, 0.9, 1.2)
FIRES = (0.02, 0.2, 0.45, 0.62, 0.75, 0.85, 0.93, 0.9, 0.8, 0.5, 0.05)
INSIDE = (-0.4, -0.1, 0.1, 0.3, 0.6)
INSIDE_FACTOR = (0.02, 0.25, 0.6, 0.85, 1.0)

# Sides of the tiles that are tried around every proposal, in hands.
TILE_SIDES = (2.4, 4.0, 6.5)


def cover(proposals: Proposals, least_gain: float) -> list[Region]:
    """Lay tiles around proposals, one after another where the palm detector can be expected to find the most hands that the tiles before
    have not shown it, until the next one would add fewer than `least_gain` of a hand.
    """
    if not len(proposals):
        return []
    sides = (proposals.sizes[:, None] * np.array(TILE_SIDES, np.float32)).ravel()
    centres = np.repeat(proposals.centres, len(TILE_SIDES), axis=0)
    fires = _fires(centres, sides, proposals)
    left = proposals.chances.copy()
    gains = fires @ left
    chosen = []
    while gains[best := int(gains.argmax())] >= least_gain:
        chosen.append(Region(float(centres[best, 0]), float(centres[best, 1]), float(sides[best]), 0.0))
        shown = np.flatnonzero(fires[best])
        seen = left[shown] * fires[best, shown]
        left[shown] -= seen
        gains -= fires[:, shown] @ seen
    return chosen


def _fires(centres: Floats, sides: Floats, proposals: Proposals) -> Floats:
    """(tiles, proposals) float32: how likely the palm detector fires on each proposal's hand in each tile."""
    shares = proposals.sizes / sides[:, None]
    apart = np.abs(centres[:, None] - proposals.centres).max(axis=2)
    inside = (sides[:, None] / 2 - apart) / proposals.sizes
    fires = np.interp(np.log(shares), np.log(SHARES), FIRES, left=0, right=0)
    fires *= np.interp(inside, INSIDE, INSIDE_FACTOR, left=0)
    result: Floats = fires.astype(np.float32)
    return result
