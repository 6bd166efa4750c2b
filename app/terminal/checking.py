"""Checks many photos, in order: in this process, or several at once in a pool."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from app.terminal.sources import Source
from app.terminal.words import problem
from app.workers import CheckerPool, CheckerSetup, CheckResult, Job, check_here, close_here
from gestures import Contest
from gestures.words import Lang


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one photo. result: its JSON, or an error object. copy: the annotated copy as JPEG, if it was asked for."""

    source: Source
    result: dict[str, Any]
    copy: bytes | None = None

    @property
    def level(self) -> str:
        """The advice's level, or "failed"."""
        return str(self.result.get("level", "failed"))


def check_all(
    sources: Iterable[Source],
    setup: CheckerSetup,
    *,
    jobs: int,
    contest: Contest,
    copies: bool = False,
    lang: Lang,
) -> Iterator[Outcome]:
    """Yield an outcome for every source, in their order. A photo that can't be checked gives an error object, and the next is checked.

    With more than one job, photos are checked in worker processes, and one that takes more than it may is stopped.
    """
    with ExitStack() as stack:
        stack.callback(close_here)
        pool = None
        if jobs > 1:
            pool = stack.enter_context(CheckerPool(setup, workers=jobs, queue_size=jobs))
        # As many wait as are being checked: no process idles, and memory stays bounded.
        room = 2 * jobs - 1 if pool else 0
        started: deque[tuple[Source, Future[CheckResult]]] = deque()
        for source in sources:
            started.append((source, _start(source, setup, pool, contest, copies=copies, lang=lang)))
            if len(started) > room:
                yield _outcome(*started.popleft(), lang)
        for source, future in started:
            yield _outcome(source, future, lang)


def _start(
    source: Source, setup: CheckerSetup, pool: CheckerPool | None, contest: Contest, *, copies: bool, lang: Lang
) -> Future[CheckResult]:
    future: Future[CheckResult] = Future()
    try:
        data = source.read(setup.limits.bytes)
        job = Job(data, source.name, contest, "annotated" if copies else None, lang=lang)
        if pool:
            return pool.submit(job)
        future.set_result(check_here(setup, job))
    except Exception as error:  # every photo gets a result, whatever goes wrong with it
        future.set_exception(error)
    return future


def _outcome(source: Source, future: Future[CheckResult], lang: Lang) -> Outcome:
    if error := future.exception():
        return Outcome(source, {"schema": 1, "name": source.name, "error": asdict(problem(error, lang))})
    checked = future.result()
    return Outcome(source, checked.advice, checked.picture)
