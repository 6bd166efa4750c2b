"""What a batch leaves in its out folder beside the ledger."""

import json
from functools import partial
from pathlib import Path

from app.batch.ledger import FILE, Ledger, not_written
from app.batch.report import REPORTS, write_reports
from app.batch.rows import Rows
from app.errors import Lang
from app.terminal.words import TerminalError

RESULTS = "results.jsonl"


def check_free(folder: Path) -> None:
    """Raise `TerminalError` where a batch would overwrite what is none of its own: a file of such a name, and no ledger beside it."""
    if not (folder / FILE).exists():
        for name in (*REPORTS, RESULTS):
            if (folder / name).exists():
                raise TerminalError("batch-over-other", path=folder / name)


def write_files(ledger: Ledger, lang: Lang) -> tuple[Path, ...]:
    """Write the results and the reports, and return their paths, the page first.

    Raises `TerminalError` where the folder cannot be written to; each file is then the new or the old one, whole.
    """
    rows = partial(ledger.rows, lang)
    try:
        results = _write_results(rows, ledger.folder)
        return (*write_reports(rows, ledger.folder, lang=lang, batch=ledger.id, contest=ledger.contest.name), results)
    except OSError as error:
        raise not_written(ledger.folder, error) from None


def _write_results(rows: Rows, folder: Path) -> Path:
    """One JSON object a photo and line, in the order of the names."""
    part = folder / f".{RESULTS}.part"
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for row in rows():
                file.write(json.dumps(row.result, ensure_ascii=False, separators=(",", ":")) + "\n")
        return part.replace(folder / RESULTS)
    finally:
        part.unlink(missing_ok=True)
