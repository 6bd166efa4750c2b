"""Shows results on standard output: a table for people, JSON lines and CSV for scripts."""

import csv
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app.terminal.printable import printable
from app.terminal.words import word
from gestures.words import Lang, long_date

Result = dict[str, Any]

PHOTO_COLUMNS = ("name", "level", "codes", "taken_at", "contest", "finder", "error", "detail")
HAND_COLUMNS = ("hand", "x", "y", "width", "height", "state", "pose", "pose_confidence", "number", "strength", "readings", "lists", "why")


class ResultWriter(Protocol):
    """Takes results one by one as they come."""

    def write(self, result: Result) -> None:
        """Show one photo's result."""
        ...

    def end(self) -> None:
        """Show what can only be said after the last."""
        ...


def result_writer(format_: str, out: TextIO, lang: Lang, names: Collection[str]) -> ResultWriter:
    """Return the writer for a format: "table", "jsonl" or "csv". names: those of the photos to come."""
    if format_ == "jsonl":
        return JsonLinesWriter(out)
    return CsvWriter(out, lang) if format_ == "csv" else TableWriter(out, lang, names)


class JsonLinesWriter:
    """One JSON object a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, result: Result) -> None:
        """Write the object as it is."""
        self._out.write(json.dumps(result, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._out.flush()

    def end(self) -> None:
        """Nothing more to say."""


class CsvWriter:
    """A row a hand; a photo without hands, or that could not be checked, has one row with an empty `hand`.

    codes: numbers on the ballot that the whole photo can be read as. error, detail: why a photo could not be checked. x, y, width, height:
    pixels of the upright photo. number, strength: the pose's first reading; readings: all of them ("2 official; 7 possible").
    """

    def __init__(self, out: TextIO, lang: Lang) -> None:
        self._out = out
        self._lang = lang
        self._csv = csv_table(out, PHOTO_COLUMNS + HAND_COLUMNS)

    def write(self, result: Result) -> None:
        """Write the photo's rows."""
        for row in self._rows(result):
            self._csv.writerow(row)
        self._out.flush()

    def end(self) -> None:
        """Nothing more to say."""

    def _rows(self, result: Result) -> Iterator[Result]:
        photo = photo_cells(result)
        if not result.get("hands"):
            yield photo
            return
        for place, hand in enumerate(result["hands"]):
            yield photo | hand_cells(place, hand, self._lang)


class _Lines:
    """Ends each row with a line feed alone, as scripts expect."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, row: str) -> None:
        self._out.write(row.removesuffix("\r\n") + "\n")


def csv_table(out: TextIO, columns: Sequence[str]) -> "csv.DictWriter[str]":
    """Begin a table with the names of its columns. Every character that a reader may take for the end of a row is quoted."""
    table = csv.DictWriter(_Lines(out), columns, lineterminator="\r\n")  # which are the two that csv then quotes
    table.writeheader()
    return table


def photo_cells(result: Result) -> Result:
    """Return what stands in PHOTO_COLUMNS for a photo."""
    if error := result.get("error"):
        return {"name": result["name"], "error": error["type"], "detail": f"{error['title']}. {error['detail']}"}
    codes = "; ".join(str(code["number"]) for code in result["codes"] if code["on_ballot"])
    return {key: result[key] for key in ("name", "level", "taken_at", "contest", "finder")} | {"codes": codes}


def hand_cells(place: int, hand: Result, lang: Lang) -> Result:
    """Return what stands in HAND_COLUMNS for the hand in a place of a photo's hands."""
    first = hand["readings"][0] if hand["readings"] else {}
    return dict(zip(("x", "y", "width", "height"), hand["box"], strict=True)) | {
        "hand": place,
        "state": hand["state"],
        "pose": hand["pose"],
        "pose_confidence": hand["pose_confidence"],
        "number": first.get("number"),
        "strength": first.get("strength"),
        "readings": "; ".join(f"{reading['number']} {reading['strength']}" for reading in hand["readings"]),
        "lists": "; ".join(f"{stance['list']} {stance['stance']}" for stance in hand["lists"]),
        "why": hand["why"][lang],
    }


# Messages that speak of poses in general, not of one photo.
_GENERAL = ("consider-another", "often-without-intent", "safe-poses", "initial-advice")
_STYLES = {"clear": "green", "review": "bold yellow", "unclear": "cyan", "failed": "red"}


class TableWriter:
    """A table that grows with every photo, then the advice and a count.

    Hands of one photo that show the same are one row. A number with a question mark is a merely possible reading, or that of a hand that is
    unclear. Hands at rest are only counted. Of a single photo all messages are told, of several those that speak of photos in general,
    once.
    """

    def __init__(self, out: TextIO, lang: Lang, names: Collection[str]) -> None:
        self._lang = lang
        self._console = Console(file=out, highlight=False)
        self._levels: Counter[str] = Counter()
        self._messages: dict[str, str] = {}
        self._keys = None if len(names) == 1 else _GENERAL
        result, number, gaps = 15, 6, 6
        free = max(self._console.width - result - number - gaps, 30)
        name = min(max(12, *(cell_len(printable(name)) for name in names)), free * 2 // 5)
        self._widths = (name, result, number, free - name)
        self._row(*(Text(word(key, lang), style="bold") for key in ("photo", "result", "number", "pose")))

    def write(self, result: Result) -> None:
        """Add the photo's rows."""
        error = result.get("error")
        level = "failed" if error else result["level"]
        self._levels[level] += 1
        name = Text(printable(result["name"]))
        shown = Text(word(level, self._lang), style=_STYLES[level])
        if error:
            self._row(name, shown, Text(), _two(f"{error['title']}.", error["detail"]))
            return
        if result["taken_at"]:
            date = long_date(datetime.fromisoformat(result["taken_at"]).date())[self._lang]
            name.append(f"\n{date}", style="dim")
        for number, pose in self._hands(result):
            self._row(name, shown, Text(number, style="bold"), pose)
            name = shown = Text()
        self._messages |= {message["key"]: message["text"][self._lang] for message in result["messages"]}

    def end(self) -> None:
        """Print the messages and the count."""
        lines = Table.grid(Column(width=2), Column())
        for key in self._keys or self._messages:
            if key in self._messages:
                lines.add_row("·", Text(self._messages[key]))
        if self._keys and self._levels["clear"]:
            lines.add_row("·", Text(word("no-guarantee", self._lang)))
        if lines.row_count:
            self._console.print("", lines, sep="\n")
        if self._levels.total() > 1:
            counts = {level: self._levels[level] for level in _STYLES}
            self._console.print("", Text(word("summary", self._lang, photos=self._levels.total(), **counts), style="bold"), sep="\n")

    def _hands(self, result: Result) -> Iterator[tuple[str, Text]]:
        """Yield numbers and pose, with what was seen, for hands that show something; one line for a photo in which none does."""
        shown: Counter[tuple[str, str, str]] = Counter()
        for hand in result["hands"]:
            if hand["state"] != "rest":
                unclear = hand["state"] == "unclear"
                numbers = ", ".join(_number(reading, unclear) for reading in hand["readings"] if reading["number"] in result["ballot"])
                pose = f"{hand['pose_name'][self._lang]}:" if hand["pose_name"] else ""
                shown[numbers, pose, hand["why"][self._lang]] += 1
        for (numbers, pose, why), count in shown.items():
            yield numbers, _two(f"{count} × {pose}" if count > 1 else pose, why)
        if together := dict.fromkeys(_number(reading) for hand in result["hands"] for reading in hand["together"]):
            yield ", ".join(together), Text(word("two-hands", self._lang))
        if not shown:
            count = len(result["hands"])
            yield "", Text(word("at-rest", self._lang, count=count) if count else word("no-hand", self._lang), style="dim")

    def _row(self, *cells: Text) -> None:
        row = Table.grid(*(Column(width=width, overflow="fold") for width in self._widths), padding=(0, 2, 0, 0), collapse_padding=True)
        row.add_row(*cells)
        self._console.print(row)


def _two(first: str, rest: str) -> Text:
    return Text(f"{first} " if first else "").append(rest, style="dim")


def _number(reading: Result, unclear: bool = False) -> str:
    return f"{reading['number']}?" if unclear or reading["strength"] == "possible" else str(reading["number"])
