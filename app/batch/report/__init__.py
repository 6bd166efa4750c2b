"""The reports of a batch: a page to look through, a workbook, and CSV and JSON lines for scripts."""

import json
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

from app.batch import REPORTS
from app.batch.report.csv_report import CsvReport
from app.batch.report.html_report import HtmlReport
from app.batch.report.summary import Summary
from app.batch.report.xlsx_report import XlsxReport
from app.batch.rows import Row
from gestures.words import Lang, Name

# Reports are made in here, beside their place, and moved when all are whole.
MAKING = ".reports"


class Report(Protocol):
    """A file that takes photos one by one. It is whole once it is closed after its end."""

    def write(self, row: Row) -> None:
        """Take one photo."""
        ...

    def end(self, summary: Summary) -> None:
        """Take what can only be said after the last."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def write_reports(rows: Iterable[Row], folder: Path, *, lang: Lang, batch: str, contest: Name) -> tuple[Path, ...]:
    """Write REPORTS into an existing folder, and return their paths.

    lang: that of the tables; the page offers both and begins with this one. batch: an id that stays the same when the same batch is
    reported again; what a reader notes on the page is kept in the browser under it. contest: the name of what the advice is for.
    Raises OSError where the folder cannot be written to; reports that were there before are then left as they were.
    """
    making = folder / MAKING
    shutil.rmtree(making, ignore_errors=True)  # what a run that was killed left behind
    making.mkdir()
    page, workbook, table, results = (making / name for name in REPORTS)
    summary = Summary()
    try:
        # Names of files need not be valid Unicode; in JSON, a backslash's escape is one.
        with ExitStack() as stack, results.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as lines:
            reports: list[Report] = [
                stack.enter_context(closing(HtmlReport(page, lang, batch, contest))),
                stack.enter_context(closing(XlsxReport(workbook, lang, contest))),
                stack.enter_context(closing(CsvReport(table, lang))),
            ]
            for row in rows:
                summary.add(row.result)
                lines.write(json.dumps(row.result, ensure_ascii=False, separators=(",", ":")) + "\n")
                for report in reports:
                    report.write(row)
            for report in reports:
                report.end(summary)
        return tuple((making / name).replace(folder / name) for name in REPORTS)
    finally:
        shutil.rmtree(making, ignore_errors=True)
