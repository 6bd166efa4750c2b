"""What a batch leaves in its out folder beside the ledger."""

from contextlib import closing
from pathlib import Path

from app.batch import LEDGER, REPORTS
from app.batch.ledger import Ledger, not_written
from app.batch.report import write_reports
from app.terminal.words import TerminalError
from gestures.words import Lang


def check_free(folder: Path) -> None:
    """Raise `TerminalError` where a batch would overwrite what is none of its own: a file of such a name, and no ledger beside it."""
    if not (folder / LEDGER).exists():
        for name in REPORTS:
            if (folder / name).exists():
                raise TerminalError("batch-over-other", path=folder / name)


def write_files(ledger: Ledger, lang: Lang) -> tuple[Path, ...]:
    """Write the reports, and return their paths, the page first.

    Raises `TerminalError` where the folder cannot be written to; each file is then the new or the old one, whole.
    """
    try:
        with closing(ledger.rows(lang)) as rows:  # a database that is left open can be closed by the thread alone that opened it
            return write_reports(rows, ledger.folder, lang=lang, batch=ledger.id, contest=ledger.contest.name)
    except OSError as error:
        raise not_written(ledger.folder, error) from None
