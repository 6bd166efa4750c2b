"""What lies in the spool when the service is killed at a bad moment."""

import os
import sqlite3
import time
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.batch.sources import MOST_ENTRIES
from app.batch.spool import Batch, BatchLimits, Spool, SpooledPhoto, unpack
from app.errors import ServiceError
from app.terminal.words import TerminalError


class Killed(BaseException):
    """Ends whatever runs, as a kill would."""


def test_a_photo_is_listed_no_more_before_it_is_deleted(tmp_path, monkeypatch):
    photos = [SpooledPhoto(number, f"{number}.jpg") for number in range(2)]
    with closing(Spool(tmp_path)) as spool:
        batch = Batch(spool.new(), None, "default", "id", crops=False, photos=2)
        for photo in photos:
            (spool.photos(batch.id) / str(photo.number)).write_bytes(b"a photo")
        spool.add(batch, photos)

        def killed(path: Path, **options: bool) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", killed)
            with pytest.raises(Killed):
                spool.drop(batch.id, photos[0])
    with closing(Spool(tmp_path)) as spool:
        left = spool.left(batch.id)
        assert left == photos[1:]
        for source in spool.sources(batch.id, left):
            assert source.read(100) == b"a photo"
            (spool.photos(batch.id) / "1").unlink()
            with pytest.raises(TerminalError, match="file-unreadable"):
                source.read(100)
        spool.drop(batch.id, photos[1])
        spool.update(Batch(batch.id, None, "default", "id", crops=False, photos=2, state="done"))
        assert not spool.photos(batch.id).exists()


def test_what_is_not_gone_but_cannot_be_read_just_now_is_no_trouble_of_the_photo(tmp_path):
    with closing(Spool(tmp_path)) as spool:
        batch = spool.new()
        (spool.photos(batch) / "0").mkdir()
        (source,) = spool.sources(batch, [SpooledPhoto(0, "0.jpg")])
        with pytest.raises(IsADirectoryError):
            source.read(100)


@pytest.mark.parametrize(("problem", "are_there"), [(None, True), ("batch-failed", True), ("spool-full", False)])
def test_photos_stay_until_it_is_written_down_that_their_batch_is_over_unless_that_takes_their_room(tmp_path, problem, are_there):
    with closing(Spool(tmp_path)) as spool:
        batch = Batch(spool.new(), None, "default", "id", crops=False, photos=1)
        spool.add(batch, [SpooledPhoto(0, "a.jpg")])
        spool._db.execute("PRAGMA query_only = ON")  # as on a disk that fails
        with pytest.raises(sqlite3.OperationalError):
            spool.update(replace(batch, state="failed" if problem else "done", problem=problem))
        assert (spool.find(batch.id).state, spool.photos(batch.id).exists()) == ("waiting", are_there)


def test_photos_whose_batch_was_over_when_it_was_killed_are_deleted_later(tmp_path, monkeypatch):
    def killed(path: Path, **options: bool) -> None:
        raise Killed

    with closing(Spool(tmp_path)) as spool:
        over, waiting = (Batch(spool.new(), None, "default", "id", crops=False, photos=1) for _ in range(2))
        for batch in (over, waiting):
            spool.add(batch, [SpooledPhoto(0, "a.jpg")])
        with monkeypatch.context() as patch:
            patch.setattr("app.batch.spool.shutil.rmtree", killed)
            with pytest.raises(Killed):
                spool.update(replace(over, state="failed"))
    with closing(Spool(tmp_path)) as spool:
        spool.clean()
        assert [spool.photos(batch.id).exists() for batch in (over, waiting)] == [False, True]
        assert spool.place(over.id).exists()


@pytest.mark.parametrize("end", ["forgotten", "expired"])
def test_nothing_of_a_deleted_batch_is_left_on_the_disk(end, tmp_path):
    with closing(Spool(tmp_path)) as spool:
        batch = Batch(spool.new(), None, "default", "id", crops=False, photos=1)
        spool.add(batch, [SpooledPhoto(0, "rapat-rahasia.jpg")])
        assert any(b"rahasia" in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        if end == "expired":
            spool.update(replace(batch, state="done", finished=1.0, expires=2.0))
            spool.clean()
        else:
            spool.forget(batch.id)
            spool.discard(batch.id)
        assert not any(b"rahasia" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_folder_that_holds_anything_else_is_no_spool(tmp_path):
    (tmp_path / "keuangan").mkdir()
    with pytest.raises(OSError, match="not empty"):
        Spool(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["keuangan"]
    (tmp_path / "keuangan").rename(tmp_path / "lost+found")  # of the file system
    Spool(tmp_path).close()


def test_nothing_but_folders_of_batches_is_deleted(tmp_path):
    with closing(Spool(tmp_path)) as spool:
        left = [spool.new(), spool.new()]
        spool.photos(left[0]).rmdir()  # killed between the two
        left.append(spool.new())
        spool.photos(left[2]).rmdir()  # killed while it was deleted
        for name in ("report.xlsx", "ledger.sqlite.lock", ".reports"):
            (spool.place(left[2]) / name).touch()
        foreign = [tmp_path / "keuangan" / "2024", tmp_path / ("a" * 32) / "arsip"]
        for folder in foreign:
            folder.mkdir(parents=True)
        spool.clean()
        assert not any(spool.place(batch).exists() for batch in left)
        assert all(folder.exists() for folder in foreign)


def test_what_is_just_coming_is_not_deleted(tmp_path):
    """The sweep may run at any moment of an upload: before it is heard of, while it lasts, and when it has just become a batch."""
    with closing(Spool(tmp_path)) as spool:
        coming, added, left = spool.new(), spool.new(), spool.new()
        late = []

        def spared():
            late.append(spool.new())
            spool.add(Batch(added, None, "default", "id", crops=False, photos=1), [SpooledPhoto(0, "a.jpg")])
            return {coming}

        spool.clean(spared)
        assert all(spool.photos(batch).exists() for batch in (coming, added, *late))
        assert not spool.place(left).exists()


def test_a_start_that_was_killed_is_made_again(tmp_path):
    (tmp_path / "batches.sqlite.lock").touch()
    Spool(tmp_path).close()


def test_one_of_another_version_is_refused_and_let_go(tmp_path):
    Spool(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "batches.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
        with pytest.raises(OSError, match="another version"):
            Spool(tmp_path)
        db.execute("PRAGMA user_version = 1")
    Spool(tmp_path).close()


def test_a_photo_of_an_archive_that_is_too_large_stays_too_large(tmp_path):
    """It is cut, but not to what is just allowed: that would be a damaged photo."""
    with zipfile.ZipFile(tmp_path / "part-0", "w") as archive:
        archive.writestr("a.jpg", bytes(50))
    unpack(tmp_path, [("a.zip", tmp_path / "part-0")], BatchLimits(files=1, bytes=100, photo_bytes=10))
    assert (tmp_path / "0").stat().st_size > 10


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes are of POSIX")
def test_no_other_user_can_read_it(tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with closing(Spool(folder)) as spool:
        spool.new()
        assert folder.stat().st_mode & 0o077 == 0
        assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_a_clock_that_was_ahead_keeps_nothing_the_longer(tmp_path):
    with closing(Spool(tmp_path)) as spool:
        batch = Batch(spool.new(), None, "default", "id", crops=False, photos=1)
        spool.add(batch, [SpooledPhoto(0, "a.jpg")])
        ahead = time.time() + 10 * 365 * 86_400
        spool.update(replace(batch, state="done", finished=ahead, expires=ahead + 60))
        spool.clean()
        now = spool.find(batch.id)
        assert now.expires - time.time() == pytest.approx(60, abs=10)


def test_what_has_expired_is_not_shown_even_before_it_is_deleted(tmp_path):
    with closing(Spool(tmp_path)) as spool:
        batch = Batch(spool.new(), None, "default", "id", crops=False, photos=1)
        spool.add(batch, [SpooledPhoto(0, "a.jpg")])
        now = time.time()
        spool.update(replace(batch, state="done", finished=now - 60, expires=now - 1))
        assert spool.find(batch.id) is None
        spool.update(replace(batch, state="done", finished=now - 60, expires=now + 60))
        assert spool.find(batch.id) is not None


class Counting(str):
    """A name that counts how often others are made of it."""

    made = 0

    def __format__(self, spec):
        Counting.made += 1
        return super().__format__(spec)


def test_names_are_told_apart_and_no_more_are_tried_than_photos_have_them(tmp_path):
    sent = [name for number in range(100) for name in (f"{number}.jpg", "foto.jpg", "foto.jpg (7)")]
    received = []
    for number, name in enumerate(sent):
        (tmp_path / f"part-{number}").touch()
        received.append((Counting(name), tmp_path / f"part-{number}"))
    names = [photo.name for photo in unpack(tmp_path, received, BatchLimits(files=300, bytes=1, photo_bytes=1))]
    assert len(set(names)) == len(sent)
    assert names[:7] == ["0.jpg", "foto.jpg", "foto.jpg (7)", "1.jpg", "foto.jpg (2)", "foto.jpg (7) (2)", "2.jpg"]
    assert Counting.made <= len(sent)


@pytest.mark.parametrize(("most", "kind"), [(MOST_ENTRIES - 1, "batch-too-many"), (MOST_ENTRIES, "archive-too-many")])
def test_an_archive_of_too_much_is_refused_by_the_bound_that_is_met_first(most, kind, tmp_path):
    with zipfile.ZipFile(tmp_path / "part-0", "w") as archive:
        for number in range(MOST_ENTRIES + 1):
            archive.writestr(f"{number}.jpg", b"")
    with pytest.raises(ServiceError) as refused:
        unpack(tmp_path, [("a.zip", tmp_path / "part-0")], BatchLimits(files=most, bytes=1, photo_bytes=1))
    assert refused.value.type == kind
