"""Help and usage errors in both languages, as a process of its own shows them."""

import ast
import inspect
import string
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import polib
import pytest

from app.cli import cli
from app.terminal.usage import language_of


def jari(*arguments, **environment):
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, env={"PATH": "", **environment}, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def catalogue(root):
    return polib.pofile(str(root / "app" / "locale" / "id" / "LC_MESSAGES" / "messages.po"))


def helps(command):
    yield from (command.help, command.short_help, *(option.help for option in command.params if isinstance(option, click.Option)))
    for one in getattr(command, "commands", {}).values():
        yield from helps(one)


def marked(file):
    """The texts that a module hands to gettext."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "gettext", "ngettext"):
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield first.value


def placeholders(text):
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def test_the_catalogue_has_all_help_and_nothing_else(catalogue, root):
    ours = {inspect.cleandoc(text) for text in helps(cli) if text} | set(marked(root / "app" / "cli.py"))
    known = {entry.msgid for entry in catalogue}
    assert ours - known == set()
    folder = Path(find_spec("click").origin).parent
    clicks = {text for file in folder.glob("*.py") for text in marked(file)} | {"required"}
    assert known - ours - clicks == set()


def test_the_catalogue_is_whole_and_compiled(catalogue):
    compiled = polib.mofile(catalogue.fpath.removesuffix(".po") + ".mo")
    assert {(one.msgid, one.msgstr, *one.msgstr_plural.values()) for one in compiled} == {
        (one.msgid, one.msgstr, *one.msgstr_plural.values()) for one in catalogue
    }
    for entry in catalogue:
        translated = entry.msgstr or entry.msgstr_plural[0]
        assert translated.strip()
        assert placeholders(translated) <= placeholders(entry.msgid) | placeholders(entry.msgid_plural)


@pytest.mark.parametrize(
    ("arguments", "environment", "lang"),
    [
        (["check", "--help"], {}, "id"),
        (["check", "--lang", "en", "--help"], {}, "en"),
        (["check", "--help", "--lang=en"], {}, "en"),
        (["--help"], {"JARI_LANG": "en"}, "en"),
        (["check", "--help", "--lang", "id"], {"JARI_LANG": "en"}, "id"),
        (["check", "--help"], {"LANGUAGE": "de", "JARI_LANG": "fr"}, "id"),
        (["check", "--lang"], {}, "id"),
    ],
)
def test_language(arguments, environment, lang, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language_of(arguments) == lang


@pytest.mark.parametrize("command", [[], ["check"], ["batch"], ["serve"], ["key", "new"], ["evaluate"], ["bench"], ["doctor"]])
def test_help(side_by_side, command):
    indonesian, english = side_by_side(lambda lang: jari(*command, "--help", JARI_LANG=lang), ("id", "en"))
    assert [indonesian.returncode, english.returncode] == [0, 0]
    for said in ("Pemakaian: jari", "Opsi:", "Tampilkan pesan ini, lalu selesai."):
        assert said in indonesian.stdout
        assert said not in english.stdout
    for said in ("Usage: jari", "Options:", "Show this message and exit.", "default:", "Exit status:"):
        assert said not in indonesian.stdout
    assert "Usage: jari" in english.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "Tidak ada perintah 'chek'. Maksud Anda 'check'?"),
        (["check"], "Kurang argumen 'PATH...'."),
        (["check", "--fromat", "csv", "a.jpg"], "Tidak ada opsi '--fromat'. Maksud Anda '--format'?"),
        (["check", "--jobs", "dua", "a.jpg"], "Nilai '--jobs' keliru: 'dua' bukan angka."),
        (["check", "--jobs", "99", "a.jpg"], "Nilai '--jobs' keliru: 99 di luar batas 1<=x<=64."),
        (["check", "--format", "xml", "a.jpg"], "Nilai '--format' keliru: 'xml' bukan salah satu dari 'table', 'jsonl', 'csv'."),
        (["batch", "acara"], "Kurang opsi '--out'."),
        (["doctor", "lagi"], "Argumen berlebih (lagi)"),
        (["contests", "--lang"], "Opsi '--lang' memerlukan nilai."),
        (["evaluate", "a.csv", "--finder", "search", "--results", "b"], "--finder memeriksa foto, --results memakai hasil tersimpan"),
        (["licences", "--sbom", "README.md"], "Nilai --sbom keliru: README.md bukan berkas CycloneDX dalam JSON."),
    ],
)
def test_usage_errors(arguments, said):
    done = jari(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"Kesalahan: {said}" in done.stderr
    assert "Error" not in done.stderr


def test_usage_errors_in_english():
    done = jari("check", "--lang", "en", "--jobs", "99", "a.jpg")
    assert done.returncode == 2
    assert "Try 'jari check --help' for help." in done.stderr
    assert "Error: Invalid value for '--jobs': 99 is not in the range 1<=x<=64." in done.stderr
