"""Help and usage errors in the caller's language: English stands in the code, Bahasa Indonesia in the gettext catalogue of app/locale.

click looks its own words up in gettext's global domain and in the languages that the variable LANGUAGE names; ours stand beside them there.
"""

import gettext
import inspect
import os
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # the rest of app takes a second to load, and help comes at once
    from gestures.words import Lang

DOMAIN = "messages"  # click's, as gettext has it where nobody chose one


def language_of(arguments: Sequence[str]) -> "Lang":
    """Return the language that a command line or JARI_LANG asks for, before anything else of it is understood."""
    asked = os.environ.get("JARI_LANG")
    for word, following in pairwise([*arguments, ""]):
        option, sign, value = word.partition("=")
        if option == "--lang":
            asked = value if sign else following
    return "en" if asked == "en" else "id"


def speak(command: click.Command, lang: "Lang") -> None:
    """Put the help of a command and of those under it, and all that click says from now on, into a language."""
    os.environ["LANGUAGE"] = lang
    gettext.bindtextdomain(DOMAIN, str(files("app") / "locale"))
    _translate(command)


def _translate(command: click.Command) -> None:
    command.help = _translated(command.help)
    command.short_help = _translated(command.short_help)
    for option in command.params:
        if isinstance(option, click.Option):
            option.help = _translated(option.help)
    if isinstance(command, click.Group):
        for one in command.commands.values():
            _translate(one)


def _translated(text: str | None) -> str | None:
    return gettext.gettext(inspect.cleandoc(text)) if text else text
