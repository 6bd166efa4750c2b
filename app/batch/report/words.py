"""What the reports say by themselves, from texts.id.json and texts.en.json. What is said of hands stands in the catalogues of gestures."""

import json
from functools import cache
from importlib.resources import files

from gestures.words import Lang


@cache
def texts(lang: Lang) -> dict[str, str]:
    """Return all texts of a language: key → text with {placeholders}."""
    read: dict[str, str] = json.loads((files("app.batch.report") / f"texts.{lang}.json").read_text(encoding="utf-8"))
    return read
