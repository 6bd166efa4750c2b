"""The service's batches on disk: photos that are still to be checked, and results for as long as they are kept.

A folder with one database for all batches, and a folder for each: its photos, its ledger, its reports. File names are kept in the
database, never used as names on the disk. A batch stands in the database from when all of its photos are here until it is deleted.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from app.batch import LEDGER
from app.batch.ledger import Level
from app.batch.sources import MOST_ENTRIES, Source, archive, unique
from app.errors import ArchiveRefused, BatchRefused, RequestInvalid
from app.terminal.words import TerminalError
from gestures.words import Lang

FILE = "batches.sqlite"
PHOTOS = "photos"
State = Literal["waiting", "running", "done", "failed"]
UNFINISHED = ("waiting", "running")

# What a file system, not a person, puts into a new folder; and how the names begin of all that we put into a batch's.
EMPTY = {"lost+found"}
OURS = (PHOTOS, LEDGER, "results.", "report")

# photos: what is still to be checked. refused: the kind of problem of an entry that an archive could not give.
_VERSION = 1
_TABLES = """
CREATE TABLE batches (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner TEXT, contest TEXT NOT NULL, lang TEXT NOT NULL, crops INTEGER NOT NULL,
    photos INTEGER NOT NULL, created REAL NOT NULL, state TEXT NOT NULL, counts TEXT NOT NULL, finished REAL, expires REAL, problem TEXT);
CREATE TABLE photos (batch TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, refused TEXT, PRIMARY KEY (batch, number));
"""
_COLUMNS = "id, owner, contest, lang, crops, photos, created, state, counts, finished, expires, problem"


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch.

    owner: name of the key that sent it, or None. photos: how many there are. counts: photos by what came of them. created, finished,
    expires: seconds since 1970; expires is when its results are deleted. problem: a type of problems.toml, where it failed.
    """

    id: str
    owner: str | None
    contest: str
    lang: Lang
    crops: bool
    photos: int
    created: float = field(default_factory=time.time)
    state: State = "waiting"
    counts: dict[Level, int] = field(default_factory=dict)
    finished: float | None = None
    expires: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SpooledPhoto:
    """A photo of a batch, or what stands in its place. number: that of its file."""

    number: int
    name: str
    refused: str | None = None


def check_own(folder: Path) -> None:
    """Raise `OSError` where a folder holds something, but no spool: it is somebody's, and what is in it not ours to hide or delete."""
    if not (folder / FILE).exists() and {path.name for path in folder.iterdir()} - EMPTY - {f"{FILE}.lock"}:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))


class Spool:
    """All batches of one folder, for any thread of one process; others are kept out for as long as it lives."""

    def __init__(self, folder: Path) -> None:
        """Raises `OSError`, or `sqlite3.Error`, where the folder cannot be used, is in use by another service, or holds anything else."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_own(folder)
        with suppress(PermissionError):  # of another owner, who let us in
            folder.chmod(0o700)  # the ids of batches are the names of folders, and whoever knows one may see its results
        self.folder = folder
        self._guard = threading.Lock()
        self._lock = os.open(folder / f"{FILE}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with ExitStack() as undo:
            undo.callback(os.close, self._lock)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(os.open(folder / FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # SQLite's other files take its mode
            self._db = sqlite3.connect(folder / FILE, check_same_thread=False)
            undo.callback(self._db.close)
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
            elif version != _VERSION:
                raise OSError("written by another version")
            undo.pop_all()

    def close(self) -> None:
        """Let others have the folder."""
        with self._guard:
            self._db.close()
            os.close(self._lock)

    def new(self) -> str:
        """Make the folder of a batch that is yet to come, and return its id, which nobody can guess."""
        name = secrets.token_urlsafe(24)
        self.place(name).mkdir(mode=0o700)
        self.photos(name).mkdir(mode=0o700)
        return name

    def place(self, batch_id: str) -> Path:
        """The folder of a batch."""
        return self.folder / batch_id

    def photos(self, batch_id: str) -> Path:
        """The folder of the photos of a batch that are still to be checked."""
        return self.folder / batch_id / PHOTOS

    def add(self, batch: Batch, photos: Sequence[SpooledPhoto]) -> None:
        """Take a batch whose photos are all in its folder."""
        with self._guard, self._db:
            row = (batch.id, batch.owner, batch.contest, batch.lang, batch.crops, batch.photos, batch.created, batch.state)
            self._db.execute("INSERT INTO batches VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, '{}', NULL, NULL, NULL)", row)
            rows = [(batch.id, photo.number, photo.name, photo.refused) for photo in photos]
            self._db.executemany("INSERT INTO photos VALUES (?, ?, ?, ?)", rows)

    def find(self, batch_id: str) -> Batch | None:
        """Return a batch that is there and has not expired."""
        return next(iter(self._batches("id = ? AND coalesce(expires > ?, 1)", batch_id, time.time())), None)

    def unfinished(self) -> list[Batch]:
        """Return the batches that are to be worked at, in the order in which they came."""
        return self._batches("state IN (?, ?)", *UNFINISHED)

    def left(self, batch_id: str) -> list[SpooledPhoto]:
        """Return the photos of a batch that are still to be checked."""
        with self._guard:
            rows = self._db.execute("SELECT number, name, refused FROM photos WHERE batch = ? ORDER BY number", (batch_id,))
            return [SpooledPhoto(*row) for row in rows]

    def count_left(self, batch_id: str) -> int:
        """Return how many photos of a batch are still on the disk."""
        with self._guard:
            (count,) = self._db.execute("SELECT count(*) FROM photos WHERE batch = ? AND refused IS NULL", (batch_id,)).fetchone()
            return int(count)

    def size(self) -> tuple[int, int]:
        """Return how many photos of all batches are still on the disk, and the bytes of all that is there."""
        with self._guard:
            (photos,) = self._db.execute("SELECT count(*) FROM photos WHERE refused IS NULL").fetchone()
        return int(photos), _bytes_in(self.folder)

    def drop(self, batch_id: str, photo: SpooledPhoto) -> None:
        """Delete a photo that was checked."""
        # In this order: killed in between, a photo that is listed but gone would be called unreadable, and its result be lost. One that is
        # no longer listed goes with its batch's folder at the latest.
        with self._guard, self._db:
            self._db.execute("DELETE FROM photos WHERE batch = ? AND number = ?", (batch_id, photo.number))
        (self.photos(batch_id) / str(photo.number)).unlink(missing_ok=True)

    def update(self, batch: Batch) -> None:
        """Keep a batch's state and contest. One that is finished has no photos any more; one that was deleted stays deleted."""
        is_finished = batch.state not in UNFINISHED
        if batch.problem == "spool-full":  # there may be no room to write that down before they are gone
            self._delete_photos(batch)
        with self._guard, self._db:
            if is_finished:
                self._db.execute("DELETE FROM photos WHERE batch = ?", (batch.id,))
            row = (batch.contest, batch.state, json.dumps(batch.counts), batch.finished, batch.expires, batch.problem, batch.id)
            columns = "contest = ?, state = ?, counts = ?, finished = ?, expires = ?, problem = ?"
            self._db.execute(f"UPDATE batches SET {columns} WHERE id = ?", row)  # noqa: S608 - our own words
        if is_finished:  # and no sooner: until that is written down, they are still to be checked
            self._delete_photos(batch)
            self._wipe()

    def _delete_photos(self, batch: Batch) -> None:
        shutil.rmtree(self.photos(batch.id), ignore_errors=True)

    def forget(self, batch_id: str) -> None:
        """Strike a batch off. Its folder goes with `discard`, or with the next `clean`."""
        with self._guard, self._db:
            self._db.execute("DELETE FROM photos WHERE batch = ?", (batch_id,))
            self._db.execute("DELETE FROM batches WHERE id = ?", (batch_id,))
        self._wipe()

    def _wipe(self) -> None:
        """Leave nothing of what was deleted in the write-ahead log, where `secure_delete` does not reach."""
        with self._guard:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def discard(self, batch_id: str) -> None:
        """Delete the folder of a batch that was never added, or is forgotten."""
        if not self._batches("id = ?", batch_id):
            shutil.rmtree(self.place(batch_id), ignore_errors=True)

    def clean(self, spared: Callable[[], set[str]] = set) -> None:
        """Delete what has expired, photos of batches that are finished, and folders of ours that belong to no batch, but those spared."""
        now = time.time()
        with self._guard, self._db:  # finished while the clock was ahead: nothing is kept the longer for that
            self._db.execute("UPDATE batches SET expires = ? + expires - finished, finished = ? WHERE finished > ?", (now, now, now))
        for batch in self._batches("expires <= ?", now):
            self.forget(batch.id)
        for batch in self._batches("state NOT IN (?, ?)", *UNFINISHED):  # whose photos could not be deleted, or not before a kill
            self._delete_photos(batch)
        # In this order: a folder that is new by now is not looked at, and one that was spared until just now has become a batch.
        folders = [folder for folder in self.folder.iterdir() if _is_ours(folder)]
        spare = spared()
        for folder in folders:
            if folder.name not in spare:
                self.discard(folder.name)

    def sources(self, batch_id: str, photos: Iterable[SpooledPhoto]) -> list[Source]:
        """Return photos of a batch as a run takes them."""
        return [Source(photo.name, partial(_read, self.photos(batch_id) / str(photo.number), photo.refused)) for photo in photos]

    def _batches(self, condition: str, *values: object) -> list[Batch]:
        with self._guard:
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM batches WHERE {condition} ORDER BY place", values)  # noqa: S608 - our own words
            batches = [Batch(*row) for row in rows]
        return [replace(batch, crops=bool(batch.crops), counts=json.loads(str(batch.counts))) for batch in batches]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What a batch may be at most: photos in it, bytes that they come to, bytes that are read of one photo."""

    files: int
    bytes: int
    photo_bytes: int


def unpack(folder: Path, received: Sequence[tuple[str, Path]], limits: BatchLimits) -> list[SpooledPhoto]:
    """Give each photo a file of its own, named by a number, in `folder`; those of archives as well, which are then deleted.

    received: names and files, which lie in `folder`. Photos of a single archive are named relative to it, those of one among other
    files begin with its name; no two have the same. An archive that is not opened is told as a photo that cannot be checked or, where
    nothing else was received, by an `ArchiveRefused`. Raises that, `BatchRefused`, `RequestInvalid` where there is no photo, or `OSError`.
    """
    photos: list[SpooledPhoto] = []
    names: dict[str, int] = {}
    taken = 0

    def add(name: str, refused: str | None = None) -> Path:
        photos.append(SpooledPhoto(len(photos), unique(name, names), refused))
        if len(photos) > limits.files:
            raise BatchRefused("batch-too-many", most=limits.files)
        return folder / str(photos[-1].number)

    for name, path in received:
        with path.open("rb") as file:
            if file.read(2) != b"PK":  # no kind of picture begins so
                taken += path.stat().st_size
                path.rename(add(name))
                continue
            try:
                for source in archive(file, "" if len(received) == 1 else f"{name}/"):
                    try:
                        data = source.read(limits.photo_bytes + 1)
                    except ArchiveRefused as refused:
                        add(source.name, refused.type)
                        continue
                    taken += len(data)
                    if taken > limits.bytes:
                        raise BatchRefused("batch-too-large", limit=limits.bytes // 2**20)
                    add(source.name).write_bytes(data)
            except ArchiveRefused as refused:
                if refused.type == "archive-too-many" and limits.files < MOST_ENTRIES:  # whoever splits it would meet this bound next
                    raise BatchRefused("batch-too-many", most=limits.files) from None
                if len(received) == 1:
                    raise
                add(name, refused.type)
        path.unlink()
    if not photos:
        raise RequestInvalid({"photos": "missing"})
    return photos


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a batch's, or what is left of one: what people put into the spool is left alone."""
    if not re.fullmatch("[A-Za-z0-9_-]{32}", folder.name) or not folder.is_dir():
        return False
    return all(path.name.removeprefix(".").startswith(OURS) for path in folder.iterdir())


def _read(path: Path, refused: str | None, most: int) -> bytes:
    if refused:
        raise ArchiveRefused(refused)
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError as error:  # all else is of the disk or the machine, and may pass
        raise TerminalError("file-unreadable", reason=error.strerror) from None


def _bytes_in(folder: Path) -> int:
    """The bytes of the files at any depth; of those that go meanwhile, whatever was seen of them."""
    size = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                size += _bytes_in(Path(entry)) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size
    return size
