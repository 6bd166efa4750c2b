"""The service's batches at work: one after another, in the background, while single photos are checked first.

All that has to outlive the process is in the spool and in each batch's ledger. Started again on the same spool, whether it was stopped
or killed, the service goes on with the photos that are still there.
"""

import asyncio
import errno
import logging
import math
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from app.batch.files import write_files
from app.batch.ledger import FULL, Ledger, Level
from app.batch.run import Processes, Progress, Run
from app.batch.spool import UNFINISHED, Batch, BatchLimits, Spool, unpack
from app.errors import BatchQueueFull, BatchRefused, RequestError, ServiceError, describe
from app.settings import Settings
from app.terminal.words import Problem, TerminalError, problem
from app.workers import CheckerPool
from gestures import Contest, GesturesError
from gestures.words import Lang

log = logging.getLogger(__name__)

# Seconds between two tries to open a spool that could not be used: it may be full, not mounted yet, or held by the service before us.
AGAIN_S = 2
# Seconds after which work at batches is taken up again that a fault of the machine or its settings broke off.
RESUME_S = 60
# Seconds between two looks for what has expired, at most.
SWEEP_S = 60
# Seconds between two counts of a batch that is under way.
COUNT_S = 0.3
# Seconds that whoever deletes a batch waits for the work at it to end.
LET_GO_S = 30
# How long to wait, when stopping, for what uploads that were cut off have left to be deleted.
TIDY_S = 5

# What comes of a disk that fails, or can only be read.
FAILING = (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM)
# What comes of mistakes of ours. All else that SQLite tells comes of the disk.
MISTAKES = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE)


@dataclass(frozen=True, slots=True)
class Status:
    """A batch as it is now.

    left: photos that are still on the disk. ahead: batches that are to be done before it. rate: photos a second. remaining_s: seconds
    that the rest will take, where that can be told.
    """

    batch: Batch
    left: int
    ahead: int = 0
    rate: float = 0.0
    remaining_s: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """All batches as they are now: how many wait and are worked at, photos and bytes in the spool, and bytes left on its disk."""

    waiting: int
    running: int
    photos: int
    bytes: int
    free: int


class Batches:
    """Takes batches, works at them, and deletes them when their time is over. For any thread.

    Until `start`, and for as long as the spool cannot be used, there are none: `spool` raises `BatchRefused`.
    """

    def __init__(self, settings: Settings, pool: CheckerPool, contest_named: Callable[[str], Contest]) -> None:
        """contest_named: gives the contest of a batch, or another where that is not known any more."""
        self.limits = BatchLimits(settings.batch_files, settings.batch_bytes, settings.limits.bytes)
        self.keep_s = settings.batch_keep_s
        self.ended: Counter[str] = Counter(done=0, failed=0, deleted=0)  # batches, since the start, by what became of them
        self.checked: Counter[str] = Counter(dict.fromkeys(get_args(Level), 0))  # their photos
        self.leaving = False  # set by a signal's handler, which must not wait for a lock
        self.looks: dict[str, asyncio.Task[Status | None]] = {}  # of those who follow a batch; the event loop's alone
        self._folder = settings.spool
        self._queue = settings.batch_queue
        self._pool = pool
        self._setup = settings.setup
        self._contest_named = contest_named
        self._spool: Spool | None = None
        self._unusable = ""  # why, as the log was told last
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # guards all that follows
        self._receiving: dict[str, str | None] = {}  # batches that are about to come, and whose they are
        self._current: tuple[str, Run] | None = None
        self._progress = Progress()

    @property
    def are_on(self) -> bool:
        """Whether batches are taken."""
        return self._spool is not None

    @property
    def spool(self) -> Spool:
        """The spool. Raises `BatchRefused` where batches are off."""
        if self._spool is None:
            raise BatchRefused("batches-off" if self._folder is None else "spool-unusable")
        return self._spool

    def start(self) -> None:
        """Open the spool and go on with what is in it. Where that fails, the log says so, and it is tried again while the rest goes on."""
        if self._folder is None:
            return
        self._open(self._folder)
        self._threads = [
            threading.Thread(target=self._work, args=(self._folder,), daemon=True),
            threading.Thread(target=self._sweep, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _open(self, folder: Path) -> None:
        try:
            with ExitStack() as undo:
                spool = Spool(folder)
                undo.callback(spool.close)
                spool.clean()  # before anybody can send a batch, whose folder would go too
                undo.pop_all()
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            if isinstance(error, BlockingIOError):
                reason = "another service uses it"
            if reason != self._unusable:
                log.error("no batches: the spool cannot be used", extra={"fields": {"reason": reason}})
            self._unusable = reason
        else:
            if self._unusable:
                log.info("batches: the spool can be used now")
            self._spool = spool

    def stop(self) -> None:
        """Stop working, soon and cleanly. What is not done is done after the next start."""
        self.leaving = True
        self._stopping.set()
        with self._changed:
            if self._current:
                self._current[1].cancel()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        with self._changed:  # whoever was cut off while sending is tidied up after; else the next start does it
            self._changed.wait_for(lambda: not self._receiving, TIDY_S)
        if self._spool:
            self._spool.close()
            self._spool = None

    def figures(self) -> Figures:
        """Look at the spool. Raises `BatchRefused` where batches are off."""
        spool = self.spool
        photos, size = spool.size()
        with self._changed:
            current = self._current and self._current[0]
            waiting = [batch for batch in spool.unfinished() if batch.id != current]
        return Figures(len(waiting), int(current is not None), photos, size, shutil.disk_usage(spool.folder).free)

    def admit(self, owner: str | None) -> None:
        """Raise `BatchQueueFull` where no further batch is taken now, or none of this owner, who may have half of the places."""
        owners = {batch.id: batch.owner for batch in self.spool.unfinished()} | self._receiving
        owned = list(owners.values()).count(owner) if owner else 0
        if len(owners) >= self._queue or owned >= math.ceil(self._queue / 2):
            remaining = self._progress.remaining_s if self._current else None
            raise BatchQueueFull(seconds=min(600, max(5, round(remaining or 30))))

    @contextmanager
    def receiving(self, owner: str | None) -> Iterator[tuple[str, Path]]:
        """Make a place for a batch that is about to come: its id, and the folder for its files, which goes if the batch is not added.

        Raises what `admit` raises.
        """
        with self._changed:
            self.admit(owner)
            batch_id = self.spool.new()
            self._receiving[batch_id] = owner
        try:
            yield batch_id, self.spool.photos(batch_id)
        finally:
            try:
                self.spool.discard(batch_id)
            finally:
                with self._changed:
                    del self._receiving[batch_id]
                    self._changed.notify_all()

    def add(
        self, batch_id: str, received: Sequence[tuple[str, Path]], *, owner: str | None, contest: str, lang: Lang, crops: bool
    ) -> Status:
        """Take a batch whose files were received. Raises what `unpack` raises."""
        spool = self.spool
        photos = unpack(spool.photos(batch_id), received, self.limits)
        spool.add(Batch(batch_id, owner, contest, lang, crops, len(photos)), photos)
        with self._changed:
            self._changed.notify_all()
        return self.find(batch_id, owner)

    def find(self, batch_id: str, owner: str | None) -> Status:
        """Return a batch of this owner. Raises `BatchRefused`."""
        found = self.spool.find(batch_id)
        if found is None or found.owner != owner:
            raise BatchRefused("batch-unknown")
        if found.state in ("done", "failed"):
            return Status(found, left=0)
        left = self.spool.count_left(batch_id)
        with self._changed:
            if self._current and self._current[0] == batch_id:
                return Status(found, left, rate=self._progress.rate, remaining_s=self._progress.remaining_s)
        ahead = [one.id for one in self.spool.unfinished()]
        return Status(found, left, ahead=ahead.index(batch_id) if batch_id in ahead else 0)

    def delete(self, batch_id: str, owner: str | None) -> None:
        """Delete a batch and all that came of it, also while it is worked at. Raises `BatchRefused`."""
        unfinished = self.find(batch_id, owner).batch.state in UNFINISHED
        self.spool.forget(batch_id)
        self.ended["deleted"] += unfinished
        with self._changed:
            if self._current and self._current[0] == batch_id:
                self._current[1].cancel()
                self._changed.wait_for(lambda: self._current is None or self._current[0] != batch_id, LET_GO_S)
        self.spool.discard(batch_id)

    def _work(self, folder: Path) -> None:
        """Do one batch after another, as soon as there is a spool. Runs in a thread."""
        while (spool := self._spool) is None:
            if self._stopping.wait(AGAIN_S):
                return
            self._open(folder)
        told, faults = "", 0  # what the log was told last, and how many came one after another
        while not self._stopping.is_set():
            try:
                if batch := self._next(spool, faults):
                    self._try(spool, batch)
                told, faults = "", 0
            except Exception as error:  # batches wait, with their photos, until that is mended
                kind = getattr(error, "type", None) or disk_problem(error) or "internal-error"
                if kind != told:
                    log.error("batches wait", extra={"fields": {"problem": kind, "error": type(error).__name__}})
                told, faults = kind, faults + 1
                self._stopping.wait(RESUME_S)

    def _next(self, spool: Spool, faults: int) -> Batch | None:
        """Wait for a batch; None when it is time to stop. faults: so many were tried in vain, and one must not hold up the others."""
        with self._changed:
            while not self._stopping.is_set():
                if waiting := spool.unfinished():
                    return waiting[faults % len(waiting)]
                self._changed.wait()
        return None

    def _try(self, spool: Spool, batch: Batch) -> None:
        """Do a batch, or let it fail. Raises what is no reason to let it fail."""
        try:
            self._do(spool, batch)
        except Exception as error:
            counted = spool.find(batch.id)
            if counted is None:  # deleted meanwhile, which is trouble of its own
                return
            kind = _failure(error)
            if kind is None:
                raise
            log.error("batch failed", extra={"fields": {"problem": kind, "error": type(error).__name__}})
            self._finish(spool, replace(counted, state="failed", problem=kind))
        finally:
            with self._changed:
                self._current = None
                self._changed.notify_all()

    def _do(self, spool: Spool, batch: Batch) -> None:
        contest = self._contest_named(batch.contest)
        batch = replace(batch, contest=contest.key)
        left = {photo.name: photo for photo in spool.left(batch.id)}
        with Ledger(spool.place(batch.id), self._setup, contest, pictures=batch.crops, say=_as_callers_may_see) as ledger:
            run = Run(
                spool.sources(batch.id, left.values()),
                ledger,
                Processes(self._pool, later=True),
                most_bytes=self.limits.photo_bytes,
                spooled=True,
                done=lambda name: spool.drop(batch.id, left[name]),
            )
            with self._changed:
                if self._stopping.is_set() or not spool.find(batch.id):
                    return
                self._current, self._progress = (batch.id, run), Progress()
            counted = -COUNT_S
            for progress in run:
                self.checked.update({level: count - self._progress.counts[level] for level, count in progress.counts.items()})
                self._progress = progress
                if time.monotonic() - counted >= COUNT_S:
                    counted = time.monotonic()
                    spool.update(replace(batch, state="running", counts=ledger.counts()))
            if run.cancelled:
                return
            batch = replace(batch, state="running", counts=ledger.counts())
            spool.update(batch)
            write_files(ledger, batch.lang)
        self._finish(spool, replace(batch, state="done"))
        # Not what was found, as with single checks.
        log.info("batch done", extra={"fields": {"photos": batch.photos, "seconds": round(time.time() - batch.created)}})

    def _finish(self, spool: Spool, batch: Batch) -> None:
        now = time.time()
        spool.update(replace(batch, finished=now, expires=now + self.keep_s))
        self.ended[batch.state] += 1

    def _sweep(self) -> None:
        """Delete what has expired. Runs in a thread."""
        while not self._stopping.wait(min(SWEEP_S, max(0.2, self.keep_s / 4))):
            with suppress(BatchRefused, OSError, sqlite3.Error):  # there is no spool yet, or what could not be deleted is tried again
                self.spool.clean(self._in_use)

    def _in_use(self) -> set[str]:
        with self._changed:
            return set(self._receiving) | ({self._current[0]} if self._current else set())


def _as_callers_may_see(error: BaseException, lang: Lang) -> Problem:
    """Word what goes wrong with a photo, and name no path of the server."""
    if isinstance(error, TerminalError):  # of the file that holds the photo, and named for people as the photo is
        return problem(error, lang)
    if not isinstance(error, GesturesError | ServiceError):
        error = RequestError("internal-error")
    return Problem(error.type, *describe(error, lang))


def _failure(error: Exception) -> str | None:
    """The type of problem to tell callers of a batch that fails, and whose photos go unchecked; None where it is to wait.

    It fails where its photos take the room that is lacking, and by mistakes of ours, which would be met again. Models, workers and disks
    can be mended.
    """
    kind = disk_problem(error)
    if kind == "spool-full":
        return kind
    can_be_mended = isinstance(error, GesturesError | ServiceError | TerminalError | OSError | sqlite3.Error | MemoryError)
    return None if can_be_mended else "batch-failed"


def disk_problem(error: Exception) -> str | None:
    """The type of problem to tell callers where the spool's disk is full or fails; None where that is not what is wrong."""
    if isinstance(error, TerminalError):  # of a batch's ledger, or a file that was received
        return "spool-full" if error.type == "batch-disk-full" else "spool-unusable"
    if isinstance(error, OSError):
        return "spool-full" if error.errno in FULL else "spool-unusable" if error.errno in FAILING else None
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        return "spool-full" if code == sqlite3.SQLITE_FULL else "spool-unusable" if code not in MISTAKES else None
    return None
