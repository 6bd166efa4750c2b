"""The reports of a batch: a page to look through, a workbook, and CSV for scripts."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from app.batch.report.table import CsvReport
from app.batch.rows import Rows
from app.errors import Lang

# Reports are made in here, beside their place, and moved when all are whole.
MAKING = ".reports"


def write_reports(rows: Rows, folder: Path, *, lang: Lang, batch: str) -> tuple[Path, ...]:
    """Write report.html, report.xlsx and report.csv into an existing folder, and return their paths.

    lang: that of the tables; the page offers both and begins with this one. batch: an id that stays the same when the same batch is
    reported again; what a reader notes on the page is kept in the browser under it. Goes over the rows once. Raises OSError where the
    folder cannot be written to; reports that were there before are then left as they were.
    """
    making = folder / MAKING
    shutil.rmtree(making, ignore_errors=True)  # what a run that was killed left behind
    making.mkdir()
    try:
        with ExitStack() as open_reports:
            reports = [open_reports.enter_context(CsvReport(making / "report.csv", lang))]
            for row in rows():
                for report in reports:
                    report.write(row)
        return tuple(report.path.replace(folder / report.path.name) for report in reports)
    finally:
        shutil.rmtree(making, ignore_errors=True)
