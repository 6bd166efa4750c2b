"""[PosedHand] × Contest → codes: the numbers that poses, alone or together, can be read as."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gestures.contest import Contest
from gestures.reading.fingers import PosedHand, State
from gestures.reading.poses import Reading, Strength, pose_table

STRENGTHS: tuple[Strength, ...] = ("official", "common", "possible")


@dataclass(frozen=True, slots=True)
class Code:
    """A number that one hand, or two hands together, can be read as.

    confidence: 0..1, that of the poses it stands on. hands: indices into the advice's hands. on_ballot: the contest has this number.
    """

    number: int
    strength: Strength
    confidence: float
    hands: tuple[int, ...]
    on_ballot: bool


def readings_of(pose: str, contest: Contest) -> tuple[Reading, ...]:
    """Return the numbers that one hand's pose can be read as, the one that matters most first.

    Numbers on the ballot come before others; then what the contest says of the pose comes before the table; then the table's order
    holds, most usual first. A merely possible number that is not on the ballot is left out.
    """
    own = [Reading(row.number, row.strength) for row in contest.poses if row.pose == pose]
    said = {reading.number for reading in own}
    row = pose_table().get(pose)
    table = [reading for reading in row.readings if reading.number not in said] if row else []
    kept = [reading for reading in own + table if reading.number in contest.numbers or reading.strength != "possible"]
    return tuple(sorted(kept, key=lambda reading: reading.number not in contest.numbers))


def codes(posed: Sequence[PosedHand], joint: Sequence[Code], contest: Contest) -> tuple[Code, ...]:
    """Return every number that the posing hands show, each once: on the ballot first, then the best established, then the surest.

    A code has the strength of its best reading, and the confidence of the surest hand with that strength. joint: the numbers that two
    hands show only together, where both surely pose (see `joint_codes`).
    """
    single = [
        Code(reading.number, reading.strength, one.confidence, (index,), reading.number in contest.numbers)
        for index, one in enumerate(posed)
        if one.state is State.POSING and one.pose is not None
        for reading in readings_of(one.pose, contest)
    ]
    merged = _merged([*single, *joint])
    return tuple(sorted(merged, key=lambda code: (not code.on_ballot, STRENGTHS.index(code.strength), -code.confidence, code.number)))


def joint_codes(posed: Sequence[PosedHand], couples: Iterable[tuple[int, int]], contest: Contest) -> Iterable[Code]:
    """Yield the numbers on the ballot that two hands show together and neither shows by itself, unclear hands included.

    couples: see `people.pairs`.
    """
    for pair in couples:
        left, right = (posed[index] for index in pair)
        if left.pose is None or right.pose is None:
            continue
        confidence = left.confidence * right.confidence
        alone = {reading.number for pose in (left.pose, right.pose) for reading in readings_of(pose, contest)}
        yield from _merged(
            Code(reading.number, reading.strength, confidence, pair, True)
            for reading in _two_hand_readings(left.pose, right.pose, contest)
            if reading.number in contest.numbers and reading.number not in alone
        )


def _two_hand_readings(left: str, right: str, contest: Contest) -> list[Reading]:
    """Two-hand poses of the table; then sums (5 and 3 for 8) and digits side by side (1 and 2 for 12), which are possible at most."""
    table = pose_table()
    made = [key for key, row in table.items() if sorted(row.parts) == sorted((left, right))]
    found = [reading for key in made for reading in readings_of(key, contest)]
    one, other = (_digit(pose, contest) for pose in (left, right))
    if one is not None and other is not None:
        found += [Reading(int(f"{one}{other}"), "possible"), Reading(one + other, "possible")]
    return found


def _digit(pose: str, contest: Contest) -> int | None:
    """Return what a hand counts beside another: of the numbers that the table gives its pose, the one that the contest names, or the usual.

    A pair's own sign counts nothing: two open palms are ten, also where an open palm stands for pair one.
    """
    row = pose_table()[pose]
    counts = ([] if row.digit is None else [row.digit]) + [reading.number for reading in row.readings]
    own = [said.number for said in contest.poses if said.pose == pose and said.number in counts]
    return next(iter(own + counts), None)


def _merged(found: Iterable[Code]) -> list[Code]:
    """One code a number: the hands of all, strength and confidence of the best."""
    by_number: dict[int, list[Code]] = {}
    for code in found:
        by_number.setdefault(code.number, []).append(code)
    merged = []
    for number, same in by_number.items():
        best = min(same, key=lambda code: (STRENGTHS.index(code.strength), -code.confidence))
        hands = tuple(sorted({hand for code in same for hand in code.hands}))
        merged.append(Code(number, best.strength, best.confidence, hands, best.on_ballot))
    return merged
