"""Both finders timed side by side: the whole check against opening the photo and one `HandLandmarker.detect`, taking turns in one run,
since machines are noisy; then where the time of a check goes, and photos per second with one worker and with two.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from unittest.mock import patch

import gestures.checker
from app.bench.recall import which_found
from app.bench.scenes import Scene, compose
from app.workers import CheckerPool, CheckerSetup, Job
from gestures import Checker, open_photo
from gestures.hands import search
from gestures.hands.landmarker import LandmarkerFinder
from gestures.hands.networks import PALM_INPUT, SMALL_PALM_INPUT, LandmarkNetwork, PalmDetector
from gestures.hands.proposals import ProposalNetwork
from gestures.hands.pyramid import Pyramid

# What each step of a check calls, to time it from outside.
STEPS: tuple[tuple[str, object, str], ...] = (
    ("decode", gestures.checker, "open_photo"),
    ("proposals", ProposalNetwork, "propose"),
    ("choosing tiles", search.SearchFinder, "find"),
    ("crops", Pyramid, "crop"),
    ("palm network", PalmDetector, "detect"),
    ("landmark network", LandmarkNetwork, "look"),
    ("reading", gestures.checker, "read_hands"),
    ("advice", gestures.checker, "advise"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A scene to time. sizes: of the hands in pixels, least and most."""

    name: str
    megapixels: float
    hands: int
    sizes: tuple[float, float]

    def scene(self, seed: int) -> Scene:
        """Compose it."""
        return compose(self.megapixels, self.hands, self.sizes, seed)


CASES = (
    Case("selfie", 0.3, 1, (140, 220)),
    Case("selfie", 2, 1, (350, 550)),
    Case("group", 2, 6, (50, 200)),
    Case("group", 12, 20, (50, 300)),
    Case("group", 24, 40, (50, 300)),
    Case("group", 50, 40, (60, 400)),
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians in milliseconds of the whole check and of the reference, and their ratio; recall of the scene's hands by both finders; tiles
    that the palm detector looked at, large and small ones, and those of the exhaustive search, all large; share of a check's time for each
    step.
    """

    name: str
    megapixels: float
    hands: int
    search_ms: float
    mediapipe_ms: float
    ratio: float
    search_recall: float
    mediapipe_recall: float
    tiles: int
    small_tiles: int
    tiles_possible: int
    steps: dict[str, float]


def time_case(case: Case, scene: Scene, rounds: int) -> Timing:
    """Time a scene so many rounds, after one to warm up."""
    with Checker() as checker, LandmarkerFinder() as landmarker:
        ours, theirs = [], []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            advice = checker.check(scene.data)
            _encode(advice.to_dict())
            between = time.perf_counter()
            theirs_found = landmarker.find(open_photo(scene.data))
            theirs.append(time.perf_counter() - between)
            ours.append(between - started)
        with _watched() as (seconds, sides):
            started = time.perf_counter()
            result = checker.check(scene.data).to_dict()
            advised = time.perf_counter()
            _encode(result)
            ended = time.perf_counter()
    seconds["JSON"] = ended - advised
    seconds["other"] = ended - started - sum(seconds.values())
    truth = [hand.box for hand in scene.hands]
    found = which_found(truth, [one.posed.hand.box for one in advice.hands])
    found_theirs = which_found(truth, [hand.box for hand in theirs_found])
    search_ms, mediapipe_ms = (round(median(times[1:]) * 1000, 1) for times in (ours, theirs))
    return Timing(
        case.name,
        case.megapixels,
        len(truth),
        search_ms,
        mediapipe_ms,
        round(search_ms / mediapipe_ms, 2),
        round(sum(found) / len(truth), 3),
        round(sum(found_theirs) / len(truth), 3),
        sides[PALM_INPUT],
        sides[SMALL_PALM_INPUT],
        search.tile_count(advice.width, advice.height, search.EXHAUSTIVE),
        {step: round(seconds[step] / (ended - started), 4) for step in sorted(seconds, key=lambda step: -seconds[step])},
    )


def _encode(result: dict[str, Any]) -> bytes:
    return json.dumps(result, ensure_ascii=False).encode()


@contextmanager
def _watched() -> Iterator[tuple[dict[str, float], Counter[int]]]:
    """Time what each step calls. Yields seconds by step, a step inside another for itself alone; and tiles by their side in pixels."""
    seconds: dict[str, float] = defaultdict(float)
    sides: Counter[int] = Counter()
    inner: list[float] = []

    def timed(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever is wrapped
            inner.append(0.0)
            started = time.perf_counter()
            try:
                return call(*args, **options)
            finally:
                took = time.perf_counter() - started
                seconds[step] += took - inner.pop()
                if args and isinstance(args[0], PalmDetector):
                    sides[args[0].side] += 1
                if inner:
                    inner[-1] += took

        return wrapped

    with ExitStack() as stack:
        for step, owner, name in STEPS:
            stack.enter_context(patch.object(owner, name, timed(step, getattr(owner, name))))
        yield seconds, sides


@dataclass(frozen=True, slots=True)
class Throughput:
    """Photos per second with one worker and with two, medians of rounds taken in turns, and how many times one worker two are."""

    megapixels: float
    one: float
    two: float

    @property
    def ratio(self) -> float:
        """Two workers' speed in one worker's."""
        return round(self.two / self.one, 2)


def time_workers(scene: Scene, photos: int, rounds: int) -> Throughput:
    """Check one photo so often, an even number of times, in a pool of one worker and in one of two.

    Of unlike photos the last would leave a worker idle: with four in turns, eight in all, the ratio was 1.76 where 24 gave 1.94.
    """
    jobs = [Job(scene.data)] * photos
    with ExitStack() as stack:
        pools = [stack.enter_context(CheckerPool(CheckerSetup(timeout_s=600), workers=count, queue_size=photos)) for count in (1, 2)]
        rates: list[list[float]] = [[], []]
        for number in range(rounds + 1):
            for pool, some in zip(pools, rates, strict=True):
                started = time.perf_counter()
                for future in [pool.submit(job) for job in jobs]:
                    future.result()
                if number:  # the first is to warm up
                    some.append(photos / (time.perf_counter() - started))
    one, two = (round(median(some), 2) for some in rates)
    return Throughput(round(open_photo(scene.data).pixels.size / 3e6, 1), one, two)
