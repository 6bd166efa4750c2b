"""report.csv: a row a photo, followed by a row for each of its hands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.batch.report.summary import Summary, kind
from app.batch.rows import Row
from app.terminal.results import HAND_COLUMNS, PHOTO_COLUMNS, csv_table, hand_cells, photo_cells
from gestures.words import Lang

COLUMNS = ("row", *PHOTO_COLUMNS, "hands", "to_review", "unclear", *HAND_COLUMNS, "flagged")

# Where a spreadsheet takes what follows for a formula (OWASP, "CSV Injection"): at the beginning of a text, and behind what may part
# cells or rows elsewhere; the list separator of Bahasa Indonesia is a semicolon. There a quote is no longer one, and may come before.
FORMULA = re.compile(r"""^(?=[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?=[\s"]*[=+\-@＝＋－＠])""")


class CsvReport:
    """Columns as in `jari check --format csv`, and `row`, which says what a row is about: "photo" or "hand".

    hands, to_review, unclear: how many hands of the photo there are, are flagged, are unclear; empty where the photo could not be
    checked. What a spreadsheet would take for a formula has an apostrophe before it. UTF-8 with a byte order mark, which spreadsheets need.
    """

    def __init__(self, path: Path, lang: Lang) -> None:
        self._lang = lang
        # Names of files need not be valid Unicode.
        self._file = path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="")
        self._csv = csv_table(self._file, COLUMNS)

    def write(self, row: Row) -> None:
        """Write the photo's rows."""
        for cells in self._rows(row.result):
            self._csv.writerow({column: _harmless(value) for column, value in cells.items()})

    def end(self, summary: Summary) -> None:
        """Nothing more to say."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rows(self, result: dict[str, Any]) -> Iterator[dict[str, Any]]:
        photo = photo_cells(result) | {"row": "photo"}
        if "error" in result:
            yield photo
            return
        kinds = [kind(hand) for hand in result["hands"]]
        yield photo | {"hands": len(kinds), "to_review": kinds.count("flagged"), "unclear": kinds.count("unclear")}
        for place, hand in enumerate(result["hands"]):
            yield photo | hand_cells(place, hand, self._lang) | {"row": "hand", "flagged": int(hand["flagged"])}


def _harmless(value: object) -> object:
    return FORMULA.sub("'", value) if isinstance(value, str) else value
