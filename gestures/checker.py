"""The straight line from a photo's bytes to advice, in order, and nothing else."""

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self, get_args

from gestures.advice import Advice, advise
from gestures.contest import Contest, load_contest
from gestures.errors import PhotoTooSmall
from gestures.findings import Findings
from gestures.hands.finder import HandFinder
from gestures.hands.search import SearchFinder
from gestures.photo import Limits, Photo, open_photo
from gestures.reading.reader import Thresholds, read_hands

FinderName = Literal["search", "mediapipe"]


class Checker:
    """Checks photos, one after another: threads that share one wait for each other. For several photos at once, make several.

    A process makes its own: the networks' threads are not in one that was forked, and a check there may wait for them for ever.

    >>> with Checker() as checker:
    ...     advice = checker.check(Path("samples/peace.jpg").read_bytes())
    >>> advice.level
    <Level.REVIEW: 'review'>
    """

    def __init__(
        self,
        finder: HandFinder | FinderName = "search",
        contest: Contest | str | Path = "default",
        limits: Limits = Limits(),  # noqa: B008
        model: str | Path | None = None,
        thresholds: Thresholds = Thresholds(),  # noqa: B008
        threads: int | None = None,
    ) -> None:
        """`finder`: one of ours by name, or any `HandFinder`. `model`: another copy of hand_landmarker.task. `threads`: on which the
        networks of the finder `search` run, by default one a core, at most four, which is soonest done with a photo; several at once get
        more photos done with one thread each. Raises `GesturesError`; `ValueError` for another finder's name.
        """
        self._contest = _rules(contest)
        self._limits = limits
        self._thresholds = thresholds
        self._finder = _finder(finder, model, threads or _cores()) if isinstance(finder, str) else finder
        self._turn = threading.Lock()  # a network holds one picture: of another thread's it would tell without an error

    def check(self, data: bytes, *, name: str = "", contest: Contest | str | Path | None = None) -> Advice:
        """Check a photo's bytes. Raises a `GesturesError` rather than call a photo clear that was not looked at."""
        started = time.perf_counter()
        advice = self.check_photo(open_photo(data, self._limits), name=name, contest=contest)
        return replace(advice, elapsed_ms=(time.perf_counter() - started) * 1000)

    def check_photo(self, photo: Photo, *, name: str = "", contest: Contest | str | Path | None = None) -> Advice:
        """The same for a photo that is already open."""
        rules = self._contest if contest is None else _rules(contest)
        return advise(self.look(photo), rules, name)

    def look(self, photo: Photo) -> Findings:
        """Find and read the hands, which no contest changes."""
        if min(photo.width, photo.height) < self._limits.least_side:
            raise PhotoTooSmall(width=photo.width, height=photo.height, limit=self._limits.least_side)
        with self._turn:
            started = time.perf_counter()
            posed = read_hands(self._finder.find(photo), self._thresholds)
            elapsed_ms = (time.perf_counter() - started) * 1000
        return Findings(photo.width, photo.height, photo.taken_at, tuple(posed), self._finder.name, elapsed_ms)

    def close(self) -> None:
        """Release the networks; a closed checker raises `FinderError` instead of finding nothing."""
        with self._turn:
            self._finder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _rules(contest: Contest | str | Path) -> Contest:
    return contest if isinstance(contest, Contest) else load_contest(contest)


def _cores() -> int:
    """How many cores this process may use, at most four: networks this small gain nothing from more."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 4)


def _finder(name: FinderName, model: str | Path | None, threads: int) -> HandFinder:
    if name not in get_args(FinderName):
        raise ValueError(f"finder is {' or '.join(map(repr, get_args(FinderName)))}, or a HandFinder, not {name!r}")
    copy = None if model is None else Path(model)
    if name == "mediapipe":
        # Only where it is asked for: MediaPipe doubles the time to start, and runs programs of the system to look for a sound library.
        from gestures.hands.landmarker import LandmarkerFinder

        return LandmarkerFinder(copy)
    return SearchFinder(copy, threads=threads)
