"""The same run on the workers of a Dask cluster that exists already.

Each worker needs this package installed. It keeps a process of its own, as the service does, which loads the networks once and looks at one
photo at a time however many threads the worker has. A photo that takes too long or too much memory, or crashes its process, gets that as
its error, and the worker goes on. Dask gives a lost worker's photos to others by itself; one that loses several workers is given up as
`WorkerLost`. Photos travel with their tasks, so that none is lost with the worker that has it.
"""

import logging
import math
import multiprocessing
import time
import warnings
from concurrent.futures import CancelledError, Future
from functools import cache, partial
from multiprocessing.util import Finalize
from typing import Self

from app.about import library_sha256
from app.batch.pictures import Found
from app.errors import WorkerLost
from app.terminal.words import TerminalError
from app.workers import CheckerPool, CheckerSetup, Work

# Seconds for the scheduler to answer, those between two looks at how many workers there are, and those that a cluster may be without any.
PATIENCE_S = 10
LOOK_S = 5
ALONE_S = 60


class OtherLibrary(Exception):
    """A worker has `gestures` in another version than the command, whose ledger would keep what it finds as its own."""


def look(setup: CheckerSetup, library: str, job: Work[Found]) -> Found:
    """Do a job in a worker of the cluster. library: what its `library_sha256` has to be; it raises `OtherLibrary` otherwise."""
    if library_sha256() != library:
        raise OtherLibrary
    return _pool(setup).submit(job, later=True).result()


@cache
def _pool(setup: CheckerSetup) -> CheckerPool:
    # Dask's nannies forbid their workers to have processes, lest those be left behind. Ours end when their worker does.
    multiprocessing.current_process().daemon = False
    pool = CheckerPool(setup)
    Finalize(None, pool.close, exitpriority=1)  # before the worker waits for what processes it has
    return pool


class Cluster:
    """`app.batch.run.Workers` on the cluster whose scheduler is at `address`."""

    def __init__(self, address: str, setup: CheckerSetup) -> None:
        """Raises `TerminalError` where Dask is not installed, no scheduler answers, or it has no workers."""
        try:
            import dask
            from distributed import Client
            from distributed.comm import parse_address
            from distributed.comm.registry import get_backend
        except ImportError:
            raise TerminalError("cluster-missing") from None
        for name in ("distributed", "distributed.client"):  # what is wrong is told in our own words
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # Photos in tasks are meant to be; Dask would warn of each large one.
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GiB"})
        try:
            get_backend(parse_address(address, strict=True)[0])  # of an address that it does not understand, Client takes 20 s to let go
            with warnings.catch_warnings(action="ignore"):  # of versions that differ: those that matter are looked at by `look`
                self._client = Client(address, timeout=PATIENCE_S, set_as_default=False)
        except Exception as error:
            raise TerminalError("cluster-unreachable", address=address, reason=type(error).__name__) from None
        self._executor = self._client.get_executor(pure=False)
        self._look = partial(look, setup, library_sha256())
        self._counted = -math.inf
        self._alone_since = math.inf
        if not self._count():
            self.close()
            raise TerminalError("cluster-unreachable", address=address, reason="0")

    @property
    def room(self) -> int:
        """Twice the workers, as they come and go. Raises `TerminalError` where there have been none for long, or the scheduler is lost."""
        if time.monotonic() - self._counted > LOOK_S:
            self._count()
        return 2 * max(1, self._workers)

    def submit(self, job: Work[Found]) -> Future[Found]:
        """The future gives what was found, or the error that the photo met."""
        future: Future[Found] = Future()
        future.set_running_or_notify_cancel()
        self._executor.submit(self._look, job).add_done_callback(partial(_hand_over, future))
        return future

    def close(self) -> None:
        """Leave the cluster; it goes on without us."""
        self._client.close(timeout=PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _count(self) -> int:
        self._counted = time.monotonic()
        try:
            self._workers = len(self._client.scheduler_info(n_workers=-1)["workers"])
        except Exception as error:
            raise TerminalError("cluster-lost", reason=type(error).__name__) from None
        self._alone_since = math.inf if self._workers else min(self._alone_since, self._counted)
        if self._counted - self._alone_since > ALONE_S:
            raise TerminalError("cluster-empty", seconds=ALONE_S)
        return self._workers


def _hand_over(future: Future[Found], done: Future[Found]) -> None:
    from distributed.scheduler import KilledWorker

    try:
        future.set_result(done.result())
    except KilledWorker:
        future.set_exception(WorkerLost())
    except OtherLibrary:
        future.set_exception(TerminalError("cluster-version"))
    except CancelledError:
        future.set_exception(TerminalError("cluster-lost", reason="cancelled"))
    except Exception as error:
        future.set_exception(error)
