"""report.html: one page to look through the hands of a batch, which needs no other file and asks for none.

The page is page/page.html with its styles and scripts put inside; photos follow one by one as blocks of JSON and base64, which the browser
reads only when a hand is shown.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from app.batch.report.summary import Summary, ballot_readings, kind
from app.batch.report.words import texts
from app.batch.rows import Row
from gestures.words import LANGUAGES, Lang, Name, both

# In this order they make one script.
SCRIPTS = ("words", "photos", "marks", "grid", "viewer", "page")

# Browsers grow slow on larger pages. Photos beyond are counted on the page and found in the tables.
MOST_BYTES = 400 * 2**20

# Messages that are said once on the page, and those that are said with a photo; all else stands beside the hand that is shown.
GENERAL = ("for-guidance", "often-without-intent", "safe-poses", "initial-advice")
OF_PHOTOS = ("two-hands-read-as-number", "two-hands-together", "lists-disagree", "lists-safe", "photo-date", "photo-date-stage")


class HtmlReport:
    """The page, written as photos come. Hands at rest are counted only, and their crops left out."""

    def __init__(self, path: Path, lang: Lang, batch: str, contest: Name) -> None:
        self._batch = batch
        self._contest = contest
        self._photos = 0
        self._left_out = 0
        self._bytes = 0
        # What many hands and photos share, each once: JSON → its place.
        self._findings: dict[str, int] = {}
        self._messages: dict[str, int] = {}
        head, self._tail = Template(_read("page.html")).substitute(_parts(lang)).split("<!-- photos -->")
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._file.write(head)

    def write(self, row: Row) -> None:
        """Write one photo's blocks."""
        if self._bytes > MOST_BYTES:
            self._left_out += 1
            return
        result = row.result
        if "error" in result:
            errors = {lang: {key: error[key] for key in ("title", "detail")} for lang, error in row.errors.items()}
            photo = {"name": result["name"], "errors": errors}
        else:
            photo = self._photo(result, row.digest)
        block = _block("photo", photo)
        if pixels := list(self._pixels(row)):
            block += f'<script type="text/plain" id="pixels-{self._photos}">' + "\n".join(pixels) + "</script>\n"
        self._bytes += self._file.write(block)
        self._photos += 1

    def end(self, summary: Summary) -> None:
        """Write what all photos share, the counts, and the script that shows it all."""
        shared = {
            "batch": self._batch,
            "made": datetime.now().astimezone().isoformat(timespec="minutes"),
            "contest": asdict(self._contest),
            "summary": summary.to_dict(),
            "left_out": self._left_out,
            "findings": [json.loads(one) for one in self._findings],
            "messages": [json.loads(one) for one in self._messages],
            "general": {key: asdict(both(key)) for key in GENERAL},
            "texts": {lang: texts(lang) for lang in LANGUAGES},
        }
        self._file.write(_block("shared", shared))
        self._file.write(self._tail)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _photo(self, result: dict[str, Any], digest: bytes) -> dict[str, Any]:
        """What the page's script knows of a photo; hands are [finding, confidence, x, y, width, height, key] (photos.js)."""
        return {
            "name": result["name"],
            "level": result["level"],
            "size": [result["width"], result["height"]],
            "taken_at": result["taken_at"],
            "hands": [
                [_place(self._findings, self._finding(hand, result)), hand["pose_confidence"], *hand["box"], _key(digest, hand["box"])]
                for hand in _shown(result)
            ],
            "resting": len(result["hands"]) - len(_shown(result)),
            "messages": [_place(self._messages, message["text"]) for message in result["messages"] if message["key"] in OF_PHOTOS],
        }

    def _finding(self, hand: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        return {
            "kind": kind(hand),
            "state": hand["state"],
            "pose": hand["pose"],
            "name": hand["pose_name"],
            "readings": ballot_readings(hand, result),
            "lists": hand["lists"],
            "why": hand["why"],
        }

    def _pixels(self, row: Row) -> Iterator[str]:
        """Yield lines of base64: the preview, then the crops of the hands that are shown; empty lines for those that were not kept."""
        if "error" in row.result:
            return
        crops = [row.crops[place] if row.crops else b"" for place, hand in enumerate(row.result["hands"]) if kind(hand) != "rest"]
        if row.preview or any(crops):
            for picture in (row.preview or b"", *crops):
                yield b64encode(picture).decode("ascii")


def content_security_policy() -> str:
    """What the page says that it may do: run its own script, show its own pictures, ask nobody for anything. The service reads it there."""
    scripts = " ".join(f"'sha256-{_hash(script)}'" for script in (_first(), _script()))
    style = f"'sha256-{_hash(_style())}'"
    return f"default-src 'none'; script-src {scripts}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'"


def _shown(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [hand for hand in result["hands"] if kind(hand) != "rest"]


def _place(table: dict[str, int], value: object) -> int:
    return table.setdefault(json.dumps(value), len(table))


def _key(digest: bytes, box: list[int]) -> str:
    """A hand's key in the browser's memory and in exported notes: of its photo's bytes, whatever the photo is called and wherever it lies.

    Identical photos share it on purpose: who has reviewed the one has seen the other.
    """
    return sha256(digest + str(box).encode()).hexdigest()[:16]


def _block(kind: str, value: object) -> str:
    """A block of data. ASCII, and without what could end the block or begin a comment in it."""
    return f'<script type="application/json" class="{kind}">{_safe(json.dumps(value, separators=(",", ":")))}</script>\n'


def _safe(written: str) -> str:
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _parts(lang: Lang) -> dict[str, str]:
    return {
        "lang": lang,
        "policy": content_security_policy(),
        "style": _style(),
        "first": _first(),
        "script": _script(),
        "icons": _web("icons.svg").replace('<symbol id="', '<symbol id="icon-'),
        "logo": _web("logo.svg"),
        "icon": b64encode(_web("logo.svg").encode()).decode(),
        **{key: escape(texts(lang)[key]) for key in ("title", "loading", "skip")},
    }


@cache
def _style() -> str:
    """The service's page and this one look alike."""
    return _web("page.css") + _read("page.css")


@cache
def _first() -> str:
    """What runs before the first paint."""
    return _web("first.js")


@cache
def _script() -> str:
    return _web("memory.js") + _web("elements.js") + "".join(_read(f"{name}.js") for name in SCRIPTS)


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (files("app.batch.report") / "page" / name).read_text(encoding="utf-8")


def _web(name: str) -> str:
    # Not of `app.web`, which would be imported for it, and the service's libraries with it.
    return (files("app") / "web" / "static" / name).read_text(encoding="utf-8")
