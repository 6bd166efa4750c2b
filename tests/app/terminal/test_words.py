import re
import string
import tomllib

import pytest

from app.errors import QueueFull
from app.terminal.words import TerminalError, problem, word
from gestures.errors import EmptyPhoto


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.fixture(scope="module")
def phrases(root) -> dict[str, dict[str, str]]:
    """All words of words.toml, those of the errors too: key → language → text."""
    raw = tomllib.loads((root / "app/terminal/words.toml").read_text(encoding="utf-8"))
    errors = raw.pop("error")
    return raw | {f"{kind}.{part}": texts for kind, parts in errors.items() for part, texts in parts.items()}


def test_every_phrase_stands_in_both_languages_with_the_same_placeholders(phrases):
    for key, texts in phrases.items():
        assert set(texts) == {"id", "en"}, key
        assert all(texts.values()), key
        assert fields(texts["id"]) == fields(texts["en"]), key


def test_no_phrase_accuses(phrases, accusing):
    for texts in phrases.values():
        for lang, text in texts.items():
            assert not accusing[lang].search(text), text


def test_every_phrase_is_used(root, phrases):
    code = "".join(path.read_text(encoding="utf-8") for path in (root / "app").rglob("*.py"))
    for key in phrases:
        key = key.split(".")[0]
        # `jari doctor` names what it tried after the function that tried it, and what mends it after that or the type of the error; what is
        # wrong with a setting is named after the kind of mistake.
        subject = key.removeprefix("doctor-").removeprefix("mend-").removeprefix("setting-")
        assert re.search(rf"""["'](?:{re.escape(key)}|{re.escape(subject)})["']""", code) or f"def {subject}(" in code, f"{key} is not used"


@pytest.mark.parametrize("lang", ["id", "en"])
def test_errors_are_said_in_the_language(lang):
    other = {"id": "en", "en": "id"}[lang]
    for error in (EmptyPhoto(), QueueFull(seconds=3), TerminalError("file-missing"), ZeroDivisionError("oops")):
        said = problem(error, lang)
        assert said.title != problem(error, other).title
        assert said.type


def test_what_nobody_foresaw_is_not_blamed_on_the_photo():
    assert problem(ZeroDivisionError("oops"), "en").type == "internal-error"
    assert "ZeroDivisionError: oops" in problem(ZeroDivisionError("oops"), "en").detail


def test_words_are_filled_in():
    assert word("at-rest", "en", count=3).startswith("hands seen: 3,")
