"""Holds results against labels: how many hands were seen, read right and left in peace.

Works on the JSON of checked photos (schema 1), so that results that a script kept can be measured as well. Nothing here runs a network.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Literal

from app.evaluate.labels import Label, LabelledPhoto
from gestures import Contest, pose_table
from gestures.advice import is_flagged
from gestures.codes import readings_of
from gestures.hands.finder import Box

Hand = dict[str, Any]
Result = dict[str, Any]
HandKey = tuple[str, int]

# HaGRID tells these apart; for a person who asks whether a number may be read they are one pose.
SAME_POSE = {
    "peace_inverted": "peace",
    "two_up": "peace",
    "two_up_inverted": "peace",
    "stop": "palm",
    "stop_inverted": "palm",
    "mute": "one",
    "point": "one",
    "two_thumbs_up": "like",
}
AT_REST, UNCLEAR, NOT_SEEN = "at rest", "unclear", "not seen"
SIZES = (0, 32, 48, 64, 96, 128, 192, 256, math.inf)
BINS = 10  # of confidence
# How far beyond a labelled box a hand's centre may lie, as a share of the box.
MARGIN = 0.25


@dataclass(frozen=True, slots=True)
class Sighting:
    """A labelled hand, and the hands that were reported at its place."""

    label: Label
    hands: tuple[Hand, ...]

    @property
    def seen(self) -> bool:
        """Whether any hand was reported there."""
        return bool(self.hands)

    @property
    def number_right(self) -> bool:
        """Whether a hand's first reading is one that the label allows. Listing every number earns nothing."""
        return any(first_number(hand) in self.label.numbers for hand in self.hands)

    @property
    def surely_right(self) -> bool:
        """Whether such a hand is to review, too, rather than unclear."""
        return any(first_number(hand) in self.label.numbers and bool(hand.get("flagged")) for hand in self.hands)

    @property
    def pose_right(self) -> bool:
        """Whether a hand has the pose of the label."""
        return any(same_pose(hand.get("pose"), self.label.pose) for hand in self.hands)

    @property
    def quiet(self) -> bool:
        """Whether no number was read there."""
        return all(first_number(hand) is None for hand in self.hands)

    @property
    def hand(self) -> Hand | None:
        """The hand to show for this one: of the right pose, else of the right number, else the most confident."""

        def fit(hand: Hand) -> tuple[bool, bool, bool, float]:
            pose = hand.get("pose")
            return same_pose(pose, self.label.pose), first_number(hand) in self.label.numbers, pose is not None, _confidence(hand)

        return max(self.hands, key=fit, default=None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A labelled photo with what was reported of it.

    level: "clear", "review", "unclear", or "failed" where there is no result. others: hands where none is labelled.
    """

    photo: LabelledPhoto
    level: str
    hands: tuple[Hand, ...]
    sightings: tuple[Sighting, ...]
    others: tuple[Hand, ...]

    def labels_of(self, hand: Hand) -> list[Label]:
        """Return the labels that a hand may belong to."""
        return [sighting.label for sighting in self.sightings if any(hand is near for near in sighting.hands)]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many out of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """The share, 0..1, to four decimals; None out of none."""
        return round(self.hits / self.of, 4) if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval, to four decimals."""
        if not self.of:
            return None
        low, high = wilson(self.hits, self.of)
        return round(low, 4), round(high, 4)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured over a set of photos.

    hands: labelled hands that show a number. seen, number, sure, pose: those reported, with a number allowed, to review as well, of the
    pose's name.
    quiet: labelled fists and hands at rest without a number. false_alarm, doubt: photos in which nobody poses, yet the level is
    "review" or "unclear". extra: hands with a number where none poses, a group photo. failed: photos without a result.
    """

    photos: int
    hands: int
    seen: Rate
    number: Rate
    sure: Rate
    pose: Rate
    quiet: Rate
    false_alarm: Rate
    doubt: Rate
    extra: float | None
    failed: int

    RATES = ("seen", "number", "sure", "pose", "quiet", "false_alarm", "doubt")

    def to_dict(self) -> dict[str, Any]:
        """The measures as plain numbers, and the rates' intervals beside them."""
        values: dict[str, Any] = {"photos": self.photos, "hands": self.hands}
        values |= {name: getattr(self, name).value for name in self.RATES}
        values |= {"extra": self.extra, "failed": self.failed}
        return values | {"intervals": {name: getattr(self, name).interval for name in self.RATES}}


@dataclass(frozen=True, slots=True)
class Band:
    """Hands of `low` to below `high` pixels (the longer side): how many were seen and read right."""

    low: float
    high: float
    seen: Rate
    number: Rate


@dataclass(frozen=True, slots=True)
class Bin:
    """Readings with a confidence of `low` to below `high`: their mean confidence, and how many were right."""

    low: float
    high: float
    confidence: float
    right: Rate


@dataclass(frozen=True, slots=True)
class Reliability:
    """Whether confidence means what it says. error: the expected calibration error, the bins' mean gap weighted by their counts."""

    bins: tuple[Bin, ...]
    error: float | None


@dataclass(frozen=True, slots=True)
class TradeOff:
    """What would be measured if a hand were read from this score on: shares 0..1, and extra hands a group photo."""

    score: float
    number: float | None
    false_alarm: float | None
    extra: float | None


MissKind = Literal["false alarm", "extra", "misread", "not seen", "not quiet"]


@dataclass(frozen=True, slots=True)
class Miss:
    """Something that went wrong. box: where in the photo, if known. confidence: of the wrong reading, 0..1."""

    kind: MissKind
    photo: LabelledPhoto
    box: Box | None
    expected: str
    read: str
    confidence: float


def first_number(hand: Hand) -> int | None:
    """Return the number that a hand is read as first."""
    readings = hand.get("readings") or []
    return int(readings[0]["number"]) if readings else None


def same_pose(found: str | None, expected: str) -> bool:
    """Tell whether two names mean the same pose here."""
    return found is not None and _common(found) == _common(expected)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return Wilson's score interval of 95 % for a share.

    E. B. Wilson, JASA 22 (1927), 209-212. Takes the counted things for independent; hands of one photo are not quite, so for groups
    it is a little narrow.
    """
    z = 1.959964
    share, weight = hits / of, z * z / of
    centre, spread = share + weight / 2, z * math.sqrt(share * (1 - share) / of + weight / (4 * of))
    return max(0.0, (centre - spread) / (1 + weight)), min(1.0, (centre + spread) / (1 + weight))


def judge(photos: Iterable[LabelledPhoto], results: Iterable[Result]) -> list[Outcome]:
    """Bring photos and their results together, by the name of the result: the photo's path, or its end, or the file's name alone."""
    by_name = {str(result.get("name", "")).replace("\\", "/"): result for result in results}
    by_file = {name.rsplit("/", 1)[-1]: result for name, result in by_name.items()}

    def find(path: str) -> Result | None:
        for name in (path, f"./{path}"):
            if name in by_name:
                return by_name[name]
        longer = (result for name, result in by_name.items() if name.endswith(f"/{path}"))
        return next(longer, by_file.get(path.rsplit("/", 1)[-1]))

    return [_outcome(photo, find(photo.path)) for photo in photos]


def _outcome(photo: LabelledPhoto, result: Result | None) -> Outcome:
    if result is None or "error" in result or result.get("level") not in ("clear", "review", "unclear"):
        result = {"level": "failed"}
    hands: tuple[Hand, ...] = tuple(result.get("hands") or ())
    sightings = tuple(
        Sighting(label, tuple(hand for hand in hands if label.box is None or _inside(label.box, hand["box"]))) for label in photo.labels
    )
    others = tuple(hand for hand in hands if not any(hand is near for sighting in sightings for near in sighting.hands))
    return Outcome(photo, result["level"], hands, sightings, others)


def _inside(box: Box, hand: Sequence[float]) -> bool:
    x, y, width, height = box
    across, down = hand[0] + hand[2] / 2, hand[1] + hand[3] / 2
    return x - MARGIN * width <= across <= x + width * (1 + MARGIN) and y - MARGIN * height <= down <= y + height * (1 + MARGIN)


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Measure a set of photos."""
    sightings = [sighting for outcome in outcomes for sighting in outcome.sightings]
    posing = [sighting for sighting in sightings if sighting.label.numbers]
    still = [sighting for sighting in sightings if not sighting.label.numbers]
    rest = [outcome for outcome in outcomes if outcome.photo.kind == "rest"]
    groups = [outcome for outcome in outcomes if outcome.photo.kind == "group"]
    extra = sum(first_number(hand) is not None for outcome in groups for hand in outcome.others)
    return Figures(
        photos=len(outcomes),
        hands=len(posing),
        seen=_rate(sighting.seen for sighting in posing),
        number=_rate(sighting.number_right for sighting in posing),
        sure=_rate(sighting.surely_right for sighting in posing),
        pose=_rate(sighting.pose_right for sighting in posing),
        quiet=_rate(sighting.quiet for sighting in still),
        false_alarm=_rate(outcome.level == "review" for outcome in rest),
        doubt=_rate(outcome.level == "unclear" for outcome in rest),
        extra=round(extra / len(groups), 4) if groups else None,
        failed=sum(outcome.level == "failed" for outcome in outcomes),
    )


def figures_by_set(outcomes: Sequence[Outcome]) -> dict[str, Figures]:
    """Measure each set, and all of them together as "ALL"."""
    return {name: figures(some) for name, some in by_set(outcomes).items()} | {"ALL": figures(outcomes)}


def by_set(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Sort photos by their set."""
    sets: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        sets.setdefault(outcome.photo.set, []).append(outcome)
    return sets


def confusion(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Count what the hands of each expected pose were read as. Hands that pose nothing, labelled so or not, stand under "at rest"."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        for sighting in outcome.sightings:
            counts[_expected(sighting.label)][read_as(sighting.hand)] += 1
        if outcome.photo.kind in ("rest", "group"):
            for hand in outcome.others:
                counts[AT_REST][read_as(hand)] += 1
    return {expected: dict(row) for expected, row in counts.items()}


def _expected(label: Label) -> str:
    return AT_REST if label.pose in ("", "no_gesture") else _common(label.pose)


def read_as(hand: Hand | None) -> str:
    """Return the pose that a hand was read as, or why it has none."""
    if hand is None:
        return NOT_SEEN
    if pose := hand.get("pose"):
        return _common(pose)
    return UNCLEAR if hand.get("state") == "unclear" else AT_REST


def hand_sizes(runs: Iterable[Sequence[Outcome]]) -> dict[HandKey, float]:
    """Return how large each labelled hand is, in pixels (the longer side), by photo and place among its labels.

    The first run that saw a hand tells. Where none did, its label's box does, shrunk as seen hands' boxes are in that set on average,
    since labelled boxes may be roomy. Hands without either are left out.
    """
    sizes: dict[HandKey, float] = {}
    unseen: dict[HandKey, tuple[str, float]] = {}
    shares: dict[str, list[float]] = {}
    for outcomes in runs:
        for outcome in outcomes:
            for index, sighting in enumerate(outcome.sightings):
                key, box, hand = (outcome.photo.path, index), sighting.label.box, sighting.hand
                if hand:
                    sizes.setdefault(key, float(max(hand["box"][2:])))
                    if box:
                        shares.setdefault(outcome.photo.set, []).append(sizes[key] / max(box[2:]))
                elif box:
                    unseen[key] = outcome.photo.set, max(box[2:])
    for key, (name, size) in unseen.items():
        sizes.setdefault(key, size * (median(shares[name]) if name in shares else 1))
    return sizes


def by_size(outcomes: Iterable[Outcome], sizes: dict[HandKey, float]) -> list[Band]:
    """Measure posing hands by their size."""
    posing = [
        (sizes[outcome.photo.path, index], sighting)
        for outcome in outcomes
        for index, sighting in enumerate(outcome.sightings)
        if sighting.label.numbers and (outcome.photo.path, index) in sizes
    ]
    bands = []
    for low, high in pairwise(SIZES):
        within = [sighting for size, sighting in posing if low <= size < high]
        bands.append(Band(low, high, _rate(one.seen for one in within), _rate(one.number_right for one in within)))
    return bands


def readings_judged(
    outcomes: Iterable[Outcome], contest: Contest, pose: str = "pose", confidence: str = "pose_confidence"
) -> Iterator[tuple[float, bool]]:
    """Yield the confidence of each reading that the labels can judge, and whether it is right.

    Judged are, for each labelled hand, the most confident reading at its place, and all readings where nobody poses. A reading is right
    when the label has that pose or, where the label's pose is not one of poses.toml's (as "three fingers up"), that number.
    pose, confidence: the fields of the JSON hand to look at.
    """
    for outcome in outcomes:
        tops: list[Hand] = []
        for sighting in outcome.sightings:
            read = [hand for hand in sighting.hands if hand.get(pose)]
            top = max(read, key=lambda hand: float(hand[confidence]), default=None)
            if top and not any(top is hand for hand in tops):
                tops.append(top)
        if outcome.photo.kind in ("rest", "group"):
            tops += [hand for hand in outcome.others if hand.get(pose)]
        for hand in tops:
            yield float(hand[confidence]), any(_fits(hand[pose], label, contest) for label in outcome.labels_of(hand))


def _fits(pose: str, label: Label, contest: Contest) -> bool:
    if label.pose in pose_table() or label.pose in SAME_POSE:
        return same_pose(pose, label.pose)
    number = _number(pose, contest)
    return number in label.numbers if number is not None else not label.numbers


def reliability(judged: Iterable[tuple[float, bool]]) -> Reliability:
    """Sort readings into bins of equal width by confidence."""
    sorted_: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in judged:
        sorted_[min(int(confidence * BINS + 1e-9), BINS - 1)].append((confidence, right))
    rows = tuple(
        Bin(
            index / BINS,
            (index + 1) / BINS,
            round(sum(confidence for confidence, _ in some) / len(some), 4),
            _rate(right for _, right in some),
        )
        for index, some in enumerate(sorted_)
        if some
    )
    total = sum(row.right.of for row in rows)
    gap = sum(abs(row.confidence * row.right.of - row.right.hits) for row in rows)
    return Reliability(rows, round(gap / total, 4) if total else None)


def trade_off(outcomes: Sequence[Outcome], contest: Contest) -> list[TradeOff] | None:
    """Measure again with every hand read as its best pose from a score on, for scores from 0 to 1.

    None where results lack the fields `score` and `best_pose`.
    """
    hands = [hand for outcome in outcomes for hand in outcome.hands]
    if not hands or any(hand.get("score") is None or not hand.get("best_pose") for hand in hands):
        return None

    poses = {str(hand["best_pose"]) for hand in hands}
    number = {pose: _number(pose, contest) for pose in poses}
    flagged = {pose for pose in poses if is_flagged(pose, contest)}
    groups = [outcome for outcome in outcomes if outcome.photo.kind == "group"]
    # The score from which on each labelled hand would be read right, each photo be flagged, each hand be one too many.
    posing = [
        max((float(hand["score"]) for hand in sighting.hands if number[hand["best_pose"]] in sighting.label.numbers), default=-1.0)
        for outcome in outcomes
        for sighting in outcome.sightings
        if sighting.label.numbers
    ]
    rest = [
        max((float(hand["score"]) for hand in outcome.hands if hand["best_pose"] in flagged), default=-1.0)
        for outcome in outcomes
        if outcome.photo.kind == "rest"
    ]
    extra = [float(hand["score"]) for outcome in groups for hand in outcome.others if number[hand["best_pose"]] is not None]
    points = []
    for score in (step / 50 for step in range(51)):
        above = sum(value >= score for value in extra)
        points.append(
            TradeOff(
                score,
                _rate(value >= score for value in posing).value,
                _rate(value >= score for value in rest).value,
                round(above / len(groups), 4) if groups else None,
            )
        )
    return points


def misses(outcomes: Iterable[Outcome]) -> list[Miss]:
    """Return all that went wrong, the worst first: the more confident the wrong reading, the worse; of what was not seen, the largest.

    A flagged photo in which nobody poses stands there once, with its most confident hand.
    """
    found = []
    for outcome in outcomes:
        photo = outcome.photo
        if photo.kind == "rest" and outcome.level == "review" and outcome.hands:
            worst = max(outcome.hands, key=lambda hand: (bool(hand.get("flagged")), _confidence(hand)))
            found.append(_miss("false alarm", photo, worst, AT_REST))
        if photo.kind == "group":
            found += [_miss("extra", photo, hand, AT_REST) for hand in outcome.others if first_number(hand) is not None]
        for sighting in outcome.sightings:
            label, expected = sighting.label, _expected(sighting.label)
            if not label.numbers and not sighting.quiet:
                loud = [hand for hand in sighting.hands if first_number(hand) is not None]
                found.append(_miss("not quiet", photo, max(loud, key=_confidence), expected))
            elif label.numbers and not sighting.seen:
                found.append(Miss("not seen", photo, label.box, expected, NOT_SEEN, 0.0))
            elif label.numbers and not sighting.number_right and sighting.hand:
                found.append(_miss("misread", photo, sighting.hand, expected))

    def badness(miss: Miss) -> tuple[float, float]:
        return miss.confidence, max(miss.box[2:]) if miss.box else 0.0

    return sorted(found, key=badness, reverse=True)


def _miss(kind: MissKind, photo: LabelledPhoto, hand: Hand, expected: str) -> Miss:
    x, y, width, height = hand["box"]
    return Miss(kind, photo, (x, y, width, height), expected, hand.get("pose") or read_as(hand), _confidence(hand))


def _common(pose: str) -> str:
    return SAME_POSE.get(pose, pose)


def _confidence(hand: Hand) -> float:
    """Return how sure a hand's reading is; 0 where nothing was read."""
    return float(hand.get("pose_confidence") or 0) if hand.get("pose") else 0.0


def _number(pose: str, contest: Contest) -> int | None:
    readings = readings_of(pose, contest)
    return readings[0].number if readings else None


def _rate(hits: Iterable[bool]) -> Rate:
    counted = [bool(hit) for hit in hits]
    return Rate(sum(counted), len(counted))
