"""What the reports say by themselves, from texts.id.json and texts.en.json. What is said of hands stands in the catalogues of gestures."""

import json
from functools import cache
from importlib.resources import files

from app.errors import Lang
from gestures.contest import contests
from gestures.reading.poses import Name


@cache
def texts(lang: Lang) -> dict[str, str]:
    """Return all texts of a language: key → text with {placeholders}."""
    read: dict[str, str] = json.loads((files("app.batch.report") / f"texts.{lang}.json").read_text(encoding="utf-8"))
    return read


def contest_name(key: str) -> Name:
    """Return the name of a contest; that of a contest file of one's own is its key."""
    known = contests().get(key)
    return known.name if known else Name(id=key, en=key)
