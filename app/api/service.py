"""What routes need of the running service."""

import asyncio
import logging
import time
from concurrent.futures import Future
from importlib.resources import files
from typing import Annotated

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.batch.batches import Batches
from app.errors import NotReady, QueueFull
from app.keys import KeyRing, read_keys
from app.metrics import Metrics
from app.settings import Settings
from app.tracing import Traces
from app.workers import CheckerPool, CheckResult, Job
from gestures import Contest, contests, load_contest
from gestures.errors import UnknownContest

log = logging.getLogger(__name__)

SELF_CHECK = files("app") / "web" / "static" / "samples" / "peace.jpg"
SELF_CHECK_NUMBER = 2
FRESH_S = 30


class Service:
    """Settings, keys, contests, workers, batches, and whether a picture that everybody knows is read right."""

    def __init__(self, settings: Settings, pool: CheckerPool) -> None:
        """Raises what `load` raises."""
        self.settings = settings
        self.pool = pool
        self.batches = Batches(settings, pool, lambda name: self.contests.get(name, self.contest))
        self.metrics = Metrics(settings, pool, self.batches)
        self.traces = Traces(settings)
        self.keys = KeyRing(per_minute=settings.rate_limit)
        self.load()
        self._checked_at: float | None = None  # when a photo was last read right; None where that is not to be counted on
        self._self_check: asyncio.Task[None] | None = None  # the last one

    def load(self) -> None:
        """Read the contest and the keys. A running service keeps those that it has where the new ones can't be used.

        Raises a `ContestError`; and for the file of keys `ValueError` or `OSError`.
        """
        contest = load_contest(self.settings.contest)
        self.keys.keys = read_keys(self.settings.api_keys, self.settings.api_keys_file)
        self.contest, self.contests = contest, contests() | {contest.key: contest}

    def contest_named(self, name: str) -> Contest:
        """Return a contest by its key. A path opens nothing, because names come from outside. Raises `UnknownContest`."""
        try:
            return self.contests[name]
        except KeyError:
            raise UnknownContest(name=name, known=", ".join(self.contests)) from None

    async def check(self, request: Request, job: Job) -> CheckResult:
        """Check a photo, or copy it. It leaves the queue when its caller hangs up."""
        began = time.perf_counter()
        request.state.measures = {"bytes": len(job.data)}
        future = self.pool.submit(job)
        waiting = asyncio.wrap_future(future)
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=0.5)
            if time.perf_counter() - began > self.settings.max_wait_s and future.cancel():
                raise QueueFull(seconds=self.pool.wait_s())
            if not waiting.done() and await request.is_disconnected():
                waiting.cancel()
                raise HTTPException(499)  # as nginx logs it; nobody is there to read it
        result = waiting.result()
        seconds = {"wait": max(0.0, time.perf_counter() - began - sum(result.seconds.values())), **result.seconds}
        request.state.measures |= {f"{step}_ms": round(1000 * one) for step, one in seconds.items()}
        if result.advice:  # beside an upright copy there is none, and no hands were looked for
            self._checked_at = self._checked_at and time.monotonic()
            self.metrics.checked(result.advice, seconds)
        self.traces.steps(seconds)
        return result

    async def ensure_ready(self) -> None:
        """Check a picture of two fingers in a worker, unless a photo was read within FRESH_S seconds. Raises `NotReady`.

        Where that went right before and all workers are busy, it takes its turn among the photos, and nobody waits for it: until it is
        done, things are as they were.
        """
        if self._checked_at is not None and time.monotonic() - self._checked_at < FRESH_S:
            return
        is_busy = self.pool.running >= self.pool.workers
        if self._self_check is None or self._self_check.done():
            self._self_check = asyncio.create_task(self._check_self())
        if self._checked_at is None or not is_busy:
            await self._self_check
        if self._checked_at is None:
            raise NotReady

    async def _check_self(self) -> None:
        try:
            future: Future[CheckResult] = self.pool.submit(Job(SELF_CHECK.read_bytes()))
            advice = (await asyncio.wrap_future(future)).advice
        except QueueFull:
            return  # busy with photos, so at work
        except Exception as error:  # whatever it is, photos can't be checked
            log.error("self-check failed", extra={"fields": {"error": type(error).__name__}})
            self._checked_at = None
        else:
            is_right = SELF_CHECK_NUMBER in [code["number"] for code in advice["codes"]]
            self._checked_at = time.monotonic() if is_right else None


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101 - for the type checker
    return service


ServiceDep = Annotated[Service, Depends(_service)]
