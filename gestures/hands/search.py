"""The default finder: looks for palms at every scale that a hand can have in the photo.

MediaPipe's own pipeline squeezes the whole photo to 192×192 pixels and so misses every hand of a group photo. Here the palm detector
runs over tiles of a pyramid: over the whole photo from farther away (this catches hands that fill the frame), and then over small tiles
where the proposal network says that hands could be, few of them where the photo turns out to be a close-up. All palms go through one
non-maximum suppression; the landmark network then looks at each, again through a square laid around the first landmarks, and once more in a
mirror; and hands that were found twice are dropped by the distance of their landmarks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, prod
from pathlib import Path
from typing import Self

import numpy as np

from gestures.errors import FinderError
from gestures.hands.bundle import load_bundle
from gestures.hands.finder import INDEX, LITTLE, MIDDLE, RING, THUMB, WRIST, Hand, Points, Side, shared_area
from gestures.hands.models import Model
from gestures.hands.networks import SMALL_PALM_INPUT, LandmarkNetwork, PalmDetector, Palms
from gestures.hands.proposals import CLOSELY, GLANCE, Detail, Plan, ProposalNetwork, Proposals, agreed
from gestures.hands.pyramid import Floats, Pyramid, Region, landmark_region, palm_region
from gestures.photo import Photo
from gestures.words import both


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How thoroughly to search.

    zooms: sides of the tiles that are looked at in any case, as the photo's long side divided by each; below 1 the tile is larger than the
        photo. Further tiles, small ones, are laid where the proposal network says that hands could be.
    zooms_in_doubt: more of them, looked at while no palm is certain: people alone in a photo mostly hold their hand near the camera.
    overlap: share of a tile that the next one of the same zoom covers again.
    least_tile: pixels; the palm detector sees a hand that fills a tenth of a tile, and one below 15 pixels cannot be read.
    least_chance: proposals with a lower one are not covered. least_gain: hands, on average, that a further tile must be expected to add;
        infinite: there are none.
    close_ups: whether a photo with nothing but large hands is taken for a close-up and not searched for small ones.
    palm_threshold: palms with a lower score are not looked at. A low one costs landmark passes, a high one hands: from 0.15 to 0.2 saved a
        sixth of the passes and lost no labelled hand. Tiles that hold the whole photo are few, and what they see is large: there half of
        it is enough.
    presence_threshold: hands of which the landmark network is less sure, on the mean of its looks after the first, are dropped.
    """

    zooms: tuple[float, ...] = (0.7,)
    zooms_in_doubt: tuple[float, ...] = (1, 0.5)
    overlap: float = 1 / 3
    least_tile: int = 150
    least_chance: float = 0.01
    least_gain: float = 0.015
    close_ups: bool = True
    palm_threshold: float = 0.2
    presence_threshold: float = 0.5


def tiles_at(*zooms: float) -> SearchSettings:
    """Settings for a search at these zooms and nowhere else, whatever is found or likely."""
    return SearchSettings(zooms=zooms, zooms_in_doubt=(), least_gain=inf, close_ups=False)


# Every tile that a hand could need; what a search led by proposals is measured against.
EXHAUSTIVE = tiles_at(0.5, 0.7, 1, 2, 4, 8, 12)


# So many small tiles take as long as a large one.
SMALL_TILES = 5


def grid(width: int, height: int, settings: SearchSettings) -> Iterator[Region]:
    """Lay overlapping tiles over a photo at every zoom that is looked at in any case."""
    for side in _sides(max(width, height), settings):
        for y in _centres(height, side, settings.overlap):
            for x in _centres(width, side, settings.overlap):
                yield Region(x, y, side, 0.0)


def tile_count(width: int, height: int, settings: SearchSettings) -> int:
    """How many tiles `grid` lays."""
    sides = _sides(max(width, height), settings)
    return sum(prod(len(_centres(length, side, settings.overlap)) for length in (width, height)) for side in sides)


def _sides(longest: int, settings: SearchSettings) -> Iterator[float]:
    """The sides of the tiles, in pixels of the photo, largest first: none below the least, none hardly smaller than the one before."""
    last = inf
    for zoom in settings.zooms:
        side = longest / zoom if zoom <= 1 else max(longest / zoom, settings.least_tile)
        if side < last / 1.35:
            yield side
            last = side


def _centres(length: int, side: float, overlap: float) -> list[float]:
    """Middles of the tiles along a side: evenly spread, with the overlap or more; one in the middle of a side that fits into a tile."""
    if length <= side:
        return [length / 2]
    count = int(np.ceil((length - side) / (side * (1 - overlap)))) + 1
    return [float(centre) for centre in np.linspace(side / 2, length - side / 2, count)]


class SearchFinder:
    """Finds every hand in a photo by searching it at every scale."""

    name = "search"

    def __init__(self, model: Path | None = None, settings: SearchSettings = SearchSettings(), threads: int = 1) -> None:
        bundle = load_bundle(model)
        palm_detector = Model(bundle.palm_detector)
        palm_detector.quantize()
        self.palms = PalmDetector(palm_detector, threads)
        self.near_palms = PalmDetector(palm_detector, threads, SMALL_PALM_INPUT)
        self.proposals = ProposalNetwork(threads)
        self.landmark_network = LandmarkNetwork(bundle.landmark_network, threads)
        self.settings = settings
        self._closed = False

    def find(self, photo: Photo) -> list[Hand]:
        """Return the hands in the photo, largest first. Raises `FinderError` when closed or when a network fails."""
        if self._closed:
            raise FinderError(problem=both("problem.finder-closed"))
        search = self._begin(Pyramid.for_networks(photo))
        search.cover_in_doubt()
        hands = search.close_up() if self.settings.close_ups else []
        if not hands:
            if self.settings.least_gain < inf:
                search.cover_likely(search.plan_closely, self.settings.least_gain)
            hands = list(search.hands())
        return sorted(drop_duplicates(hands), key=lambda hand: -hand.size)

    def _begin(self, pyramid: Pyramid) -> "_Search":
        """Cover the whole photo; if no palm is certain and few hands are proposed, once more with its dark places lit up. Go on with
        that, unless its palms are less sure.
        """
        search = _Search(self, pyramid)
        if search.surest < CERTAIN_PALM and (lit := pyramid.lit_up()) and search.expected < FEW_HANDS:
            other = _Search(self, lit)
            if other.surest >= search.surest:
                return other
        return search

    def close(self) -> None:
        """Release the networks."""
        if not self._closed:
            self._closed = True
            del self.palms, self.near_palms, self.proposals, self.landmark_network

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Search:
    """The search of one photo, as far as it has come: which palms were seen, what the landmark network said of them, where to look next."""

    def __init__(self, finder: SearchFinder, pyramid: Pyramid) -> None:
        self._finder, self._settings, self._pyramid = finder, finder.settings, pyramid
        self._height, self._width = pyramid.height, pyramid.width
        self._longest = max(self._height, self._width)
        self._covered: list[tuple[Region, int, Palms]] = []
        self._looked: dict[bytes, Hand | None] = {}
        # A search that is led must not take longer than one that is not.
        self._tiles_left = SMALL_TILES * tile_count(self._width, self._height, EXHAUSTIVE)
        for tile in grid(self._width, self._height, self._settings):
            self._cover(tile, finder.palms)

    @property
    def expected(self) -> float:
        """How many hands are proposed at a glance, each counted by its chance."""
        return float(self._at_a_glance.chances.sum())

    @cached_property
    def _at_a_glance(self) -> Proposals:
        return self._proposals(GLANCE)

    @cached_property
    def plan_at_a_glance(self) -> Plan:
        """Where to look next, by a glance at the photo."""
        return self._plan(self._at_a_glance)

    @cached_property
    def plan_closely(self) -> Plan:
        """Where to look next, by a glance and a closer look; small and very large photos are looked at once."""
        if CLOSELY.shrink(self._height, self._width) == GLANCE.shrink(self._height, self._width):
            return self.plan_at_a_glance
        return self._plan(agreed(self._proposals(CLOSELY), self._at_a_glance, self._settings.least_chance))

    def _plan(self, proposals: Proposals) -> Plan:
        """Plan for these, with what was covered so far taken note of."""
        plan = Plan(proposals)
        for covered in self._covered:
            plan.saw(*covered)
        return plan

    def _proposals(self, detail: Detail) -> Proposals:
        shrink = detail.shrink(self._height, self._width)
        return self._finder.proposals.propose(self._pyramid, shrink, self._settings.least_chance)

    @property
    def surest(self) -> float:
        """The score of the surest palm so far."""
        return max((float(palms.scores.max()) for palms in self._seen() if len(palms)), default=0.0)

    def cover_in_doubt(self) -> None:
        """Run the palm detector over further large tiles while no palm is certain."""
        for zoom in self._settings.zooms_in_doubt:
            if self.surest < CERTAIN_PALM:
                self._cover(Region(self._width / 2, self._height / 2, self._longest / zoom, 0.0), self._finder.palms)

    def cover_likely(self, plan: Plan, least_gain: float) -> None:
        """Run the palm detector over small tiles while one can be expected to add so many hands."""
        while self._tiles_left and (tile := plan.next(least_gain)):
            self._tiles_left -= 1
            plan.saw(*self._cover(tile, self._finder.near_palms))

    def _cover(self, tile: Region, detector: PalmDetector) -> tuple[Region, int, Palms]:
        """Look for palms in a tile; return it, its side as it was looked at, and the palms, in pixels of the photo."""
        threshold = self._settings.palm_threshold * (0.5 if tile.side >= self._longest else 1)
        to_photo = tile.to_photo()
        palms = detector.detect(self._pyramid.crop(to_photo, detector.side), threshold)
        self._covered.append((tile, detector.side, palms.mapped(tile.side / detector.side, *to_photo[:, 2])))
        return self._covered[-1]

    def _seen(self) -> list[Palms]:
        return [palms for _, _, palms in self._covered]

    def close_up(self) -> list[Hand]:
        """Where a large palm is certain, look on until a small hand is found; return the hands of a close-up, or none if it is not one."""
        hands: list[Hand] = []
        if self._shows_close_up():
            self.cover_likely(self.plan_at_a_glance, OTHERS_LIKELY)
            for hand in self.hands(OTHERS_SURE):
                if hand.share < CLOSE_UP:
                    return []
                hands.append(hand)
        return hands

    def _shows_close_up(self) -> bool:
        """Whether a palm is certain that could be that of a hand as large as in a close-up."""
        width = CLOSE_UP * self._longest * PALM_OF_HAND
        return any(((palms.scores >= CERTAIN_PALM) & (palms.boxes[:, 2] - palms.boxes[:, 0] >= width)).any() for palms in self._seen())

    def hands(self, least_score: float = 0) -> Iterator[Hand]:
        """Run the landmark network over the palms of this score and more, the surest first; leave out what is no hand, or found already."""
        palms = suppress(Palms.merged(self._seen()))
        found: list[Hand] = []
        for box, keypoints, score in zip(palms.boxes, palms.keypoints, palms.scores, strict=True):
            if score < least_score:
                break
            if not _is_palm_of(box, keypoints, found):
                palm = keypoints.tobytes()
                if palm not in self._looked:
                    self._looked[palm] = self._look(box, keypoints, score, found)
                if hand := self._looked[palm]:
                    found.append(hand)
                    yield hand

    def _look(self, box: Floats, keypoints: Floats, score: float, known: list[Hand]) -> Hand | None:
        """Look at a palm; then through a square laid around the landmarks at the hand, and through a wider one at its mirror image.

        The second look sees 99 % of near hands instead of 91-94 %, the mirror spares false alarms.
        """
        network, pyramid, least = self._finder.landmark_network, self._pyramid, self._settings.presence_threshold
        region = palm_region(keypoints, box)
        first = network.look(pyramid.square(region), region)
        if first.presence < HOPELESS or _is_among(first.landmarks, known):
            return None
        region = landmark_region(first.landmarks)
        hand = network.look(pyramid.square(region), region)
        if hand.presence < least - MIRROR_ADDS:
            return None
        wider = replace(region, side=WIDER * region.side)
        mirrored = network.look(pyramid.square(wider)[:, ::-1], wider, mirrored=True)
        presence = (hand.presence + mirrored.presence) / 2
        if presence < least:
            return None
        side: Side = "right" if hand.rightness >= 0.5 else "left"
        size = float(np.ptp(hand.landmarks[:, :2], axis=0).max())
        return Hand(hand.landmarks, hand.world, side, presence, float(score), size / self._longest, (first, hand, mirrored))


def suppress(palms: Palms, threshold: float = 0.3) -> Palms:
    """Weighted non-maximum suppression, as in MediaPipe: palms whose boxes overlap by more (intersection over union) than the threshold
    become one, their mean weighted by score, with the surest one's score.
    """
    if not len(palms):
        return palms
    x0, y0, x1, y1 = palms.boxes.T
    area = (x1 - x0) * (y1 - y0)
    order = np.argsort(-palms.scores, kind="stable")
    boxes, keypoints, scores = [], [], []
    while len(order):
        best = order[0]
        wide = np.minimum(x1[best], x1[order]) - np.maximum(x0[best], x0[order])
        high = np.minimum(y1[best], y1[order]) - np.maximum(y0[best], y0[order])
        shared = np.clip(wide, 0, None) * np.clip(high, 0, None)
        same = shared > threshold * (area[best] + area[order] - shared)
        same[0] = True
        weights = palms.scores[order[same]]
        boxes.append(np.average(palms.boxes[order[same]], axis=0, weights=weights))
        keypoints.append(np.average(palms.keypoints[order[same]], axis=0, weights=weights))
        scores.append(palms.scores[best])
        order = order[~same]
    return Palms(np.array(boxes, np.float32), np.array(keypoints, np.float32), np.array(scores, np.float32))


# The landmarks that the palm detector's keypoints are: wrist, knuckles, and the thumb's first two joints.
PALM_LANDMARKS = [WRIST, INDEX[0], MIDDLE[0], RING[0], LITTLE[0], THUMB[0], THUMB[1]]

# While no palm has this score, the hand of somebody alone in the photo may have been missed.
CERTAIN_PALM = 0.8

# Where more hands are proposed than this, the light is good enough for them: with its dark places lit up, a photo of 50 megapixels with 83
# hands showed nine fewer. Of people near by and against the light, mostly fewer are; with 1, two of three sets gained little.
FEW_HANDS = 3

# Where every hand found is so large, as a share of the photo's longer side, the photo is a close-up of one or two people: there is an end
# when no tile can be expected to add OTHERS_LIKELY hands and no other palm of at least OTHERS_SURE is a small hand. It saves single people
# three tiles in four, and cost none of 700 labelled hands; of hands of some 25 to 60 pixels pasted beside a near one, 3 of 142. A palm box
# is, at least, PALM_OF_HAND as wide as its hand's longer side.
CLOSE_UP = 0.15
OTHERS_LIKELY = 0.1
OTHERS_SURE = 0.5
PALM_OF_HAND = 0.35

# A palm so much narrower than the hand that it lies in is a knuckle or a fingertip; of labelled hands none was.
PIECE_OF_PALM = 0.25

# A palm's square often cuts fingers off, so the first look need not be sure of a hand. Of 7,000 palms, those with less than this at first
# turned out to be one in a twelfth of the cases, and a sure one in one of two hundred.
HOPELESS = 0.2
# The second look and its mirror image seldom differ by more: of hands that lack this at the second look a seventh pass in the end, barely.
MIRROR_ADDS = 0.1
# How much wider the square of the last look is. The mean of two looks that differ tells the reading head more: a tenth less log-loss on
# photos that it never saw than with the same square twice.
WIDER = 1.3

# Two hands whose landmarks lie, on average, closer than this share of the smaller one's size are one hand found twice.
DUPLICATE_DISTANCE = 0.25
SAME_PALM = 0.15

# A hand that lies with so much of its box in another's, or in those of two hands that touch, and is so much smaller, is a knuckle or a
# fingertip of theirs, unless the landmark network is so much surer of it.
PIECE_INSIDE = 0.85
PIECE_SIZE = 0.8
PIECE_PRESENCE = 0.1


def drop_duplicates(hands: list[Hand]) -> list[Hand]:
    """Keep each hand once, the one that the landmark network and the palm detector are surest of together, and no pieces of hands."""
    kept: list[Hand] = []
    for hand in sorted(hands, key=lambda hand: -hand.presence * hand.palm_score):
        if not _is_among(hand.landmarks, kept):
            kept.append(hand)
    return [hand for hand in kept if not _is_piece(hand, kept)]


def _is_piece(hand: Hand, hands: list[Hand]) -> bool:
    """Whether a hand is a piece of a larger one, or of two that touch."""
    larger = (whole for whole in hands if hand.size < PIECE_SIZE * whole.size and whole.presence > hand.presence - PIECE_PRESENCE)
    _, _, width, height = hand.box
    return sum(shared_area(hand.box, whole.box) for whole in larger) >= PIECE_INSIDE * width * height


def _is_palm_of(box: Floats, keypoints: Floats, hands: list[Hand]) -> bool:
    """Whether a palm is that of a hand found already, or a piece of it.

    It is the hand's palm where its keypoints are, on average, nearer to the hand's own than a share of the hand's size. It is a piece where
    its middle lies in the hand's box and it is far too small to be the palm.
    """
    if not hands:
        return False
    points = _places(hands)
    low, high = points.min(axis=1), points.max(axis=1)
    sizes = (high - low).max(axis=1)
    palms = np.linalg.norm(points[:, PALM_LANDMARKS] - keypoints, axis=2).mean(axis=1) <= SAME_PALM * sizes
    middle = (box[:2] + box[2:]) / 2
    pieces = ((low <= middle) & (middle <= high)).all(axis=1) & (box[2] - box[0] < PIECE_OF_PALM * sizes)
    return bool((palms | pieces).any())


def _is_among(landmarks: Points, hands: list[Hand]) -> bool:
    """Whether landmarks are those of one of the hands: their mean distance in the picture is a small share of the smaller one's size."""
    if not hands:
        return False
    points = _places(hands)
    sizes = np.minimum(np.ptp(points, axis=1).max(axis=1), np.ptp(landmarks[:, :2], axis=0).max())
    distances = np.linalg.norm(points - landmarks[:, :2], axis=2).mean(axis=1)
    return bool((distances <= DUPLICATE_DISTANCE * sizes).any())


def _places(hands: list[Hand]) -> Floats:
    """(n, 21, 2) float32: where the landmarks of the hands lie in the photo."""
    return np.stack([hand.landmarks[:, :2] for hand in hands])
