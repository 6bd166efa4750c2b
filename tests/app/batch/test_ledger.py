import errno
import os
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from app.batch import LEDGER
from app.batch.ledger import Ledger, not_written, settings_key
from app.terminal.words import TerminalError, problem
from app.workers import CheckerSetup
from gestures import Limits, Thresholds, load_contest

SETUP = CheckerSetup()
DEFAULT = load_contest("default")


@pytest.mark.parametrize(
    "change",
    [{"finder": "mediapipe"}, {"limits": Limits(least_side=64)}, {"thresholds": Thresholds(least_size=20)}],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_which_hands_are_found_is_another_key(change):
    assert settings_key(replace(SETUP, **change)) != settings_key(SETUP)


def test_nothing_is_left_of_the_name_of_a_photo_that_is_gone(tmp_path):
    out = tmp_path / "new/out"  # neither of which is there
    for names in (("lama.jpg", "b.jpg"), ("b.jpg",)):
        with Ledger(out, SETUP, DEFAULT) as ledger:
            ledger.begin()
            for name in names:
                ledger.list(name, trouble=TerminalError("file-missing"))
            ledger.end()
            assert [row.result["name"] for row in ledger.rows()] == sorted(names)
    kept = b"".join(file.read_bytes() for file in out.iterdir())
    assert b"b.jpg" in kept
    assert b"lama.jpg" not in kept


def test_a_ledger_that_is_a_folder_says_so(tmp_path):
    (tmp_path / LEDGER).mkdir()
    with pytest.raises(TerminalError, match="batch-not-written"):
        Ledger(tmp_path, SETUP, DEFAULT)


def test_a_wrong_statement_is_no_trouble_of_the_folder(tmp_path):
    with Ledger(tmp_path, SETUP, DEFAULT) as ledger, closing(sqlite3.connect(tmp_path / LEDGER)) as db:
        db.execute("DROP TABLE photos")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            ledger.counts()


@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, "batch-disk-full"), (errno.EROFS, "batch-not-written")])
def test_why_nothing_can_be_written_is_said(tmp_path, code, kind):
    error = not_written(tmp_path, OSError(code, os.strerror(code)))
    assert error.type == kind
    for lang in ("id", "en"):
        detail = problem(error, lang).detail
        assert str(tmp_path) in detail
        assert (os.strerror(code) in detail) is (kind == "batch-not-written")
