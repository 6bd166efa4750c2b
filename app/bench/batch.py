"""Batches beside the plain loop of a single Checker, on the same photos and taking turns in one run: photos per second, and what all but
the check of a photo takes, in processor time, which other programs on the machine lengthen less than the clock's.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from app.batch.files import write_files
from app.batch.ledger import Ledger
from app.batch.run import Processes, Run
from app.batch.sources import Sources
from app.bench.scenes import Scene, compose
from app.workers import CheckerPool, CheckerSetup
from gestures import Checker, Limits, load_contest


@dataclass(frozen=True, slots=True)
class Photos:
    """So many scenes of a kind. hands: in each; sizes: of them in pixels, least and most. shared: whether `../shared` is used."""

    name: str
    megapixels: float
    count: int
    hands: int
    sizes: tuple[float, float]
    shared: bool

    def scenes(self, seed: int) -> Iterator[Scene]:
        """Compose them, each with a seed of its own: a batch looks at the same bytes only once."""
        for number in range(self.count):
            yield compose(self.megapixels, self.hands, self.sizes, seed + number, photos=self.shared)


# The quickest to check, in which all else weighs most; photos as of an event, where strangers have hands too; and as a camera gives them.
KINDS = (
    Photos("close-up", 0.12, 40, 1, (90, 180), shared=False),
    Photos("group", 0.5, 12, 4, (40, 140), shared=True),
    Photos("group", 12, 6, 20, (50, 300), shared=True),
)


@dataclass(frozen=True, slots=True)
class BatchTiming:
    """Medians of rounds. hands: that are found in a photo, on average.

    Processor time of a photo in milliseconds: plain_ms, of the plain loop on one thread; then of a batch with one process: worker_ms in
    the process, command_ms in the command until all photos are in the ledger, reports_ms for the files at the end. overhead_ms: how much
    more these are than the plain loop's; overhead: as a share of it.

    plain, one, two: photos per second by the clock, of the plain loop and of batches with one process and with two, once these are started.
    """

    name: str
    megapixels: float
    photos: int
    hands: float
    plain_ms: float
    worker_ms: float
    command_ms: float
    reports_ms: float
    overhead_ms: float
    overhead: float
    plain: float
    one: float
    two: float


@dataclass(frozen=True, slots=True)
class _Loop:
    """The plain loop over a folder's photos, in a worker, which has one thread. Gives processor time and time in seconds, and the hands."""

    folder: Path

    def run(self, checker: Checker, limits: Limits) -> tuple[float, float, int]:
        used, began = time.process_time(), time.perf_counter()
        hands = sum(len(checker.check(path.read_bytes()).hands) for path in sorted(self.folder.iterdir()))
        return time.process_time() - used, time.perf_counter() - began, hands


@dataclass(frozen=True, slots=True)
class _Used:
    """Gives the processor time in seconds that a worker has used."""

    def run(self, checker: Checker, limits: Limits) -> float:
        return time.process_time()


def time_batch(kind: Photos, seed: int, rounds: int) -> BatchTiming:
    """Time so many rounds, after one to warm up. The plain loop runs in the process that the batch with one process has."""
    with TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place) / "photos"
        folder.mkdir()
        for number, scene in enumerate(kind.scenes(seed)):
            (folder / f"{number:03}.jpg").write_bytes(scene.data)
        # As `jari batch` has them, but for the time that the whole plain loop takes as one job.
        setup = CheckerSetup(timeout_s=600)
        single, double = (stack.enter_context(CheckerPool(setup, workers=count, queue_size=count)) for count in (1, 2))
        times: list[tuple[float, ...]] = []
        for number in range(rounds + 1):
            plain_used, plain_took, hands = single.submit(_Loop(folder)).result()
            before = single.submit(_Used()).result()
            command_used, reports_used, one_took = _batch(folder, Path(place) / f"one-{number}", single)
            worker_used = single.submit(_Used()).result() - before
            *_, two_took = _batch(folder, Path(place) / f"two-{number}", double)
            times.append((plain_used, worker_used, command_used, reports_used, plain_took, one_took, two_took))
    typical = [median(some) for some in zip(*times[1:], strict=True)]
    plain_ms, worker_ms, command_ms, reports_ms = (round(1000 * seconds / kind.count, 2) for seconds in typical[:4])
    plain, one, two = (round(kind.count / seconds, 2) for seconds in typical[4:])
    overhead_ms = round(worker_ms + command_ms + reports_ms - plain_ms, 2)
    return BatchTiming(
        kind.name,
        kind.megapixels,
        kind.count,
        round(hands / kind.count, 1),
        plain_ms,
        worker_ms,
        command_ms,
        reports_ms,
        overhead_ms,
        round(overhead_ms / plain_ms, 4),
        plain,
        one,
        two,
    )


def _batch(photos: Path, out: Path, pool: CheckerPool) -> tuple[float, float, float]:
    """Run a batch as `jari batch` does. Returns the command's processor time until the last photo and for the files, and the time of both,
    in seconds.
    """
    setup = CheckerSetup()
    began, used = time.perf_counter(), time.process_time()
    with Ledger(out, setup, load_contest("default")) as ledger:
        for _ in Run(Sources([str(photos)]), ledger, Processes(pool), most_bytes=setup.limits.bytes):
            pass
        known = time.process_time()
        write_files(ledger, "id")
        written = time.process_time()
    return known - used, written - known, time.perf_counter() - began
