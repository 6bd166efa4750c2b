"""A pool of Checkers in processes: photos wait in a bounded queue, one that takes too long is stopped, one that kills its process
harms no other.

A decoder that crashes, or a network that hangs on one odd photo, must never take the service along, so nothing is checked in the
process that talks to people. `pebble` runs the processes: it ends one that is over time and starts another in its place.
"""

import logging
import math
import multiprocessing
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from app.errors import CheckTimeout, Lang, QueueFull, WorkerLost
from gestures import Checker, Contest, FinderName, GesturesError, open_photo
from gestures.drawing import annotate, encode, redact
from gestures.photo import Limits
from gestures.reading.reader import Thresholds

log = logging.getLogger(__name__)

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Copy = Literal["annotated", "redacted"]
PictureFormat = Literal["jpeg", "webp"]


@dataclass(frozen=True, slots=True)
class CheckerSetup:
    """What every worker builds its Checker from. model: another copy of the hand model's file, or None for the installed one."""

    finder: FinderName = "search"
    model: Path | None = None
    contest: Contest | str = "default"
    limits: Limits = field(default_factory=Limits)
    thresholds: Thresholds = field(default_factory=Thresholds)


class Work(Protocol[R_co]):
    """What a process is asked to do with its Checker. It travels to the process, and what it gives travels back."""

    def run(self, checker: Checker, limits: Limits) -> R_co:
        """Do it. Raises a `GesturesError`."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A photo's bytes and what is asked of them. copy: the picture wanted beside the advice, in `format`, labelled in `lang`."""

    data: bytes
    name: str = ""
    contest: Contest | str | None = None
    copy: Copy | None = None
    format: PictureFormat = "jpeg"
    lang: Lang = "id"

    def run(self, checker: Checker, limits: Limits) -> "CheckResult":
        """Check the photo."""
        began = time.perf_counter()
        photo = open_photo(self.data, limits)
        opened = time.perf_counter()
        advice = checker.check_photo(photo, name=self.name, contest=self.contest)
        checked = time.perf_counter()
        seconds = {"decode": opened - began, "check": checked - opened}
        picture = None
        if self.copy:
            drawn = annotate(photo, advice, self.lang) if self.copy == "annotated" else redact(photo, advice)
            picture = encode(drawn, self.format)
            seconds["draw"] = time.perf_counter() - checked
        return CheckResult(advice.to_dict(), picture, seconds)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """advice: the JSON of one checked photo. picture: the encoded copy, if one was asked for. seconds: what each step took."""

    advice: dict[str, Any]
    picture: bytes | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class CheckerPool:
    """Checks photos in `workers` processes, while at most `queue_size` more wait. For any number of threads."""

    def __init__(
        self,
        setup: CheckerSetup = CheckerSetup(),
        *,
        workers: int = 1,
        queue_size: int = 16,
        timeout_s: float = 20,
    ) -> None:
        self.workers = workers
        self.queue_size = queue_size
        self.timeout_s = timeout_s
        self.restarts: Counter[str] = Counter(timeout=0, lost=0)
        self._setup = setup
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Future[Any], Work[Any]]] = deque()
        self._running: set[Future[Any]] = set()
        self._usual_s = 1.0
        self._closed = False
        self._processes = self._start()

    def submit(self, job: Work[R]) -> Future[R]:
        """Queue a photo. Raises `QueueFull` when too many wait.

        The future gives the result, or the `GesturesError` that the photo met, or `CheckTimeout` or `WorkerLost`. A check can be
        cancelled for as long as it waits.
        """
        future: Future[R] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            if self._taken() >= self.workers + self.queue_size:
                raise QueueFull(seconds=self.wait_s())
            self._waiting.append((future, job))
            self._dispatch()
        return future

    @property
    def waiting(self) -> int:
        """Photos that wait for a worker."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Photos that are being checked."""
        return len(self._running)

    def wait_s(self) -> int:
        """Whole seconds, at least 1, after which a photo sent now would have been served, going by how long checks took lately."""
        return max(1, math.ceil(self._taken() / self.workers * self._usual_s))

    def close(self) -> None:
        """End the processes. What waits is cancelled, what runs fails with `WorkerLost`."""
        with self._lock:
            self._closed = True
            for future, _ in self._waiting:
                future.cancel()
            self._waiting.clear()
            lost, self._running = self._running, set()
        _end(self._processes)
        for future in lost:
            future.set_exception(WorkerLost())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _taken(self) -> int:
        return len(self._running) + len(self._waiting)

    def _start(self) -> ProcessPool:
        # Spawned, not forked: the networks keep threads that a fork would cut off.
        context = multiprocessing.get_context("spawn")
        return ProcessPool(self.workers, initializer=_begin, initargs=(self._setup,), context=context)

    def _dispatch(self) -> None:
        """Hand the next photos to idle processes. No more than that: what pebble holds can't be cancelled without ending a process."""
        with self._lock:
            while self._waiting and len(self._running) < self.workers and not self._closed:
                future, job = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    self._running.add(future)
                    self._schedule(job).add_done_callback(partial(self._finish, future, time.monotonic()))

    def _schedule(self, job: Work[Any]) -> "Future[Any]":
        try:
            return self._processes.schedule(check_here, args=(self._setup, job), timeout=self.timeout_s)
        except RuntimeError:
            # pebble gives up a whole pool when a process dies while it idles.
            log.warning("worker processes were lost and are started anew")
            self.restarts["lost"] += 1
            threading.Thread(target=_end, args=(self._processes,), daemon=True).start()
            self._processes = self._start()
            return self._processes.schedule(check_here, args=(self._setup, job), timeout=self.timeout_s)

    def _finish(self, future: Future[Any], began: float, done: "Future[Any]") -> None:
        with self._lock:
            if future not in self._running:
                return  # the pool was closed
            self._running.remove(future)
            self._usual_s += 0.2 * (time.monotonic() - began - self._usual_s)
        try:
            future.set_result(done.result())
        except TimeoutError:
            self.restarts["timeout"] += 1
            future.set_exception(CheckTimeout(seconds=f"{self.timeout_s:g}"))
        except (ProcessExpired, BrokenProcessPool):
            self.restarts["lost"] += 1
            future.set_exception(WorkerLost())
        except BaseException as error:
            future.set_exception(error)
        self._dispatch()


def _end(processes: ProcessPool) -> None:
    processes.stop()  # type: ignore[no-untyped-call]
    processes.join()


@cache
def _checker(setup: CheckerSetup) -> Checker:
    return Checker(finder=setup.finder, contest=setup.contest, limits=setup.limits, model=setup.model, thresholds=setup.thresholds)


def _begin(setup: CheckerSetup) -> None:
    # What goes wrong here goes wrong again at the first photo, where it can be answered.
    with suppress(GesturesError):
        _checker(setup)


def check_here(setup: CheckerSetup, job: Work[R]) -> R:
    """Do a job in this process, with the one Checker that it keeps for the setup. Raises a `GesturesError`."""
    return job.run(_checker(setup), setup.limits)
