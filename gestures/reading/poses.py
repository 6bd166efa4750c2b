"""The table of poses (poses.toml), and the way from a hand's fingers to the row that fits best."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from gestures.reading.fingers import LETTERS, Fingers
from gestures.words import Name

Strength = Literal["official", "common", "possible"]


@dataclass(frozen=True, slots=True)
class Reading:
    """A number that a pose has been read as, and how well established that reading is."""

    number: int
    strength: Strength


@dataclass(frozen=True, slots=True)
class PoseEntry:
    """A row of poses.toml; the file's head explains the columns."""

    name: Name
    also: tuple[str, ...] = ()
    extended: str | None = None
    either: str = ""
    ring: bool = False
    crossed: bool = False
    apart: bool | None = None
    thumb: Literal["up", "down"] | None = None
    hands: Literal[1, 2] = 1
    parts: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    digit: Annotated[int, Field(ge=0, le=9)] | None = None
    note: Name | None = None

    @property
    def shape(self) -> str | None:
        """What one hand does in this pose, whichever way it is held, such as "IM" or "MRP ring"; None where it takes more than fingers."""
        if self.extended is None:
            return None
        parts = [self.extended or "fist", f"({self.either})" * bool(self.either), "ring" * self.ring, "crossed" * self.crossed]
        return " ".join(part for part in parts if part)


# How much the look of the whole hand counts beside its parts, where photos taught its shape: there the whole tells it better (98.9 against
# 96.7 % of single people's hands). A shape that rendered hands alone taught is read by its parts: so, of the hands of six poses left out of
# the photos, 90.0 % are read right on average, instead of 88.2 %, and 84 instead of 81 % with a raw score of 0.3 or more.
WHOLE_COUNTS = 0.4
UNKNOWN_SHAPE = 0.01

# From this on, a hand that poses as no row of the table does (all fingers but the ring finger, say) is unclear rather than at rest. Of
# 2,800 hands in labelled photos, none at rest comes to a half. Of 250 rendered hands and others that taught nothing, only one reaches this,
# and it does pose; two fists that are not quite closed come to a half.
UNREAD = 0.6


@cache
def pose_table() -> dict[str, PoseEntry]:
    """Return poses.toml, validated: pose key → row, in the file's order."""
    raw = tomllib.loads((files("gestures.reading") / "poses.toml").read_text(encoding="utf-8"))
    adapter = TypeAdapter(dict[str, PoseEntry], config=ConfigDict(extra="forbid"))
    return adapter.validate_python(raw)


@cache
def _other_names() -> dict[str, str]:
    return {name: key for key, row in pose_table().items() for name in row.also}


def pose_key(name: str) -> str:
    """Return the key of a pose by any of its names; a name that is not known comes back as it is."""
    return _other_names().get(name, name)


def best_pose(fingers: Fingers) -> tuple[str, float]:
    """Return the single-hand pose that fits best, and how well its shape fits, 0..1: the product of its parts' probabilities and, where
    known, the probability that the hand as a whole has that shape, weighted.

    Poses of one shape (a V and two fingers together, a thumb up and down) compete by how they are held, which does not make the shape
    less sure.
    """
    rows = [(key, row) for key, row in pose_table().items() if row.shape]
    key, row = max(rows, key=lambda item: (_shape(item[1], fingers), _manner(item[1], fingers)))
    return key, _shape(row, fingers)


def poses_as_none(fingers: Fingers) -> bool:
    """Whether a hand poses, but as no row of the table."""
    return fingers.posing >= UNREAD and fingers.posing * (1 - best_pose(fingers)[1]) >= UNREAD


def _shape(row: PoseEntry, fingers: Fingers) -> float:
    score = fingers.ring if row.ring else 1 - fingers.ring
    score *= fingers.crossed if row.crossed else 1 - fingers.crossed
    for letter, extended in zip(LETTERS, fingers.extended, strict=True):
        if letter not in row.either:
            score *= extended if letter in (row.extended or "") else 1 - extended
    whole = fingers.shapes.get(row.shape or "")
    if whole is None:
        return score
    return float(score ** (1 - WHOLE_COUNTS) * ((whole + UNKNOWN_SHAPE) / (1 + UNKNOWN_SHAPE)) ** WHOLE_COUNTS)


def _manner(row: PoseEntry, fingers: Fingers) -> float:
    # A pose without an established reading must be held twice as clearly as one of the same shape with one.
    score = 1.0 if any(reading.strength != "possible" for reading in row.readings) else 0.5
    if row.apart is not None:
        score *= fingers.apart if row.apart else 1 - fingers.apart
    if row.thumb is not None:
        score *= fingers.thumb_up if row.thumb == "up" else 1 - fingers.thumb_up
    return score
