"""The table of poses (poses.toml), and the way from a hand's fingers to the row that fits best."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import ConfigDict, TypeAdapter

from gestures.reading.fingers import LETTERS, Fingers

Strength = Literal["official", "common", "possible"]


@dataclass(frozen=True, slots=True)
class Name:
    """A name in Bahasa Indonesia and in English."""

    id: str
    en: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A number that a pose has been read as, and how well established that reading is."""

    number: int
    strength: Strength


@dataclass(frozen=True, slots=True)
class PoseEntry:
    """A row of poses.toml; the file's head explains the columns."""

    name: Name
    extended: str | None = None
    either: str = ""
    ring: bool = False
    crossed: bool = False
    apart: bool | None = None
    thumb: Literal["up", "down"] | None = None
    hands: Literal[1, 2] = 1
    parts: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()


@cache
def pose_table() -> dict[str, PoseEntry]:
    """Return poses.toml, validated: pose key → row, in the file's order."""
    raw = tomllib.loads((files("gestures.reading") / "poses.toml").read_text(encoding="utf-8"))
    adapter = TypeAdapter(dict[str, PoseEntry], config=ConfigDict(extra="forbid"))
    return adapter.validate_python(raw)


def best_pose(fingers: Fingers) -> tuple[str, float]:
    """Return the single-hand pose that fits best, and how well its shape fits: the product of its parts' probabilities, 0..1.

    Poses of one shape (a V and two fingers together, a thumb up and down) compete by how they are held, which does not make the shape
    less sure.
    """
    rows = [(key, row) for key, row in pose_table().items() if row.extended is not None and row.hands == 1]
    key, row = max(rows, key=lambda item: (_shape(item[1], fingers), _manner(item[1], fingers)))
    return key, _shape(row, fingers)


def _shape(row: PoseEntry, fingers: Fingers) -> float:
    score = fingers.ring if row.ring else 1 - fingers.ring
    score *= fingers.crossed if row.crossed else 1 - fingers.crossed
    for letter, extended in zip(LETTERS, fingers.extended, strict=True):
        if letter not in row.either:
            score *= extended if letter in (row.extended or "") else 1 - extended
    return score


def _manner(row: PoseEntry, fingers: Fingers) -> float:
    # A pose that is but possibly read as a number must be held twice as clearly as one of the same shape with an established reading.
    score = 1.0 if any(reading.strength != "possible" for reading in row.readings) else 0.5
    if row.apart is not None:
        score *= fingers.apart if row.apart else 1 - fingers.apart
    if row.thumb is not None:
        score *= fingers.thumb_up if row.thumb == "up" else 1 - fingers.thumb_up
    return score
