"""report.xlsx: a sheet of photos, a sheet of hands, and a sheet that says how to read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from app.batch.report.summary import Summary, ballot_readings, kind
from app.batch.report.words import texts
from app.batch.rows import Row
from gestures.words import Lang, Name, text

# The last row that a sheet of the format can have (Office Open XML as Excel reads it); what is beyond goes on a further sheet.
LAST_ROW = 1_048_575
# The most that a cell can hold, in UTF-16's units; of what is longer, the library writes nothing.
LONGEST = 32_767

# Widths in characters.
PHOTO_COLUMNS = {"photo": 44, "level": 17, "hands": 9, "flagged": 12, "unclear": 12, "numbers": 14, "taken-at": 18, "reason": 60}
HAND_COLUMNS = {
    "photo": 44,
    "hand": 9,
    "kind": 20,
    "pose": 26,
    "confidence": 12,
    "numbers": 14,
    "readings": 46,
    "avoid": 46,
    "safe": 30,
    "seen": 52,
    "x": 8,
    "y": 8,
    "width": 8,
    "height": 8,
}

# As on the page; words tell the same.
FILLS = {"review": "#fcefd9", "flagged": "#fcefd9", "unclear": "#e2eff9", "failed": "#eeebe2"}

Cell = str | float | datetime | None


@dataclass(slots=True)
class _Table:
    """One table, over as many sheets as its rows need."""

    title: str
    columns: Sequence[tuple[str, int]]
    sheet: Worksheet
    sheets: int = 1
    row: int = 0


class XlsxReport:
    """Written row by row, so that memory stays the same however many there are. Everything that is not a number or a date is text: a name
    that looks like a formula or an address stays a name.
    """

    def __init__(self, path: Path, lang: Lang, contest: Name) -> None:
        self._texts = texts(lang)
        self._lang = lang
        self._contest = contest
        # Its own temporary files lie beside the workbook, not where others might read what photos are called.
        self._book = Workbook(
            path, {"constant_memory": True, "tmpdir": str(path.parent), "use_zip64": True, "default_date_format": "yyyy-mm-dd hh:mm"}
        )
        self._head = self._book.add_format({"bold": True, "bg_color": "#14575b", "font_color": "#ffffff", "valign": "vcenter"})
        self._percent = self._book.add_format({"num_format": "0%"})
        self._wrap = self._book.add_format({"text_wrap": True, "valign": "top"})
        self._fills = {name: self._book.add_format({"bg_color": colour}) for name, colour in FILLS.items()}
        self._photos = self._table("photos", PHOTO_COLUMNS)
        self._hands = self._table("hands", HAND_COLUMNS)

    def write(self, row: Row) -> None:
        """Write the photo's rows."""
        result = row.result
        if error := result.get("error"):
            reason = f"{error['title']}. {error['detail']}"
            self._write(self._photos, [result["name"], self._text("level.failed"), *[None] * 5, reason], (1, self._fills["failed"]))
            return
        level, hands = result["level"], result["hands"]
        kinds = [kind(hand) for hand in hands]
        numbers = _numbers(code["number"] for code in result["codes"] if code["on_ballot"])
        taken_at = _date(result["taken_at"])
        counts = [len(kinds), kinds.count("flagged"), kinds.count("unclear")]
        cells = [result["name"], self._text(f"level.{level}"), *counts, numbers, taken_at, None]
        self._write(self._photos, cells, (1, self._fills.get(level)))
        for place, hand in enumerate(hands, start=1):
            self._write(self._hands, self._hand(result, place, hand), (2, self._fills.get(kind(hand))), (4, self._percent))

    def end(self, summary: Summary) -> None:
        """Write the sheet that says how to read the others."""
        about = self._book.add_worksheet(self._text("sheet.about"))
        about.set_column(0, 0, 28)
        about.set_column(1, 1, 90)
        lines: list[tuple[str, Cell]] = [
            (self._text("title"), None),
            (self._text("about.contest"), self._contest[self._lang]),
            (self._text("about.made"), datetime.now().replace(second=0, microsecond=0)),
            *((self._text(f"level.{level}"), summary.photos[level]) for level in ("review", "unclear", "clear", "failed")),
            (self._text("about.guidance"), text("for-guidance", self._lang)),
            ("", text("initial-advice", self._lang)),
            ("", text("often-without-intent", self._lang)),
            ("", self._text("notice.clear")),
            (self._text("about.care"), self._text("notice.care")),
        ]
        bold = self._book.add_format({"bold": True, "valign": "top"})
        for place, (name, value) in enumerate(lines):
            about.write_string(place, 0, name, bold)
            self._cell(about, place, 1, value, self._wrap if isinstance(value, str) else None)

    def close(self) -> None:
        """Close the file."""
        for table in (self._photos, self._hands):
            self._finish(table)
        try:
            self._book.close()
        except FileCreateError as failed:
            raise failed.args[0] from None  # the OSError that it wraps

    def _hand(self, result: dict[str, Any], place: int, hand: dict[str, Any]) -> list[Cell]:
        readings = ballot_readings(hand, result)
        return [
            result["name"],
            place,
            self._text(f"hand.{kind(hand)}"),
            hand["pose_name"][self._lang] if hand["pose_name"] else None,
            None if hand["state"] == "unclear" and not hand["pose"] else hand["pose_confidence"],  # of a reading that is told
            _numbers(reading["number"] for reading in readings),
            "; ".join(f"{reading['number']}: {self._text('strength.' + reading['strength'])}" for reading in readings),
            *(
                "; ".join(stance["name"][self._lang] for stance in hand["lists"] if stance["stance"] == wanted)
                for wanted in ("avoid", "safe")
            ),
            hand["why"][self._lang],
            *hand["box"],
        ]

    def _text(self, key: str) -> str:
        return self._texts[key]

    def _table(self, name: str, widths: dict[str, int]) -> _Table:
        columns = [(self._text(f"column.{key}"), width) for key, width in widths.items()]
        title = self._text(f"sheet.{name}")
        return _Table(title, columns, self._sheet(title, columns))

    def _sheet(self, title: str, columns: Sequence[tuple[str, int]]) -> Worksheet:
        sheet: Worksheet = self._book.add_worksheet(title)
        sheet.set_row(0, 24)
        for place, (head, width) in enumerate(columns):
            sheet.set_column(place, place, width)
            sheet.write_string(0, place, head, self._head)
        sheet.freeze_panes(1, 1)
        return sheet

    def _finish(self, table: _Table) -> None:
        table.sheet.autofilter(0, 0, table.row, len(table.columns) - 1)

    def _write(self, table: _Table, cells: Sequence[Cell], *formats: tuple[int, Format | None]) -> None:
        if table.row == LAST_ROW:
            self._finish(table)
            table.sheets += 1
            table.sheet, table.row = self._sheet(f"{table.title} {table.sheets}", table.columns), 0
        table.row += 1
        form = dict(formats)
        for column, value in enumerate(cells):
            self._cell(table.sheet, table.row, column, value, form.get(column))

    def _cell(self, sheet: Worksheet, row: int, column: int, value: Cell, form: Format | None) -> None:
        if value in (None, ""):
            return  # a spreadsheet would count an empty text as a value
        if isinstance(value, str):
            # Names of files need not be valid Unicode, which the format demands. What begins with <r>, XlsxWriter takes for XML of its own.
            value = value.encode("utf-8", "backslashreplace").decode("utf-8")
            sheet.write_string(row, column, _fitting(f"\u200b{value}" if value.startswith("<r>") else value), form)
        elif isinstance(value, datetime):
            sheet.write_datetime(row, column, value, form)
        else:
            sheet.write_number(row, column, value, form)


def _fitting(value: str) -> str:
    """As much of a text as a cell can hold."""
    units = value.encode("utf-16-le")
    return value if len(units) <= 2 * LONGEST else units[: 2 * LONGEST - 2].decode("utf-16-le", "ignore") + "…"


def _numbers(numbers: Iterable[int]) -> Cell:
    """A number that a spreadsheet can reckon with and filter by; text where there are several."""
    listed = list(numbers)
    return listed[0] if len(listed) == 1 else ", ".join(map(str, listed))


def _date(written: str | None) -> Cell:
    """A date that a spreadsheet can reckon with; text where it is older than spreadsheets know."""
    when = datetime.fromisoformat(written).replace(tzinfo=None) if written else None
    return written if when and when.year < 1900 else when
