"""A pool of Checkers in processes: photos wait in a bounded queue, one that takes too long is stopped, one that kills its process
harms no other.

A decoder that crashes, or a network that hangs on one odd photo, must never take the service along, so nothing is checked in the
process that talks to people. Each process has a pipe and a thread of its own, and shares no lock and no queue with the others: one that
is killed at whatever moment leaves nothing locked. (`concurrent.futures` and pebble share both among their processes.)
"""

import atexit
import logging
import math
import multiprocessing
import signal
import sys
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar, cast

import cv2

from app.errors import CheckTimeout, OutOfMemory, QueueFull, ServiceError, WorkerLost, WorkerNotStarted
from gestures import Checker, Contest, FinderName, GesturesError, open_photo
from gestures.drawing import Format, annotate, encode, redact
from gestures.photo import Limits
from gestures.reading.reader import Thresholds
from gestures.words import Lang

log = logging.getLogger(__name__)

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Copy = Literal["annotated", "redacted", "upright"]

# The Checkers of this process.
_HERE = ExitStack()

START_S = 120  # what a process may take to load libraries and model


@dataclass(frozen=True, slots=True)
class CheckerSetup:
    """What every worker builds its Checker from, and what a photo may take.

    model: another copy of the hand model's file, or None for the installed one. timeout_s: seconds. memory_mib: MiB that a process may
    allocate, on Linux; 0 is no limit.
    """

    finder: FinderName = "search"
    model: Path | None = None
    limits: Limits = field(default_factory=Limits)
    thresholds: Thresholds = field(default_factory=Thresholds)
    timeout_s: float = 20
    memory_mib: int = 0


class Work(Protocol[R_co]):
    """What a process is asked to do with its Checker. It travels to the process, and what it gives travels back."""

    def run(self, checker: Checker, limits: Limits) -> R_co:
        """Do it. Raises a `GesturesError`."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A photo's bytes and what is asked of them. copy: the picture wanted beside the advice, in `format`, labelled in `lang`.

    An upright copy is the photo itself: there is no advice beside it, and no hands are looked for.
    """

    data: bytes
    name: str = ""
    contest: Contest | str | None = None
    copy: Copy | None = None
    format: Format = "jpeg"
    lang: Lang = "id"

    def run(self, checker: Checker, limits: Limits) -> "CheckResult":
        """Check the photo. Raises a `GesturesError`."""
        began = time.perf_counter()
        photo = open_photo(self.data, limits)
        opened = time.perf_counter()
        if self.copy == "upright":
            itself = encode(photo.pixels, self.format)
            return CheckResult({}, itself, {"decode": opened - began, "draw": time.perf_counter() - opened})
        advice = checker.check_photo(photo, name=self.name, contest=self.contest)
        checked = time.perf_counter()
        advice = replace(advice, elapsed_ms=1000 * (checked - began))
        seconds = {"decode": opened - began, "check": checked - opened}
        picture = None
        if self.copy:
            drawn = annotate(photo, advice, self.lang) if self.copy == "annotated" else redact(photo, advice)
            picture = encode(drawn, self.format)
            seconds["draw"] = time.perf_counter() - checked
        return CheckResult(advice.to_dict(), picture, seconds)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """advice: the JSON of one checked photo; empty beside an upright copy. picture: the encoded copy, if one was asked for.

    seconds: what each step took.
    """

    advice: dict[str, Any]
    picture: bytes | None = None
    seconds: dict[str, float] = field(default_factory=dict)


class CheckerPool:
    """Checks photos in `workers` processes, while at most `queue_size` more wait. For any number of threads.

    max_wait_s: seconds that a photo may wait for a process to take it, as far as can be foreseen; None is no limit.
    """

    def __init__(
        self,
        setup: CheckerSetup = CheckerSetup(),
        *,
        workers: int = 1,
        queue_size: int = 16,
        max_wait_s: float | None = None,
    ) -> None:
        self.workers = workers
        self.queue_size = queue_size
        self.timeout_s = setup.timeout_s
        self.max_wait_s = max_wait_s
        self.restarts: Counter[str] = Counter(timeout=0, memory=0, lost=0)
        self._new_process = partial(_Process, setup)
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: deque[tuple[Future[Any], Work[Any]]] = deque()
        self._later: deque[tuple[Future[Any], Work[Any]]] = deque()
        self._running: dict[Future[Any], bool] = {}  # whether it came from `_later`
        self._processes: set[_Process] = set()
        self._keepers: list[threading.Thread] = []
        self._usual_s = 1.0
        self._closed = False

    def submit(self, job: Work[R], *, later: bool = False) -> Future[R]:
        """Queue a photo. Raises `QueueFull` when too many wait, or when its turn would come too late.

        later: it is taken only while no other waits, and is never one too many: who submits such bounds their number.

        The future gives the result, or the `GesturesError` that the photo met, or `CheckTimeout`, `OutOfMemory` or `WorkerLost`. A check
        can be cancelled for as long as it waits.
        """
        future: Future[R] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is closed")
            if not later:
                self.admit()
            (self._later if later else self._waiting).append((future, job))
            if not self._keepers:
                atexit.register(self.close)
                self._keepers = [threading.Thread(target=self._keep, daemon=True) for _ in range(self.workers)]
                for keeper in self._keepers:
                    keeper.start()
            self._changed.notify()
        future.add_done_callback(self._leave)
        return future

    def _leave(self, future: Future[Any]) -> None:
        """Take a check that was cancelled off its queue, so that it stands in nobody's way while the processes are busy."""
        if future.cancelled():
            with self._changed:
                self._waiting, self._later = (
                    deque(entry for entry in queue if entry[0] is not future) for queue in (self._waiting, self._later)
                )

    def admit(self) -> None:
        """Raise `QueueFull` where a photo would not be taken now."""
        with self._changed:
            busy = len(self._waiting) + len(self._running)
            taken = busy - sum(self._running.values())
            wait_s = (busy - self.workers + 1) / self.workers * self._usual_s
            if taken >= self.workers + self.queue_size or (self.max_wait_s is not None and wait_s > self.max_wait_s):
                raise QueueFull(seconds=self.wait_s())

    @property
    def waiting(self) -> int:
        """Photos that wait for a worker, but for those that are taken only while no other waits."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Photos that are being checked."""
        return len(self._running)

    def wait_s(self) -> int:
        """Whole seconds, at least 1, after which a photo sent now would have been served, going by how long checks took lately."""
        return max(1, math.ceil((self.waiting + self.running) / self.workers * self._usual_s))

    def close(self) -> None:
        """End the processes. What waits is cancelled, what runs fails with `WorkerLost`."""
        with self._changed:
            self._closed = True
            waiting, keepers = [*self._waiting, *self._later], self._keepers
            self._waiting.clear()
            self._later.clear()
            for process in self._processes:
                process.end()
            self._changed.notify_all()
        for future, _ in waiting:
            future.cancel()
        for keeper in keepers:
            keeper.join()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _keep(self) -> None:
        """Have one process do a job after another, and replace it when it is lost, until the pool is closed. Runs in a thread."""
        process = self._start()
        while taken := self._next():
            process = self._serve(process, *taken) or self._start()
            del taken  # a photo is not kept until the next one comes
        self._end(process)

    def _serve(self, process: "_Process | None", future: Future[Any], job: Work[Any]) -> "_Process | None":
        """Have a job done and settle its future. Returns the process, or None when it was lost."""
        began = time.monotonic()
        try:
            if process is None or not process.is_alive():  # it died idle
                self._end(process, "lost")
                process = self._start()
            if process is None:
                raise WorkerNotStarted
            settle = partial(future.set_result, process.do(job, self.timeout_s))
        except BaseException as error:
            settle = partial(future.set_exception, error)
            if reason := LOSSES.get(type(error)):
                self._end(process, reason)
                process = None
        with self._changed:
            self._running.pop(future, None)
            self._usual_s += 0.2 * (time.monotonic() - began - self._usual_s)
        settle()
        return process

    def _next(self) -> tuple[Future[Any], Work[Any]] | None:
        """Wait for a job; None when the pool is closed."""
        with self._changed:
            while not self._closed:
                while queue := self._waiting or self._later:
                    future, job = queue.popleft()
                    if future.set_running_or_notify_cancel():
                        self._running[future] = queue is self._later
                        return future, job
                self._changed.wait()
        return None

    def _start(self) -> "_Process | None":
        """Start a process; None where the system gives no more, or the pool is closed."""
        try:
            process = self._new_process()
        except OSError as error:
            log.error("no worker process could be started", extra={"fields": {"error": type(error).__name__}})
            return None
        with self._changed:
            if not self._closed:
                self._processes.add(process)
                return process
        process.end()
        return None

    def _end(self, process: "_Process | None", reason: str | None = None) -> None:
        """Make sure that a process is gone. reason: why it has to be replaced."""
        if process is None:
            return
        process.end()
        with self._changed:
            self._processes.discard(process)
            if reason and not self._closed:
                self.restarts[reason] += 1
                # The signal is all that is left of an abort: what the native code printed is not kept, as it may quote a photo.
                log.warning("worker replaced", extra={"fields": {"reason": reason, "exit": process.exit_status()}})


LOSSES: dict[type[BaseException], str] = {CheckTimeout: "timeout", OutOfMemory: "memory", WorkerLost: "lost", WorkerNotStarted: "lost"}


class _Process:
    """A process with a Checker, and the pipe to it. For one thread, but for `end`."""

    def __init__(self, setup: CheckerSetup) -> None:
        """Raises `OSError`."""
        # Spawned, not forked: the networks keep threads that a fork would cut off.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        with theirs:
            self._process = context.Process(target=_work, args=(setup, theirs), daemon=True, name="jari-worker")
            self._process.start()
        self._is_ready = False

    def do(self, job: Work[R], timeout_s: float) -> R:
        """Have a job done. Raises what the job raises, `OutOfMemory`, or, when the process has ended, `CheckTimeout` or `WorkerLost`."""
        if not self._is_ready:
            try:
                self._exchange(START_S)
            except ServiceError:
                raise WorkerNotStarted from None
            self._is_ready = True
        done, answer = self._exchange(timeout_s, job)
        if done:
            return cast(R, answer)
        raise OutOfMemory if isinstance(answer, MemoryError) else answer

    def _exchange(self, seconds: float, job: Work[Any] | None = None) -> Any:  # noqa: ANN401 - whatever the job gives
        """Send a job and wait for the answer. The clock runs for all of it, since a pipe can hang on either way."""
        over = threading.Event()

        def stop() -> None:
            over.set()
            self._process.kill()

        clock = threading.Timer(seconds, stop)
        clock.daemon = True
        clock.start()
        try:
            if job:
                self._pipe.send(job)
            return self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerLost from None
        finally:
            clock.cancel()
            clock.join()  # it may be killing already, and the next photo must not meet a process that is about to die
            if over.is_set():  # also where the answer came at the last moment: its process is gone
                raise CheckTimeout(seconds=seconds) from None

    def is_alive(self) -> bool:
        """Whether it still runs.

        By its sentinel, as `Process.is_alive` calls one living that another thread, which starts a process, has just found dead.
        """
        return not wait([self._process.sentinel], timeout=0)

    def end(self) -> None:
        """Kill it; may be called again, and by any thread."""
        self._process.kill()
        self._process.join()

    def exit_status(self) -> str:
        """What ended it: a signal's name, or the number that it gave."""
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else str(code)


def _work(setup: CheckerSetup, pipe: Connection) -> None:
    """What a process does: job after job, until the pipe is closed."""
    # Ctrl+C and a stopping service manager reach every process, but photos that were accepted are finished; the pool ends us by SIGKILL.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cv2.setNumThreads(1)  # the machine's other cores are for the other workers
    if setup.memory_mib:
        _limit_memory(setup.memory_mib)
    with suppress(GesturesError):  # what goes wrong here goes wrong again at the first photo, where it can be answered
        _checker(setup)
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.send(_answer(setup, pipe.recv()))


def _answer(setup: CheckerSetup, job: Work[Any]) -> tuple[bool, Any]:
    try:
        return True, check_here(setup, job)
    except MemoryError:
        return False, MemoryError()  # numpy's own would carry sizes
    except Exception as error:
        return False, error


def _limit_memory(mib: int) -> None:
    """Let allocations above the limit fail. Memory that is only mapped, such as libraries and the model's file, does not count."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (mib * 2**20, mib * 2**20))


@cache
def _checker(setup: CheckerSetup) -> Checker:
    # One thread: the others of the machine's cores are for the other workers.
    checker = Checker(setup.finder, limits=setup.limits, model=setup.model, thresholds=setup.thresholds, threads=1)
    return _HERE.enter_context(checker)


def check_here(setup: CheckerSetup, job: Work[R]) -> R:
    """Do a job in this process, with the one Checker that it keeps for the setup. Raises a `GesturesError`."""
    return job.run(_checker(setup), setup.limits)


def close_here() -> None:
    """Release the Checkers of `check_here`. Left to the interpreter's end, MediaPipe's may complain that it can no longer be closed."""
    _checker.cache_clear()
    _HERE.close()
