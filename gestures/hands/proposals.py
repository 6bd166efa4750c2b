"""Where in a photo hands could be, and how large: what a small network says of reduced copies of the whole photo.

A large photo holds some four hundred places and scales at which the palm detector would have to look, and nearly all of them are sky,
wall, floor or cloth. The proposal network (a fully convolutional one, 0.2 million weights, our own) was taught what a dense
search finds, and says for every place and every octave of size how likely a hand is there; `Plan` then chooses tiles one by one
until no further one is worth its time. train_proposals.py makes proposals.tflite; MODEL_CARD.md says from what.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from gestures.hands.networks import SMALL_PALM_INPUT, Network, Palms
from gestures.hands.pyramid import Floats, Pyramid, Region
from gestures.photo import Pixels

# The network's maps: photo pixels of its input a cell, and the least hand, in the same pixels, that the map is for; each is for the
# octave from there, the last for all larger hands.
MAPS = ("head0", "head1", "head2", "head3")
STRIDES = (8, 8, 16, 32, 64, 64)
SIZES = (3, 8, 16, 32, 64, 128)

# Reduced by so much, the smallest hand that can be read, some 15 pixels, is 4 pixels wide, the least that the network was taught. Photos of
# which the copy would have more than MOST_PIXELS come near it: of one of 50 megapixels, the closer look would take another 50 MB.
MOST_REDUCTION = 4
MOST_PIXELS = 2_500_000


@dataclass(frozen=True, slots=True)
class Detail:
    """How large the copy is that the network is shown: the photo's sides divided by `reduction`, by more where the copy would be too large,
    and by less where its longer side had not `least` pixels.
    """

    reduction: float
    least: int

    def shrink(self, height: int, width: int) -> float:
        """By what the sides of a photo of this size are divided, 1 or more."""
        reduction = max(self.reduction, min(MOST_REDUCTION, sqrt(height * width / MOST_PIXELS)))
        return max(1.0, min(reduction, max(height, width) / self.least))


# A glance is enough to tell whether a close-up shows others. Else the network looks closely, too, where small hands are more than specks,
# see `agreed`.
GLANCE = Detail(MOST_REDUCTION, 512)
CLOSELY = Detail(2.5, 1200)
MULTIPLE = 64

# A picture of more pixels a side than PIECE is looked at in pieces that overlap: the network takes 80 bytes a pixel.
PIECE = 576
PIECE_OVERLAP = 128


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """Places where a hand could be. centres: (n, 2) float32 x y, sizes: (n,) float32, in pixels of the photo. chances: (n,) 0..1."""

    centres: Floats
    sizes: Floats
    chances: Floats

    def __len__(self) -> int:
        return len(self.chances)

    def likeliest(self, most: int) -> "Proposals":
        """So many of them, those with the highest chances."""
        return self.only(np.argsort(-self.chances, kind="stable")[:most])

    def only(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> "Proposals":
        """Those of these numbers, or for which this is true."""
        return Proposals(self.centres[which], self.sizes[which], self.chances[which])

    def chances_of(self, others: "Proposals") -> Floats:
        """(others,): the chance that these give to the hand of each other proposal; 0 where they propose none of half to twice its size."""
        if not len(self):
            return np.zeros(len(others), np.float32)
        across, down = (others.centres[:, None, axis] - self.centres[:, axis] for axis in (0, 1))
        near = across**2 + down**2 < (NEAR * others.sizes[:, None]) ** 2
        there = near & (others.sizes[:, None] <= 2 * self.sizes) & (self.sizes <= 2 * others.sizes[:, None])
        chances: Floats = np.where(there, self.chances, 0).max(axis=1)
        return chances


def agreed(closely: Proposals, glance: Proposals, least_chance: float) -> Proposals:
    """Put together what the network says at a closer look and at a glance: the odds of a hand are the geometric mean of what both say.

    What one look takes for a hand by mistake the other mostly does not. Scenes of 2, 12 and 24 megapixels took a quarter fewer tiles than
    by the glance alone, and 238 of their 244 hands were found instead of 239; in panoramas of real groups, a fifth fewer, and 94 % of the
    labelled hands were found instead of 83 %, since small ones are specks at a glance.
    """
    closely, glance = closely.likeliest(MOST_PROPOSALS), glance.likeliest(MOST_PROPOSALS)
    missed = glance.only(closely.chances_of(glance) == 0)
    both = Proposals(
        np.concatenate([closely.centres, missed.centres]),
        np.concatenate([closely.sizes, missed.sizes]),
        np.concatenate([_mean(closely.chances, glance.chances_of(closely)), _mean(missed.chances, np.zeros_like(missed.chances))]),
    )
    return both.only(both.chances >= least_chance)


def _mean(one: Floats, other: Floats) -> Floats:
    """Chances whose odds are the geometric mean of both."""
    one, other = (np.clip(chances, NOT_PROPOSED, 0.9999) for chances in (one, other))
    odds = np.sqrt(one / (1 - one) * other / (1 - other))
    mean: Floats = odds / (1 + odds)
    return mean


class ProposalNetwork:
    """The network of proposals.tflite."""

    def __init__(self, threads: int = 1) -> None:
        self._network = Network((files("gestures.hands") / "proposals.tflite").read_bytes(), threads)

    def propose(self, pyramid: Pyramid, shrink: float, least_chance: float) -> Proposals:
        """Return where a hand is at least so likely, the peaks of each map only. shrink: by what the photo's sides are divided."""
        centres, sizes, chances = [], [], []
        for logits, stride, least in zip(self._maps(_input(pyramid, shrink)), STRIDES, SIZES, strict=True):
            peaks = (logits >= cv2.dilate(logits, np.ones((3, 3), np.uint8))) & (logits >= np.log(least_chance / (1 - least_chance)))
            y, x = np.nonzero(peaks)
            centres.append((np.stack([x, y], axis=1) + 0.5) * stride * shrink)
            sizes.append(np.full(len(x), least * 2**0.5 * shrink))
            chances.append(1 / (1 + np.exp(-logits[y, x])))
        return Proposals(*(np.concatenate(parts).astype(np.float32) for parts in (centres, sizes, chances)))

    def _maps(self, picture: Pixels) -> list[Floats]:
        """Return the maps of `SIZES`, of logits, each (cells, cells). A large picture is looked at piece by piece, to spare memory; each
        piece only tells of what lies away from the edges that it has within the picture.
        """
        maps = [np.empty((picture.shape[0] // stride, picture.shape[1] // stride), np.float32) for stride in STRIDES]
        for top, bottom, rows in _pieces(picture.shape[0]):
            for left, right, columns in _pieces(picture.shape[1]):
                self._network.take(bottom - top, right - left)
                self._network.run(picture[top:bottom, left:right])
                levels = [level for name in MAPS for level in np.moveaxis(self._network.output(name), 2, 0)]
                for whole, level, stride in zip(maps, levels, STRIDES, strict=True):
                    there = np.s_[rows.start // stride : rows.stop // stride, columns.start // stride : columns.stop // stride]
                    y, x = (rows.start - top) // stride, (columns.start - left) // stride
                    height, width = whole[there].shape
                    whole[there] = level[y : y + height, x : x + width]
        return maps


def _pieces(length: int) -> Iterator[tuple[int, int, slice]]:
    """Cut a side into overlapping pieces of one length: where each begins and ends, and the part of the side that it tells of."""
    if length <= PIECE:
        yield 0, length, slice(0, length)
        return
    count = -(-(length - PIECE_OVERLAP) // (PIECE - PIECE_OVERLAP))
    step = -(-(length - PIECE_OVERLAP) // (count * MULTIPLE)) * MULTIPLE
    told = 0
    for number in range(count):
        start = min(number * step, length - PIECE_OVERLAP - step)
        stop = start + step + PIECE_OVERLAP
        tells = stop - PIECE_OVERLAP // 2 if stop < length else length
        yield start, stop, slice(told, tells)
        told = tells


def _input(pyramid: Pyramid, shrink: float) -> Pixels:
    """The photo reduced, with black to the right and below up to whole cells of the coarsest map."""
    small = pyramid.reduced(shrink)
    bottom, right = (-length % MULTIPLE for length in small.shape[:2])
    return cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_CONSTANT).astype(np.uint8, copy=False)


# How often the palm detector fires on a hand, by the hand's size in the picture that it is shown, in pixels, and by how far from that
# picture's edge the hand's middle lies, in hands (0 and less: on or beyond the edge); the second is a factor on the first. Measured on
# 8,000 pairs of hand and tile, sizes and middles as proposed, and taken a fifth lower: a hand that is hard to see in one tile is so in the
# next.
LOG_PIXELS = np.log([7, 10, 13, 15, 18, 22, 26, 37, 62, 74, 87, 107, 125, 173, 230])
FIRES = np.array([0.02, 0.08, 0.25, 0.4, 0.5, 0.66, 0.73, 0.76, 0.75, 0.73, 0.66, 0.56, 0.5, 0.3, 0.04])
INSIDE = np.array([-0.3, 0.0, 0.15, 0.3, 0.45, 0.6, 0.9])
INSIDE_FACTOR = np.array([0.02, 0.25, 0.4, 0.7, 0.8, 0.9, 1.0])

# This share of the hands (HARD) is hard to see, in dim light or noise, in every tile that shows them. On those the palm detector fires with
# the usual chance raised to the power HARDER. So a tile in which a hand has the wrong size says little against the hand.
HARD = 0.3
HARDER = 4

# Sides of the tiles that are tried around every proposal, in hands; they are shown to the palm detector at SMALL_PALM_INPUT.
TILE_SIDES = (1.4, 2.0, 2.8, 4.0, 5.6)

# What a hand's chance is taken for where a look proposes none.
NOT_PROPOSED = 0.005

# So many of the likeliest proposals are planned for; a group photo of 50 megapixels has about as many.
MOST_PROPOSALS = 800

# So many pairs of tile and proposal are weighed at once; all of a large group photo would take a hundred megabytes.
PAIRS = 250_000

# A palm found lies within so many hands of its proposal's middle, and is so wide, in hands. One of which the palm detector is less sure is
# looked for again: seen better, it shows the landmark network where the hand is.
NEAR = 0.5
CERTAIN = 0.5
PALM_WIDTHS = (0.2, 1.2)


class Plan:
    """Which tile to look at next: where the palm detector can be expected to find the most hands that it has not found yet.

    What it finds is taken off the plan; where it finds nothing, a hand becomes less likely, by Bayes' rule.
    """

    def __init__(self, proposals: Proposals) -> None:
        self._proposals = proposals = proposals.likeliest(MOST_PROPOSALS)
        self._sides = (proposals.sizes[:, None] * np.array(TILE_SIDES, np.float32)).ravel()
        self._centres = np.repeat(proposals.centres, len(TILE_SIDES), axis=0)
        self._tiles, self._fires = _pairs(self._centres, self._sides, SMALL_PALM_INPUT, proposals).by_proposal(len(proposals))
        self._left = np.outer([1 - HARD, HARD], proposals.chances).astype(np.float32)
        self._gains = self._expected(np.arange(len(proposals)), self._left)

    def next(self, least_gain: float) -> Region | None:
        """Return the next tile, or None where no further one can be expected to add so many hands."""
        if not len(self._gains):
            return None
        best = int(self._gains.argmax())
        if self._gains[best] < least_gain:
            return None
        x, y = self._centres[best]
        tile = Region(float(x), float(y), float(self._sides[best]), 0.0)
        self._gains[best] = -np.inf  # the same look would show the same again
        return tile

    def saw(self, tile: Region, side: int, palms: Palms) -> None:
        """Take note of what the palm detector found, in pixels of the photo, in a tile that it was shown at side² pixels."""
        if not len(self._gains):
            return
        pairs = _pairs(np.array([[tile.x, tile.y]], np.float32), np.array([tile.side], np.float32), side, self._proposals)
        shown, left = pairs.proposals, self._left[:, pairs.proposals]
        less = left * (1 - pairs.fires) / (1 - (left * pairs.fires).sum(axis=0))
        less[:, self._found(palms, shown)] = 0
        self._left[:, shown] = less
        self._gains -= self._expected(shown, left - less)

    def _expected(self, which: NDArray[np.intp], chances: Floats) -> NDArray[np.float64]:
        """(tiles,): on how many of these proposals' hands the palm detector fires on average. chances: (2, which), that there is one."""
        fired = (self._fires[:, which] * chances[:, :, None]).sum(axis=0)
        return np.bincount(self._tiles[which].ravel(), fired.ravel(), len(self._sides)).astype(np.float64, copy=False)

    def _found(self, palms: Palms, which: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(which,) bool: whether one of the palms is the proposal's hand, and a certain one."""
        centres, sizes = self._proposals.centres[which, None], self._proposals.sizes[which, None]
        middles, widths = (palms.boxes[:, :2] + palms.boxes[:, 2:]) / 2, palms.boxes[:, 2] - palms.boxes[:, 0]
        near = np.linalg.norm(centres - middles, axis=2) < NEAR * sizes
        alike = (widths > PALM_WIDTHS[0] * sizes) & (widths < PALM_WIDTHS[1] * sizes)
        result: NDArray[np.bool_] = (near & alike & (palms.scores >= CERTAIN)).any(axis=1)
        return result


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Proposals and tiles that show them, by proposal. proposals, tiles: (n,), which. fires: (2, n) float32, how likely the palm detector
    fires on the hand in the tile, if that hand is easy to see, and if it is hard to.
    """

    proposals: NDArray[np.intp]
    tiles: NDArray[np.intp]
    fires: Floats

    def by_proposal(self, count: int) -> tuple[NDArray[np.intp], Floats]:
        """Return (count, most) tiles, and (2, count, most) how likely it fires there: a row for each of all proposals, filled up with pairs
        in which it never does.
        """
        counts = np.bincount(self.proposals, minlength=count)
        places = np.arange(len(self.proposals)) - np.repeat(np.cumsum(counts) - counts, counts)
        tiles = np.zeros((count, counts.max(initial=0)), np.intp)
        fires = np.zeros((2, *tiles.shape), np.float32)
        tiles[self.proposals, places] = self.tiles
        fires[:, self.proposals, places] = self.fires
        return tiles, fires


def _pairs(centres: Floats, sides: Floats, shown: int, proposals: Proposals) -> _Pairs:
    """Pair each proposal with all tiles in which the palm detector, shown them at so many pixels a side, could fire on its hand."""
    pairs = []
    step = max(1, PAIRS // max(1, len(sides)))
    for start in range(0, max(1, len(proposals)), step):
        places, sizes = proposals.centres[start : start + step], proposals.sizes[start : start + step]
        across, down = (np.abs(places[:, None, axis] - centres[:, axis]) for axis in (0, 1))
        inside = (sides / 2 - np.maximum(across, down)) / sizes[:, None]
        which, tiles = np.nonzero(inside > INSIDE[0])
        chances = np.interp(np.log(sizes[which] / sides[tiles] * shown), LOG_PIXELS, FIRES, left=0, right=0)
        chances *= np.interp(inside[which, tiles], INSIDE, INSIDE_FACTOR)
        could = np.flatnonzero(chances)
        pairs.append((start + which[could], tiles[could], chances[could].astype(np.float32)))
    which, tiles, chances = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return _Pairs(which, tiles, np.stack([chances, chances**HARDER]))
