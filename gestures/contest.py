"""What is on the ballot and whose advice applies: contests/*.toml and lists/*.toml, or a contest file of one's own."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from gestures.errors import InvalidContest, UnknownContest
from gestures.reading.poses import Strength, pose_key, pose_table
from gestures.reading.two_hands import HEART
from gestures.words import Name, both


def _unquoted(day: object) -> object:
    """Take a date in quotation marks as one."""
    return date.fromisoformat(day) if isinstance(day, str) else day


Number = Annotated[int, Field(ge=1, le=99, strict=True)]
Day = Annotated[date, BeforeValidator(_unquoted), Field(strict=True)]  # else pydantic takes a number for seconds since 1970
Pose = Annotated[str, AfterValidator(pose_key)]
T = TypeVar("T")

# Characters of a wrong value that a message shows.
LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class PoseList:
    """What one agency advises: poses to avoid and poses that are safe, as keys of poses.toml. `key` is the file's name; in a contest file
    the list gives its own.
    """

    key: str
    name: Name
    source: Name
    avoid: tuple[Pose, ...]
    safe: tuple[Pose, ...] = ()
    year: int | None = None


@dataclass(frozen=True, slots=True)
class ContestPose:
    """A number that a pose means in this contest. For that number it replaces the reading of poses.toml, be it stronger or weaker."""

    pose: Pose
    number: Number
    strength: Strength


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the election, from its first day to its last."""

    name: Name
    first: Day
    last: Day


@dataclass(frozen=True, slots=True)
class Contest:
    """One contest: numbers on the ballot, keys of the lists that apply, poses, stages and lists of its own. `key` is the file's name."""

    key: str
    name: Name
    numbers: tuple[Number, ...]
    lists: tuple[str, ...]
    poses: tuple[ContestPose, ...] = ()
    stages: tuple[Stage, ...] = ()
    own_lists: tuple[PoseList, ...] = ()

    @property
    def pose_lists(self) -> tuple[PoseList, ...]:
        """The lists that apply."""
        known = _lists() | {one.key: one for one in self.own_lists}
        return tuple(known[key] for key in self.lists)

    def stage_on(self, day: date) -> Stage | None:
        """Return the stage that a day falls in."""
        return next((stage for stage in self.stages if stage.first <= day <= stage.last), None)


def lists() -> dict[str, PoseList]:
    """Return the agencies' lists that come with the library: key → list."""
    return dict(_lists())


@cache
def _lists() -> dict[str, PoseList]:
    found = {}
    for file in sorted((files("gestures") / "lists").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            key = file.name.removesuffix(".toml")
            found[key] = _validated(PoseList, file.name, _toml(file.name, file.read_bytes()) | {"key": key})
            _check_list(file.name, found[key])
    return found


def contests() -> dict[str, Contest]:
    """Return the contests that come with the library: key → contest."""
    return dict(_contests())


@cache
def _contests() -> dict[str, Contest]:
    folder = files("gestures") / "contests"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    return {name.removesuffix(".toml"): _contest(name, (folder / name).read_bytes()) for name in names}


def load_contest(name_or_path: str | Path) -> Contest:
    """Return a known contest by name, or read a contest file by path. Raises `UnknownContest` or `InvalidContest`."""
    name, path = str(name_or_path), Path(name_or_path)
    if name in contests():
        return contests()[name]
    try:
        if path.suffix != ".toml" and not path.is_file():
            raise UnknownContest(name=name, known=", ".join(contests()))
        data = path.read_bytes()
    except (OSError, ValueError):  # ValueError: a null character in the path
        raise InvalidContest(file=str(path), problem=both("problem.unreadable")) from None
    return _contest(path.name, data)


def _contest(file: str, data: bytes) -> Contest:
    raw = _toml(file, data)
    if raw.get("lists") == "all":
        raw["lists"] = list(lists())
    contest = _validated(Contest, file, raw | {"key": file.removesuffix(".toml")})
    for one in contest.own_lists:
        _check_list(file, one)
        for pose in one.avoid:
            if not _readable(pose) or pose_table()[pose].parts:  # no hand by itself has a pose that two make
                raise _invalid(file, "own_lists, avoid", "unreadable-pose", value=pose)
    if twice := _repeated([*lists(), *(one.key for one in contest.own_lists)]):
        raise _invalid(file, "own_lists", "repeated", value=twice)
    if not contest.numbers or len(set(contest.numbers)) < len(contest.numbers):
        raise _invalid(file, "numbers", "numbers")
    for key in contest.lists:
        if key not in lists():
            raise _invalid(file, "lists", "unknown-list", value=key, known=", ".join(lists()))
    if twice := _repeated(contest.lists):
        raise _invalid(file, "lists", "repeated", value=twice)
    contest = replace(contest, lists=(*(one.key for one in contest.own_lists), *contest.lists))
    if twice := _repeated(f"{own.pose} = {own.number}" for own in contest.poses):
        raise _invalid(file, "poses", "repeated", value=twice)
    for place, own in enumerate(contest.poses, start=1):
        _check_pose(file, f"poses, {place}", own.pose)
        if not _readable(own.pose):
            raise _invalid(file, f"poses, {place}, pose", "unreadable-pose", value=own.pose)
        if own.number not in contest.numbers:
            raise _invalid(file, f"poses, {place}, number", "not-on-ballot", value=own.number)
    for place, stage in enumerate(contest.stages, start=1):
        if stage.last < stage.first:
            raise _invalid(file, f"stages, {place}", "stage-order")
    return contest


def _repeated(names: Iterable[str]) -> str | None:
    """Return the first of the names that occurs twice."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _check_list(file: str, one: PoseList) -> None:
    for column, poses in (("avoid", one.avoid), ("safe", one.safe)):
        for pose in poses:
            _check_pose(file, column, pose)
    for pose in set(one.avoid) & set(one.safe):
        raise _invalid(file, "avoid, safe", "both-stances", value=pose)


def _check_pose(file: str, where: str, pose: str) -> None:
    if pose not in pose_table():
        raise _invalid(file, where, "unknown-pose", value=pose, known=", ".join(pose_table()))


def _readable(pose: str) -> bool:
    """Whether photos tell that hands make it: lists also carry poses that no finger shows, and a fist looks like many a hand at rest."""
    row = pose_table()[pose]
    return bool((row.shape and row.readings) or row.parts) or pose == HEART


def _toml(file: str, data: bytes) -> dict[str, Any]:
    try:
        written = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidContest(file=file, problem=both("problem.not-utf8")) from None
    try:
        raw = tomllib.loads(written)
    except (ValueError, RecursionError) as error:  # not TOML, a number too long for Python, too many brackets
        raise InvalidContest(file=file, problem=_mistyped(written, str(error))) from None
    if "key" in raw:  # ours to give: the file's name
        raise _invalid(file, "key", "extra_forbidden")
    return raw


# What is often mistyped, by the word at which the parser stops and the parser's own message; all else is "problem.toml".
_MISTYPED = {
    r"0\d+ ": "leading-zero",
    r"\d+[-/.]\d+[-/.]\d+ ": "toml-date",
    r"[“”„‘’]|[^\W\d]\S* Invalid value": "quotation-marks",
    r"(poses|stages|own_lists) Cannot declare": "tables",
    r"\S* Unclosed array": "open-list",
    r"\S* Unclosed inline table": "open-table",
    r"\S* (Cannot|Duplicate)": "written-twice",
}


def _mistyped(written: str, error: str) -> Name:
    """Say in words what the parser says, and where it stopped."""
    place = re.search(r"at line (\d+), column (\d+)", error)
    line, column = map(int, place.groups()) if place else (1, 0)
    words = re.finditer(r"[^\s,=\[\]{}\"']+", written.split("\n")[line - 1])
    word = next((one[0] for one in words if one.start() < column <= one.end() + 1), "")
    kind = next((kind for pattern, kind in _MISTYPED.items() if re.match(pattern, f"{word} {error}")), "toml")
    problem = both(f"problem.{kind}", where=word)
    return both("problem.at", line=line, column=column, problem=problem) if place else problem


# pydantic's kinds of error that have words of their own in the catalogues, some of them in certain fields only; every other is
# "problem.other".
_PROBLEMS = {
    "missing": "missing",
    "unexpected_keyword_argument": "extra_forbidden",
    "extra_forbidden": "extra_forbidden",
    "int_type": "whole-number",
    "greater_than_equal": "whole-number",
    "less_than_equal": "whole-number",
    "string_type": "text",
    "string_too_short": "text",
    "tuple_type": "list",
    "lists tuple_type": "lists",
    "poses tuple_type": "tables",
    "stages tuple_type": "tables",
    "own_lists tuple_type": "tables",
    "date_type": "date",
    "value_error": "date",
    "dataclass_type": "table",
    "poses dataclass_type": "tables",
    "stages dataclass_type": "tables",
    "own_lists dataclass_type": "tables",
    "literal_error": "choice",
}


def _validated(kind: type[T], file: str, raw: dict[str, Any]) -> T:
    # In a dict, because a dataclass at the top takes no config from outside.
    config = ConfigDict(extra="forbid", str_strip_whitespace=True, str_min_length=1)
    adapter = TypeAdapter(dict[str, kind], config=config)  # type: ignore[valid-type]
    try:
        return adapter.validate_python({file: raw})[file]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = first["loc"][1:]
        fields = " ".join(part for part in place if isinstance(part, str))
        problem = _PROBLEMS.get(f"{fields} {first['type']}") or _PROBLEMS.get(first["type"], "other")
        # Places in a list are counted from 1, as people do.
        where = fields if problem == "tables" else ", ".join(str(part + 1) if isinstance(part, int) else part for part in place)
        known = ", ".join(re.findall(r"'\w+'", first.get("ctx", {}).get("expected", ""))).replace("'", '"')
        raise _invalid(file, where, problem, value=_as_toml(first["input"]), known=known) from None


def _as_toml(value: object) -> str:
    """Return a value as it is written in TOML, cut short."""
    shown = value.isoformat() if isinstance(value, date | time) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "…"


def _invalid(file: str, where: str, problem: str, **params: object) -> InvalidContest:
    return InvalidContest(file=file, problem=both(f"problem.{problem}", where=where, **params))
