"""What is known of a batch's photos, kept in a file, so that nothing is lost and nothing done twice.

A photo is known by its bytes, whatever it is called. What was found in it holds for the settings that it was found under, whatever the
contest; advice holds for a contest as well, and is made again from what was found where the contest has changed. Every photo is written
down as soon as it is done: a run that is killed loses those that were being checked, and no more.
"""

import errno
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self, get_args

from app.about import library_sha256
from app.batch import LEDGER
from app.batch.pictures import Found
from app.batch.rows import Row
from app.photo_names import shown
from app.terminal.words import Problem, TerminalError, problem
from app.workers import CheckerSetup
from gestures import Contest, Findings, PhotoError, advise
from gestures.hands import bundle
from gestures.words import LANGUAGES, Lang

FULL = (errno.ENOSPC, errno.EDQUOT)
Level = Literal["clear", "review", "unclear", "failed"]

# batch: an id by which reports know one out folder's batch from another's.
# photos: names of the last run. digest: SHA-256 of the bytes. trouble: why there are no bytes.
# found: what was found in bytes under settings, or the error met. settled: the error is the photo's own and will be met again.
# pictures: place -1 is the preview, others are crops.
_VERSION = 1
_TABLES = """
CREATE TABLE batch (id TEXT NOT NULL);
INSERT INTO batch VALUES (lower(hex(randomblob(8))));
CREATE TABLE photos (name BLOB PRIMARY KEY, run INTEGER NOT NULL, digest BLOB, trouble TEXT) WITHOUT ROWID;
CREATE TABLE found (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL, settings BLOB NOT NULL, run INTEGER NOT NULL,
    settled INTEGER NOT NULL, pictured INTEGER NOT NULL, findings TEXT, trouble TEXT, UNIQUE (digest, settings));
CREATE TABLE pictures (found INTEGER NOT NULL, place INTEGER NOT NULL, jpeg BLOB NOT NULL, PRIMARY KEY (found, place));
CREATE TABLE advice (
    found INTEGER NOT NULL, contest BLOB NOT NULL, level TEXT NOT NULL, result TEXT NOT NULL, PRIMARY KEY (found, contest));
"""

# Photos of a run of which something came, for settings and contest.
_DONE = """photos
LEFT JOIN found ON found.digest = photos.digest AND settings = ?
LEFT JOIN advice ON found = id AND contest = ?
WHERE photos.run = ? AND coalesce(photos.trouble, found.trouble, result) IS NOT NULL"""


Say = Callable[[BaseException, Lang], Problem]


class Ledger:
    """The ledger of one out folder, open for one run. To be used by one thread at a time; `rows` by any.

    Raises `TerminalError` wherever the folder cannot be written to, is full, or is in use by another run.
    """

    def __init__(self, folder: Path, setup: CheckerSetup, contest: Contest, *, pictures: bool = True, say: Say = problem) -> None:
        """Open or make the ledger in `folder`.

        pictures: whether any pixels are kept; those kept before go if not. say: words what goes wrong with a photo.
        """
        self._say = say
        self.folder = folder
        self.pictures = pictures
        self.contest = contest
        self._settings_key = settings_key(setup)
        self._contest_key = contest_key(contest)
        with self._errors_worded():
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder)
            with ExitStack() as undo:
                undo.callback(os.close, self._lock)
                self._db = sqlite3.connect(folder / LEDGER, check_same_thread=False)
                undo.callback(self._db.close)
                self._prepare()
                undo.pop_all()

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        if tables and (version == 0 or "batch" not in tables):  # another program's, to be left as it is
            raise TerminalError("batch-over-other", path=self.folder / LEDGER)
        if version not in (0, _VERSION):
            raise TerminalError("ledger-other", file=self.folder / LEDGER)
        # Of each write it is enough that the system has it: that outlives a kill. A power cut may cost the last few, never the file.
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;")
        if version == 0:
            self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
        with self._db:
            if not self.pictures:
                self._db.execute("DELETE FROM pictures")
                self._db.execute("UPDATE found SET pictured = 0 WHERE pictured")
        (self.id,) = self._db.execute("SELECT id FROM batch").fetchone()
        (self._run,) = self._db.execute("SELECT coalesce(max(run), 0) FROM photos").fetchone()

    def begin(self, *, recheck: bool = False, spooled: bool = False) -> None:
        """Begin a run: its photos take the place of those of the run before, unless they are spooled, which stay.

        recheck: forget all that was found.
        """
        if spooled:
            self._outlive()
        with self._errors_worded(), self._db:
            self._run = max(self._run, 1) if spooled else self._run + 1
            if recheck:
                for table in ("found", "pictures", "advice"):
                    self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names

    def _outlive(self) -> None:
        """Be all that is left of photos: wait for the disk with each write, and let stand what was found under other settings."""
        with self._errors_worded(), self._db:
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("UPDATE found SET settings = ?", (self._settings_key,))
            unadvised = self._db.execute(
                "SELECT id, findings FROM found WHERE findings IS NOT NULL AND id NOT IN (SELECT found FROM advice WHERE contest = ?)",
                (self._contest_key,),
            )
            for found, findings in unadvised.fetchall():
                try:
                    self._advise(found, json.loads(findings))
                except (KeyError, TypeError, ValueError):  # another version's, such as a pose that this one lacks: what was said stands
                    last = "SELECT found, ?, level, result FROM advice WHERE found = ? ORDER BY rowid DESC LIMIT 1"
                    self._db.execute(f"INSERT INTO advice {last}", (self._contest_key, found))

    def _words(self, error: Exception) -> str:
        """The error objects of results, in both languages."""
        return _json({lang: asdict(self._say(error, lang)) for lang in LANGUAGES})

    def end(self) -> None:
        """End a run that listed all its photos: those that are there no more are struck off. What was found in them stays."""
        with self._errors_worded(), self._db:
            self._db.execute("DELETE FROM photos WHERE run <> ?", (self._run,))

    def list(self, name: str, digest: bytes | None = None, trouble: Exception | None = None) -> None:
        """Write down that a photo of this name has these bytes, or that it cannot be read."""
        with self._errors_worded(), self._db:
            row = (_encoded(name), self._run, digest, self._words(trouble) if trouble else None)
            self._db.execute("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?)", row)

    def level(self, digest: bytes) -> Level | None:
        """Return what came of these bytes, or None where they are still to be looked at. A new contest is applied to what was found."""
        with self._errors_worded():
            row = self._db.execute(
                "SELECT id, findings, settled OR run = ?, pictured, level FROM found LEFT JOIN advice ON found = id AND contest = ?"
                " WHERE digest = ? AND settings = ?",
                (self._run, self._contest_key, digest, self._settings_key),
            ).fetchone()
            if row is None:
                return None
            found, findings, settled, pictured, level = row
            if findings is None:
                return "failed" if settled else None
            if self.pictures and not pictured:
                return None
            if level is None:
                with self._db:
                    return self._advise(found, json.loads(findings))
            return level  # type: ignore[no-any-return]

    def keep(self, digest: bytes, found: Found) -> Level:
        """Keep what was found in these bytes, and return what came of it."""
        with self._errors_worded(), self._db:
            number = self._put(digest, settled=True, pictured=bool(found.crops or not found.findings["hands"]), findings=found.findings)
            pictures = list(enumerate(found.crops))
            if found.preview:
                pictures.append((-1, found.preview))
            self._db.executemany("INSERT INTO pictures VALUES (?, ?, ?)", [(number, *picture) for picture in pictures])
            return self._advise(number, found.findings)

    def keep_trouble(self, digest: bytes, error: Exception) -> Level:
        """Keep why these bytes could not be checked. What is not the photo's own fault is tried again in the next run."""
        with self._errors_worded(), self._db:
            self._put(digest, settled=isinstance(error, PhotoError), pictured=False, trouble=self._words(error))
            return "failed"

    def counts(self) -> dict[Level, int]:
        """Return how many photos of the last run are done, by what came of them."""
        with self._errors_worded(), closing(sqlite3.connect(self.folder / LEDGER)) as db:
            counted = db.execute(
                f"SELECT coalesce(level, 'failed') AS came, count(*) FROM {_DONE} GROUP BY came",  # noqa: S608 - our own words
                (self._settings_key, self._contest_key, self._run),
            )
            return dict.fromkeys(get_args(Level), 0) | dict(counted)

    def rows(self, lang: Lang = "id") -> Generator[Row]:
        """Yield the photos of the last run that are done, in the order of their names."""
        with self._errors_worded(), closing(sqlite3.connect(self.folder / LEDGER)) as db:
            photos = db.execute(
                f"SELECT name, photos.digest, photos.trouble, id, found.trouble, result FROM {_DONE} ORDER BY name",  # noqa: S608 - our own words
                (self._settings_key, self._contest_key, self._run),
            )
            for name, digest, unread, found, unchecked, result in photos:
                start = {"schema": 1, "name": shown(_decoded(name))}
                if trouble := unread or unchecked:
                    errors = json.loads(trouble)
                    yield Row(start | {"error": errors[lang]}, digest=digest or b"", errors=errors)
                else:
                    kept = dict(db.execute("SELECT place, jpeg FROM pictures WHERE found = ? ORDER BY place", (found,)))
                    preview = kept.pop(-1, None)
                    yield Row(json.loads(result) | {"name": start["name"]}, tuple(kept.values()), preview, digest)

    def close(self) -> None:
        """Close the file and let others have the folder."""
        self._db.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _put(
        self, digest: bytes, *, settled: bool, pictured: bool, findings: dict[str, object] | None = None, trouble: str | None = None
    ) -> int:
        self._drop(digest)
        row = (digest, self._settings_key, self._run, settled, pictured, _json(findings) if findings else None, trouble)
        done = self._db.execute("INSERT INTO found VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)
        assert done.lastrowid is not None  # noqa: S101 - for the type checker
        return done.lastrowid

    def _drop(self, digest: bytes) -> None:
        old = self._db.execute("SELECT id FROM found WHERE digest = ? AND settings = ?", (digest, self._settings_key)).fetchone()
        if old:
            for statement in ("pictures WHERE found", "advice WHERE found", "found WHERE id"):
                self._db.execute(f"DELETE FROM {statement} = ?", old)  # noqa: S608 - our own names

    def _advise(self, found: int, findings: dict[str, Any]) -> Level:
        result = advise(Findings.from_dict(findings), self.contest).to_dict()
        level: Level = result["level"]
        self._db.execute("INSERT INTO advice VALUES (?, ?, ?, ?)", (found, self._contest_key, level, _json(result)))
        return level

    @contextmanager
    def _errors_worded(self) -> Iterator[None]:
        """Turn what SQLite or the file system runs into into a `TerminalError` that says so."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL:
                raise TerminalError("batch-disk-full", folder=self.folder) from None
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise TerminalError("ledger-damaged", file=self.folder / LEDGER, reason=error) from None
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):  # by another program
                raise TerminalError("batch-busy", folder=self.folder) from None
            if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:  # all others are our own mistakes
                raise TerminalError("batch-not-written", folder=self.folder, reason=error) from None
            raise
        except OSError as error:
            raise not_written(self.folder, error) from None


def not_written(folder: Path, error: OSError) -> TerminalError:
    """Say why something could not be written to the out folder."""
    if error.errno in FULL:
        return TerminalError("batch-disk-full", folder=folder)
    return TerminalError("batch-not-written", folder=folder, reason=error.strerror or type(error).__name__)


def settings_key(setup: CheckerSetup) -> bytes:
    """Return what all that may decide which hands are found, and how they are read, comes to: settings and the whole library."""
    parts: dict[str, Any] = {
        "library": library_sha256(),
        "finder": setup.finder,
        "limits": asdict(setup.limits),
        "thresholds": asdict(setup.thresholds),
        "model": bundle.SHA256,  # no other is accepted
    }
    return _key(parts)


def contest_key(contest: Contest) -> bytes:
    """Return what all that may decide the advice on given hands comes to: the contest and the whole library."""
    return _key({"library": library_sha256(), "contest": asdict(contest)})


def _key(parts: dict[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).digest()


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _lock(folder: Path) -> int:
    """Keep others out for as long as this process lives. Raises `TerminalError`."""
    file = os.open(folder / f"{LEDGER}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise TerminalError("batch-busy", folder=folder) from None
    return file
