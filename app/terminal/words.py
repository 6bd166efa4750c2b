"""The terminal's own words (words.toml) and the errors that only a terminal has."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticCustomError

from app.errors import ServiceError, describe
from gestures import GesturesError, error_text
from gestures.words import Lang, Name, figure, filled


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as a stable slug and in the person's language."""

    type: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class _ErrorWords:
    title: Name
    detail: Name


class TerminalError(Exception):
    """What is wrong with files and folders that were given, or with the machine. `type` is a key of words.toml's errors."""

    def __init__(self, type_: str, **params: object) -> None:
        super().__init__(type_, params)
        self.type = type_
        self.params = params


@cache
def _words() -> dict[str, Name]:
    raw = _raw()
    del raw["error"]
    return TypeAdapter(dict[str, Name], config=ConfigDict(extra="forbid")).validate_python(raw)


@cache
def _errors() -> dict[str, _ErrorWords]:
    return TypeAdapter(dict[str, _ErrorWords], config=ConfigDict(extra="forbid")).validate_python(_raw()["error"])


def _raw() -> dict[str, object]:
    return tomllib.loads((files("app.terminal") / "words.toml").read_text(encoding="utf-8"))


def word(key: str, lang: Lang, **params: object) -> str:
    """Return a word or phrase of words.toml."""
    return _words()[key][lang].format(**params)


def remedy(trial: str, error: str, lang: Lang) -> str:
    """Return what mends a trial of `jari doctor`: of this type of error, of what the type begins with (`model-error`: model), or at all."""
    known = [key for what in (error, error.partition("-")[0], trial) if (key := f"mend-{what}") in _words()]
    return word(known[0], lang)


# Mistakes that pydantic tells apart and our words do not.
_SETTING_PROBLEMS = {
    "int_parsing": "number",
    "int_parsing_size": "number",
    "float_parsing": "number",
    "finite_number": "number",
    "bool_parsing": "switch",
}


def setting_problem(kind: str, said: str, context: dict[str, object]) -> Name:
    """Return what is wrong with a setting, from kind, message and context of pydantic's error; a kind without words keeps its message."""
    if kind == "literal_error":
        return _filled("setting-choice", known=str(context["expected"]).replace(" or ", ", "))
    for bound, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        if bound in context:
            return _filled("setting-range", limit=f"{sign} {context[bound]}".removesuffix(".0"))
    key = f"setting-{_SETTING_PROBLEMS.get(kind, kind)}"
    return _filled(key, **context) if key in _words() else Name(said, said)


def _filled(key: str, **params: object) -> Name:
    return Name(word(key, "id", **params), word(key, "en", **params))


def problem(error: BaseException, lang: Lang) -> Problem:
    """Say any error in a language; one that nobody foresaw is called the program's own mistake."""
    if isinstance(error, GesturesError):
        return Problem(error.type, *error_text(error, lang))
    if isinstance(error, ServiceError):
        return Problem(error.type, *describe(error, lang))
    if not isinstance(error, TerminalError):
        error = TerminalError("internal-error", reason=f"{type(error).__name__}: {error}")
    said = _errors()[error.type]
    params = {name: _worded(value) for name, value in error.params.items()}
    return Problem(error.type, said.title[lang], filled(said.detail[lang], lang, params))


def _worded(value: object) -> object:
    """In both languages what is wrong with a file that a setting names, and numbers; all else as it is."""
    if isinstance(value, PydanticCustomError):
        return setting_problem(value.type, value.message(), value.context or {})
    return figure(value) if isinstance(value, int | float) else value
