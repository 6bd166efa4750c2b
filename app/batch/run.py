"""Goes through a batch: reads photos, has those looked at that the ledger does not know, and keeps what comes of them."""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Protocol, get_args

from app.batch.ledger import Ledger, Level
from app.batch.pictures import Found, LookJob
from app.batch.sources import Source
from app.errors import ServiceError, WorkerLost, WorkerNotStarted
from app.terminal.words import TerminalError
from app.workers import CheckerPool, Work
from gestures import ContestError, ModelError

# How often a run looks up from waiting, to see whether it was cancelled.
LOOK_UP_S = 0.2


class Workers(Protocol):
    """Whatever looks at photos elsewhere: processes of this machine, or a cluster."""

    @property
    def room(self) -> int:
        """Photos to keep it busy with."""
        ...

    def submit(self, job: Work[Found]) -> Future[Found]:
        """The future gives what was found or the error that the photo met, `WorkerLost` where it took its worker along."""
        ...


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a pool as `Workers`. As many photos wait as are looked at: no process idles, and memory stays bounded.

    later: whether photos are looked at only while nothing else waits.
    """

    pool: CheckerPool
    later: bool = False

    @property
    def room(self) -> int:
        """Twice the processes."""
        return 2 * self.pool.workers

    def submit(self, job: Work[Found]) -> Future[Found]:
        """Raises `QueueFull` where the pool's queue is shorter than its processes are many, or others use it too."""
        return self.pool.submit(job, later=self.later)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. counts: photos that are done, by what came of them. known: those of them that the ledger knew before. unread: those
    that could not be read. The rest of them were looked at.

    total: photos there are. seconds: since the first was given to a worker.
    """

    total: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(get_args(Level), 0))
    known: int = 0
    unread: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Photos that are done."""
        return sum(self.counts.values())

    @property
    def rate(self) -> float:
        """Photos a second, of those that had to be looked at."""
        return (self.done - self.known - self.unread) / self.seconds if self.seconds else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds that the rest will take, at this rate and if it all has to be looked at."""
        return (self.total - self.done) / self.rate if self.rate else None


@dataclass(slots=True)
class _Photo:
    """Bytes that are being looked at. names: photos that have them. again: they lost a worker before."""

    digest: bytes
    data: bytes
    names: list[str]
    again: bool = False


class Run:
    """One way through a batch. Iterate over it to make it go: it gives a `Progress` each time something has come of a photo.

    In memory are the photos that are being looked at, whatever the number of photos. Begun again after a kill, a cancelled run or an
    error, it goes on with what is not done. Raises `TerminalError` where the ledger cannot be written or the cluster is lost, and
    `ModelError`, `ContestError` or `WorkerNotStarted` where no photo at all could be checked.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        ledger: Ledger,
        workers: Workers,
        *,
        most_bytes: int,
        recheck: bool = False,
        spooled: bool = False,
        done: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Make a run.

        sources: gone over twice, to count and to read. most_bytes: no more is read of a photo than one above it. recheck: forget all that
        was found. spooled: sources go away as they are done, so that those of a run before stay listed. done: is told the name of each
        photo once what came of it is in the ledger.
        """
        self.progress = Progress()
        self._sources = sources
        self._ledger = ledger
        self._workers = workers
        self._most = most_bytes
        self._recheck = recheck
        self._spooled = spooled
        self._done = done
        self._cancelled = threading.Event()
        self._running: dict[Future[Found], _Photo] = {}
        self._lost: deque[_Photo] = deque()
        self._began: float | None = None

    def cancel(self) -> None:
        """End the run soon, from any thread. What is being looked at is given up; what is done is kept."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run was cancelled."""
        return self._cancelled.is_set()

    def __iter__(self) -> Generator[Progress]:
        self._ledger.begin(recheck=self._recheck, spooled=self._spooled)
        self.progress = Progress(total=sum(1 for _ in self._sources))
        try:
            for taken, source in enumerate(self._sources, start=1):
                self.progress = replace(self.progress, total=max(self.progress.total, taken))  # more may have come since they were counted
                self._take(source)
                yield self._timed()
                yield from self._finish()
                if self._lost:
                    yield from self._retry()
                if self.cancelled:
                    return
            yield from self._finish(wholly=True)
            yield from self._retry()
            if not self.cancelled:
                self._ledger.end()
        finally:
            for future in self._running:
                future.cancel()

    def _take(self, source: Source) -> None:
        """Read a photo and, unless its bytes are known, have it looked at."""
        try:
            data = source.read(self._most + 1)
        except (TerminalError, ServiceError, MemoryError) as error:
            self._ledger.list(source.name, trouble=error)
            self.progress = replace(self.progress, unread=self.progress.unread + 1)
            self._count("failed", source.name)
            return
        digest = hashlib.sha256(data).digest()
        self._ledger.list(source.name, digest)
        for photo in (*self._running.values(), *self._lost):
            if photo.digest == digest:
                photo.names.append(source.name)
                return
        if level := self._ledger.level(digest):
            self._count(level, source.name, known=True)
        else:
            self._submit(_Photo(digest, data, [source.name]))

    def _submit(self, photo: _Photo) -> None:
        self._began = self._began or time.monotonic()
        self._running[self._workers.submit(LookJob(photo.data, self._ledger.pictures))] = photo

    def _finish(self, *, wholly: bool = False) -> Generator[Progress]:
        """Keep what has come of photos, and wait until there is room for another one; wholly: until none is being looked at."""
        while self._running and not self.cancelled:
            room = self._workers.room  # read each time: of a cluster without workers it tells by an error
            enough = len(self._running) < room and not wholly
            done, _ = wait(self._running, timeout=0 if enough else LOOK_UP_S, return_when=FIRST_COMPLETED)
            for future in done:
                self._keep(self._running.pop(future), future)
                yield self._timed()
            if enough:
                return

    def _keep(self, photo: _Photo, future: Future[Found]) -> None:
        try:
            level = self._ledger.keep(photo.digest, future.result())
        except (ModelError, ContestError, TerminalError):
            raise
        except WorkerLost as error:
            if not photo.again:
                self._lost.append(photo)
                return
            if isinstance(error, WorkerNotStarted):
                raise
            level = self._ledger.keep_trouble(photo.digest, error)
        except Exception as error:  # every photo gets a result, whatever goes wrong with it
            level = self._ledger.keep_trouble(photo.digest, error)
        self._count(level, *photo.names)

    def _retry(self) -> Generator[Progress]:
        """Look once more at photos that lost their workers, one alone at a time: another photo may have been the cause."""
        yield from self._finish(wholly=True)
        while self._lost and not self.cancelled:
            photo = self._lost.popleft()
            photo.again = True
            self._submit(photo)
            yield from self._finish(wholly=True)

    def _count(self, level: Level, *names: str, known: bool = False) -> None:
        counts = self.progress.counts | {level: self.progress.counts[level] + len(names)}
        self.progress = replace(self.progress, counts=counts, known=self.progress.known + len(names) * known)
        for name in names:
            self._done(name)

    def _timed(self) -> Progress:
        """Return the progress, with the time that has passed."""
        if self._began is not None:
            self.progress = replace(self.progress, seconds=time.monotonic() - self._began)
        return self.progress
