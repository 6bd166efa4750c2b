"""The words that people read, from the gettext catalogues in locale/, in Bahasa Indonesia and English.

Catalogues are looked up by key ("pose-read-as-number"), never by a sentence. After editing a .po file, `make locale` compiles it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files
from typing import Literal, get_args

Lang = Literal["id", "en"]
LANGUAGES: tuple[Lang, ...] = get_args(Lang)


@dataclass(frozen=True, slots=True)
class Name:
    """Words in Bahasa Indonesia and in English."""

    id: str
    en: str

    def __getitem__(self, lang: Lang) -> str:
        words: str = getattr(self, lang)
        return words


@cache
def _catalogue(lang: Lang) -> GNUTranslations:
    if lang not in LANGUAGES:
        raise ValueError(f"no catalogue for {lang!r}, only for {', '.join(LANGUAGES)}")
    with (files("gestures") / "locale" / lang / "LC_MESSAGES" / "gestures.mo").open("rb") as file:
        return GNUTranslations(file)


def text(key: str, lang: Lang, **params: object) -> str:
    """Return the text of `key` in a language ("id" or "en") with its {placeholders} filled in; `count` picks the plural.

    A `Name` among the params is shown in the language. Raises KeyError for a key that the catalogue lacks.
    """
    catalogue = _catalogue(lang)
    count = params.get("count")
    template = catalogue.ngettext(key, key, count) if isinstance(count, int) else catalogue.gettext(key)
    if template == key:
        raise KeyError(f"{key} is not in the catalogue of {lang!r}")
    return filled(template, lang, params)


def filled(template: str, lang: Lang, params: Mapping[str, object]) -> str:
    """Fill a template's {placeholders} in; a `Name` is shown in the language."""
    return template.format(**{name: value[lang] if isinstance(value, Name) else value for name, value in params.items()})


def both(key: str, **params: object) -> Name:
    """Return the text of `key` in both languages."""
    return Name(id=text(key, "id", **params), en=text(key, "en", **params))


def joined(items: Sequence[Name | str], how: Literal["and", "or"] = "and") -> Name:
    """Return "A, B, dan C" and "A, B and C", or with "atau" and "or"."""
    return Name(id=_joined(items, how, "id"), en=_joined(items, how, "en"))


def _joined(items: Sequence[Name | str], how: str, lang: Lang) -> str:
    shown = [item[lang] if isinstance(item, Name) else item for item in items]
    if len(shown) < 2:
        return "".join(shown)
    rest, last = ", ".join(shown[:-1]), shown[-1]
    return text(f"join-{how}-{'two' if len(shown) == 2 else 'many'}", lang, rest=rest, last=last)


def figure(value: float) -> Name:
    """Write a number as each language does, "1.234,5" and "1,234.5": to one decimal, and below 1 to two digits."""
    en = f"{value:,.1f}".removesuffix(".0") if value >= 1 else f"{value:.2g}"
    return Name(id=en.translate(str.maketrans(".,", ",.")), en=en)


def long_date(day: date) -> Name:
    """Return "8 November 2023" in both languages."""
    months = {lang: text("months", lang).split() for lang in LANGUAGES}
    return Name(**{lang: f"{day.day} {months[lang][day.month - 1]} {day.year}" for lang in LANGUAGES})
