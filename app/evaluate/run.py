"""Runs the line from photo to advice over labelled photos, or takes results that are already there; the figures of what came of it."""

import json
import math
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from app.evaluate.labels import LabelledPhoto, require
from app.evaluate.measures import Figures, Outcome, Rate, Result, figures_by_set, first_number, judge
from app.terminal.checking import check_all
from app.terminal.progress import progress
from app.terminal.sources import Source
from app.terminal.words import TerminalError
from app.workers import CheckerSetup
from gestures import Contest
from gestures.words import Lang

# Generous, so that a busy machine changes how long an evaluation takes and not what it finds.
TIMEOUT_S = 600
HEADS = ("set", "finder", "photos", "hands", *(name.replace("_", " ") for name in Figures.RATES), "extra", "failed")


@dataclass(frozen=True, slots=True)
class Run:
    """What one finder made of the photos. name: of the finder, or of the file that its results came from."""

    name: str
    outcomes: list[Outcome]


def check_photos(
    photos: Sequence[LabelledPhoto], folder: Path, setup: CheckerSetup, contest: Contest, *, jobs: int, lang: Lang, keep: Path | None = None
) -> Run:
    """Check every photo, with progress on standard error. keep: where to write the results, a JSON object a line, as they come.

    Raises `TerminalError` when photos are missing, before any is checked, and a `GesturesError` when a Checker can't be made.
    """
    require(photos, folder)
    unhurried = replace(setup, timeout_s=TIMEOUT_S, memory_mib=0)
    sources = [Source(photo.path, folder / photo.path, PurePath()) for photo in photos]
    results: list[Result] = []
    with progress(len(photos), lang) as step, keep.open("w", encoding="utf-8") if keep else nullcontext() as lines:
        for outcome in check_all(sources, unhurried, jobs=jobs, contest=contest, lang=lang):
            results.append(outcome.result)
            if lines:
                lines.write(json.dumps(outcome.result, ensure_ascii=False) + "\n")
            with step():
                pass
    if all("error" in result for result in results):
        error = results[0]["error"]
        raise TerminalError("nothing-checked", reason=f"{error['title']}. {error['detail']}")
    return Run(setup.finder, judge(photos, results))


def read_results(files: Iterable[Path], photos: Sequence[LabelledPhoto]) -> list[Run]:
    """Take results from files of JSON lines. Each is named after its finder or, where two have the same, after the file.

    Raises `TerminalError` for a file that can't be read, isn't JSON lines, or has none of the photos checked.
    """
    read = [(file, _results(file)) for file in files]
    names = [next((str(result["finder"]) for result in results if "finder" in result), file.stem) for file, results in read]
    if len(set(names)) < len(names):
        names = [file.stem for file, _ in read]
    if len(set(names)) < len(names):
        names = [str(file) for file, _ in read]
    runs = [Run(name, judge(photos, results)) for name, (_, results) in zip(names, read, strict=True)]
    for run, (file, _) in zip(runs, read, strict=True):
        if all(outcome.level == "failed" for outcome in run.outcomes):
            raise TerminalError("nothing-checked", reason=file)
    return runs


def _results(file: Path) -> list[Result]:
    results = []
    where = str(file)
    try:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                where = f"{file}, {number}"
                results.append(_result(line))
    except (OSError, ValueError) as error:
        raise TerminalError("results-unreadable", where=where, reason=getattr(error, "strerror", None) or error) from None
    return results


def _result(line: str) -> Result:
    result: Result = json.loads(line)
    try:
        for hand in result.get("hands", ()):
            first_number(hand)
            if [math.isfinite(value) for value in hand["box"]] != [True] * 4:
                raise ValueError(hand["box"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError("not a checked photo") from None
    return result


def rows(runs: Sequence[Run]) -> list[list[str]]:
    """Return the table of figures, as text: set by set, a row a finder."""
    measured = {run.name: figures_by_set(run.outcomes) for run in runs}
    sets = list(next(iter(measured.values())))
    cells = []
    for name in sets:
        for place, (finder, of_finder) in enumerate(measured.items()):
            figures = of_finder[name]
            extra = "–" if figures.extra is None else f"{figures.extra:.2f}"
            rates = [shown(getattr(figures, rate)) for rate in Figures.RATES]
            cells.append([name if place == 0 else "", finder, str(figures.photos), str(figures.hands), *rates, extra, str(figures.failed)])
    return cells


def shown(rate: Rate) -> str:
    """Return a rate in percent with its interval on a second line, or a dash."""
    if rate.interval is None:
        return "–"
    low, high = rate.interval
    return f"{100 * rate.hits / rate.of:.1f}\n{100 * low:.0f}–{100 * high:.0f}"
