"""Hands × codes × contest → Advice: a level, codes and messages, and the JSON of DESIGN (schema 1)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from gestures.codes import Code
from gestures.errors import GesturesError
from gestures.reading.fingers import PosedHand
from gestures.reading.poses import Name, Reading

Stance = Literal["avoid", "safe", "disputed"]


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
    stance: Literal["avoid", "safe"]


@dataclass(frozen=True, slots=True)
class AdvisedHand:
    """A hand with all that is said of it. `readings` is empty unless the hand's state is "posing"."""

    posed: PosedHand
    readings: tuple[Reading, ...]
    lists: tuple[ListStance, ...]
    why: Name
    """In words, what was seen: which fingers are open, which folded."""


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
    finder: str
    elapsed_ms: float
    name: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON of one checked photo, schema 1."""
        raise NotImplementedError


def error_text(error: GesturesError, lang: str) -> tuple[str, str]:
    """Title and detail of an error in the given language ("id" or "en")."""
    raise NotImplementedError
