"""Hands × codes × contest → Advice: a level, codes and messages, and the JSON of DESIGN (schema 1)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil, floor
from typing import Any, Literal

from gestures.codes import Code, codes, joint_codes, readings_of
from gestures.contest import Contest
from gestures.findings import Findings
from gestures.hands.finder import Hand
from gestures.people import pairs
from gestures.reading.fingers import FINGERS, LETTERS, PosedHand, State
from gestures.reading.poses import Reading, pose_table, poses_as_none
from gestures.reading.two_hands import HEART
from gestures.words import Name, both, joined, long_date

# A group may show many poses, and many lists may carry one; all stand beside their hands, the messages name the first few.
POSES_NAMED = 3
LISTS_NAMED = 3


class Level(StrEnum):
    """What the photo's owner should do. CLEAR is no guarantee; the messages say so."""

    CLEAR = "clear"
    REVIEW = "review"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for the person, in both languages. `key` is stable; scripts may rely on it."""

    key: str
    text: Name


@dataclass(frozen=True, slots=True)
class ListStance:
    """What one agency's list says of a pose."""

    list: str
    name: Name
    stance: Literal["avoid", "safe"]


@dataclass(frozen=True, slots=True)
class AdvisedHand:
    """A hand with all that is said of it. `readings` and `lists` are empty where it has no pose; those of a hand that is unclear hold if it
    is one.

    together: the numbers on the ballot that it shows only together with another hand, where both surely pose.
    flagged: the hand is one to review: it surely poses, and its pose is one to review (see `is_flagged`), or `together` is not empty.
    needs_look: a person should look at it before the photo is posted: it is flagged, or would be if what is unclear poses, or it cannot
        be read.
    person: a number, from 0 within the photo, that it shares with the other hand of probably the same person; None where none is known.
    """

    posed: PosedHand
    readings: tuple[Reading, ...]
    lists: tuple[ListStance, ...]
    why: Name
    """In words, what was seen: which fingers are open, which folded."""
    together: tuple[Reading, ...] = ()
    flagged: bool = False
    needs_look: bool = False
    person: int | None = None

    @property
    def pose_name(self) -> Name | None:
        """The pose's name, where the hand has one."""
        return pose_table()[self.posed.pose].name if self.posed.pose else None


@dataclass(frozen=True, slots=True)
class Advice:
    """All that we say about one photo. `to_dict` is the JSON that scripts rely on."""

    width: int
    height: int
    taken_at: datetime | None
    level: Level
    codes: tuple[Code, ...]
    hands: tuple[AdvisedHand, ...]
    messages: tuple[Message, ...]
    contest: str
    ballot: tuple[int, ...]
    finder: str
    elapsed_ms: float
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON of one checked photo, schema 1."""
        return {
            "schema": 1,
            "name": self.name,
            "width": self.width,
            "height": self.height,
            "taken_at": self.taken_at.isoformat() if self.taken_at else None,
            "level": self.level.value,
            "codes": [
                {
                    "number": code.number,
                    "strength": code.strength,
                    "confidence": _rounded(code.confidence),
                    "hands": list(code.hands),
                    "on_ballot": code.on_ballot,
                }
                for code in self.codes
            ],
            "hands": [self._hand(hand) for hand in self.hands],
            "messages": [{"key": message.key, "text": asdict(message.text)} for message in self.messages],
            "contest": self.contest,
            "ballot": list(self.ballot),
            "finder": self.finder,
            "elapsed_ms": round(self.elapsed_ms),
        }

    def _hand(self, advised: AdvisedHand) -> dict[str, Any]:
        posed, hand = advised.posed, advised.posed.hand
        return {
            "box": list(clipped_box(hand, self.width, self.height)),
            "side": hand.side,
            "confidence": _rounded(hand.presence),
            "landmarks": [[round(float(value), 1) for value in point] for point in hand.landmarks],
            "state": posed.state.value,
            "fingers": {finger: _rounded(value) for finger, value in zip(FINGERS, posed.fingers.extended, strict=True)},
            "pose": posed.pose,
            "pose_name": asdict(advised.pose_name) if advised.pose_name else None,
            "pose_confidence": _rounded(posed.confidence),
            "best_pose": posed.best_pose,
            "score": _rounded(posed.score),
            "readings": [asdict(reading) for reading in advised.readings],
            "together": [asdict(reading) for reading in advised.together],
            "lists": [asdict(stance) for stance in advised.lists],
            "flagged": advised.flagged,
            "needs_look": advised.needs_look,
            "why": asdict(advised.why),
            "person": advised.person,
        }


def advise(findings: Findings, contest: Contest, name: str = "") -> Advice:
    """Say what may be said of a photo in a contest.

    Level: REVIEW when a hand is flagged (see `AdvisedHand`); else UNCLEAR when one needs a look; else CLEAR.
    """
    posed = findings.hands
    couples = pairs([one.hand for one in posed])
    people = {hand: person for person, couple in enumerate(couples) for hand in couple}
    joint = tuple(joint_codes(posed, couples, contest))
    sure_joint = [code for code in joint if all(posed[hand].state is State.POSING for hand in code.hands)]
    found = codes(posed, sure_joint, contest)
    hands = tuple(
        _advised(
            one,
            contest,
            tuple(Reading(code.number, code.strength) for code in sure_joint if place in code.hands),
            any(place in code.hands for code in joint),
            people.get(place),
        )
        for place, one in enumerate(posed)
    )
    if any(hand.flagged for hand in hands):
        level = Level.REVIEW
    elif any(hand.needs_look for hand in hands):
        level = Level.UNCLEAR
    else:
        level = Level.CLEAR
    return Advice(
        width=findings.width,
        height=findings.height,
        taken_at=findings.taken_at,
        level=level,
        codes=found,
        hands=hands,
        messages=tuple(_messages(level, hands, found, joint, sure_joint, contest, findings.taken_at)),
        contest=contest.key,
        ballot=contest.numbers,
        finder=findings.finder,
        elapsed_ms=findings.elapsed_ms,
        name=name,
    )


def is_flagged(pose: str, contest: Contest) -> bool:
    """Whether a hand with this pose is one to review: it may be read as a number on the ballot, or stands on a list as one to avoid."""
    on_ballot = any(reading.number in contest.numbers for reading in readings_of(pose, contest))
    return on_ballot or any(stance.stance == "avoid" for stance in _stances(pose, contest))


def clipped_box(hand: Hand, width: int, height: int) -> tuple[int, int, int, int]:
    """Return x, y, width, height of the part of a hand's box that lies in the photo, in whole pixels, at least one."""
    x, y, w, h = hand.box
    left, top = (min(max(floor(low), 0), size - 1) for low, size in ((x, width), (y, height)))
    right, bottom = (min(max(ceil(high), low + 1), size) for high, low, size in ((x + w, left, width), (y + h, top, height)))
    return left, top, right - left, bottom - top


def _rounded(probability: float) -> float:
    return round(float(probability), 3)


def _advised(posed: PosedHand, contest: Contest, together: tuple[Reading, ...], has_joint: bool, person: int | None) -> AdvisedHand:
    """together: see `AdvisedHand`. has_joint: whether it shows a number together with another hand, surely or not."""
    is_unclear = posed.state is State.UNCLEAR
    if posed.state is State.REST or posed.pose is None:
        return AdvisedHand(posed, (), (), _why(posed), needs_look=is_unclear, person=person)
    to_review = is_flagged(posed.pose, contest)
    return AdvisedHand(
        posed,
        readings_of(posed.pose, contest),
        tuple(_stances(posed.pose, contest)),
        _why(posed),
        together=together,
        flagged=not is_unclear and (to_review or bool(together)),
        needs_look=to_review or has_joint,
        person=person,
    )


def _stances(pose: str, contest: Contest) -> Iterable[ListStance]:
    for one in contest.pose_lists:
        if pose in one.avoid:
            yield ListStance(one.key, one.name, "avoid")
        elif pose in one.safe:
            yield ListStance(one.key, one.name, "safe")


def _why(posed: PosedHand) -> Name:
    """Say in words what was seen in a hand."""
    if posed.state is State.REST:
        return both("why-rest")
    if posed.pose is None:
        return both("why-unread" if poses_as_none(posed.fingers) else "why-unclear")
    seen = _seen(posed.pose)
    return seen if posed.state is State.POSING else both("why-perhaps", seen=seen)


def _seen(pose: str) -> Name:
    if pose == HEART:
        return both("why-heart")
    row = pose_table()[pose]
    if row.ring:
        return both("why-ring" if row.extended else "why-circle")
    if row.crossed:
        return both("why-crossed")
    if not row.extended:
        return row.name
    names = {letter: both(f"finger.{finger}") for letter, finger in zip(LETTERS, FINGERS, strict=True)}
    open_ones = [names[letter] for letter in LETTERS if letter in row.extended]
    folded = [names[letter] for letter in LETTERS if letter not in row.extended]
    if not folded:
        return both("why-all-apart" if row.apart else "why-all-close")
    spread = {True: both("why-apart"), False: both("why-close"), None: Name("", "")}[row.apart]
    direction = both(f"why-thumb-{row.thumb}") if row.thumb else Name("", "")
    rest = folded[0] if len(folded) == 1 else both("why-others")
    return both("why-fingers", open=joined(open_ones), how=Name(spread.id + direction.id, spread.en + direction.en), folded=rest)


def _messages(
    level: Level,
    hands: Sequence[AdvisedHand],
    found: Sequence[Code],
    joint: Sequence[Code],
    sure_joint: Sequence[Code],
    contest: Contest,
    taken_at: datetime | None,
) -> Iterable[Message]:
    """Yield the messages that fit the photo, weightiest first. joint: what two hands show together; sure_joint: where both surely pose."""

    def message(key: str, **params: object) -> Message:
        return Message(key, both(key, **params))

    unclear = [hand for hand in hands if hand.needs_look and not hand.flagged]
    if level is Level.CLEAR:
        yield message("nothing-found")
    if level is Level.REVIEW:
        yield from _number_messages(hands, found, sure_joint)
        yield from _list_messages(hands)
        flagged = sum(hand.flagged for hand in hands)
        if flagged > 1:
            yield message("hands-to-review", count=flagged)
        yield message("consider-another")
    for pose in dict.fromkeys(hand.posed.pose for hand in hands if hand.posed.pose and hand.posed.state is State.POSING):
        if note := pose_table()[pose].note:
            yield Message("pose-note", note)
    if unclear:
        yield message("hand-unclear", count=len(unclear))
        perhaps = {reading.number for hand in unclear for reading in hand.readings} & set(contest.numbers)
        jointly = {code.number for code in joint if code not in sure_joint} - perhaps
        for key, some in (("unclear-read-as", perhaps), ("unclear-together", jointly)):
            if some:
                yield message(key, numbers=_any_of(some))
    if level is Level.REVIEW:
        yield message("often-without-intent")
        yield message("safe-poses")
    if taken_at:
        stage = contest.stage_on(taken_at.date())
        if stage:
            yield message("photo-date-stage", date=long_date(taken_at.date()), stage=stage.name)
        else:
            yield message("photo-date", date=long_date(taken_at.date()))
    if level is not Level.CLEAR:
        yield message("initial-advice")


def _number_messages(hands: Sequence[AdvisedHand], found: Sequence[Code], sure_joint: Sequence[Code]) -> Iterable[Message]:
    """Yield what numbers may be read from single hands, and from two together; then those that are merely possible."""
    single = {reading.number for hand in hands if hand.posed.state is State.POSING for reading in hand.readings}
    alone = [code for code in found if code.on_ballot and code.number in single]
    keys = {
        "pose-read-as-number": [code for code in alone if code.strength != "possible"],
        "two-hands-read-as-number": [code for code in sure_joint if code.strength != "possible"],
        "pose-possibly-read": [code for code in alone if code.strength == "possible"],
        "two-hands-together": [code for code in sure_joint if code.strength == "possible"],
    }
    for key, some in keys.items():
        if some:
            shown_by = {hand for code in some for hand in code.hands}
            yield Message(key, both(key, count=len(shown_by), numbers=_any_of({code.number for code in some})))


def _any_of(numbers: Iterable[int]) -> Name:
    return joined([str(number) for number in sorted(numbers)], "or")


def _list_messages(hands: Sequence[AdvisedHand]) -> Iterable[Message]:
    """Yield which lists carry the poses that most hands make, where agencies disagree on a pose, and where lists only call it safe."""
    stances = {hand.posed.pose: hand.lists for hand in hands if hand.posed.pose and hand.lists}
    often = Counter(hand.posed.pose for hand in hands if hand.flagged and hand.posed.pose in stances)
    for place, (pose, _) in enumerate(often.most_common()):
        assert pose is not None  # noqa: S101  # filtered above; for the type checker
        avoid = [stance for stance in stances[pose] if stance.stance == "avoid"]
        safe = [stance for stance in stances[pose] if stance.stance == "safe"]
        name = pose_table()[pose].name
        if avoid and place < POSES_NAMED:
            shown = [stance.name for stance in avoid[:LISTS_NAMED]]
            if more := len(avoid) - len(shown):
                shown.append(both("lists-more", count=more))
            yield Message("pose-on-list", both("pose-on-list", count=len(avoid), pose=name, lists=joined(shown)))
        if safe and avoid:
            yield Message("lists-disagree", both("lists-disagree", pose=name, avoid=len(avoid), safe=len(safe)))
        elif safe:
            yield Message("lists-safe", both("lists-safe", pose=name, count=len(safe)))
