"""The figures of a run: as JSON, as tables, and as Markdown in docs/performance.md."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.bench import recall
from app.bench.batch import BatchTiming
from app.bench.memory import Memory
from app.bench.recall import Bin
from app.bench.timing import Throughput, Timing

START, END = "<!-- figures: made by jari bench -->", "<!-- end of figures -->"

Row = list[str]


@dataclass(slots=True)
class Report:
    """What was measured. memory: of one process a scene, as the timings are; recall: megapixels → bins; endurance: one process's run."""

    machine: str
    day: str
    timings: list[Timing] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    throughput: Throughput | None = None
    batches: list[BatchTiming] = field(default_factory=list)
    recall: dict[str, list[Bin]] = field(default_factory=dict)
    endurance: Memory | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return asdict(self)


def new_report() -> Report:
    """An empty report that knows the machine and the day."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("ai-edge-litert", "mediapipe", "numpy", "opencv-python", "pillow"))
    machine = f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {libraries}"
    return Report(machine, datetime.now(UTC).date().isoformat())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def tables(report: Report) -> Iterator[tuple[str, list[Row]]]:
    """Yield titles and tables, heads first."""
    if report.timings:
        yield "Whole check (search) against opening the photo and one HandLandmarker.detect", list(_timing_rows(report))
        yield "Where a check's time goes, %", list(_step_rows(report.timings))
    if report.throughput:
        one = report.throughput
        heads = ["MP", "1 worker, photos/s", "2 workers, photos/s", "ratio"]
        yield "Workers", [heads, [f"{one.megapixels:g}", f"{one.one:g}", f"{one.two:g}", f"{one.ratio:g}"]]
    if report.batches:
        yield "Batches against the plain loop of a single Checker: processor time of a photo", list(_cost_rows(report.batches))
        yield "Batches against the plain loop of a single Checker: photos per second", list(_rate_rows(report.batches))
    for megapixels, bins in report.recall.items():
        yield f"Recall at {megapixels} megapixels (in brackets: of what exhaustive tiling finds)", recall.table(bins)
    if report.endurance:
        run = report.endurance
        heads = ["photos", "loaded, MB", *(f"after {share} %, MB" for share in (25, 50, 75, 100)), "peak, MB", "growth, MB in 1,000 photos"]
        points = [run.run[len(run.run) * share // 4 - 1] for share in (1, 2, 3, 4)]
        yield (
            "Endurance of one worker",
            [heads, [str(run.photos), *(f"{v:.0f}" for v in (run.loaded, *points, run.peak)), f"{run.growth:.1f}"]],
        )


def _timing_rows(report: Report) -> Iterator[Row]:
    heads = ["scene", "MP", "hands", "search, ms", "MediaPipe, ms", "ratio", "found", "by MediaPipe"]
    yield [*heads, "tiles", "small tiles", "exhaustive tiles", "peak, MB"]
    for i, one in enumerate(report.timings):
        yield [
            one.name,
            f"{one.megapixels:g}",
            str(one.hands),
            f"{one.search_ms:.0f}",
            f"{one.mediapipe_ms:.0f}",
            f"{one.ratio:.1f}",
            f"{one.search_recall:.2f}",
            f"{one.mediapipe_recall:.2f}",
            str(one.tiles),
            str(one.small_tiles),
            str(one.tiles_possible),
            f"{report.memory[i].peak:.0f}" if i < len(report.memory) else "–",
        ]


def _step_rows(timings: Sequence[Timing]) -> Iterator[Row]:
    steps = sorted({step for one in timings for step in one.steps}, key=lambda step: -sum(one.steps.get(step, 0) for one in timings))
    yield ["step", *(f"{one.name} {one.megapixels:g} MP" for one in timings)]
    for step in steps:
        yield [step, *(f"{one.steps.get(step, 0) * 100:.1f}" for one in timings)]


def _cost_rows(batches: Sequence[BatchTiming]) -> Iterator[Row]:
    yield ["photos", "MP", "number", "hands each", "loop, ms", "process, ms", "command, ms", "reports, ms", "overhead, ms", "overhead, %"]
    for one in batches:
        cost = (one.plain_ms, one.worker_ms, one.command_ms, one.reports_ms, one.overhead_ms, one.overhead * 100)
        yield [one.name, f"{one.megapixels:g}", str(one.photos), f"{one.hands:g}", *(f"{value:.1f}" for value in cost)]


def _rate_rows(batches: Sequence[BatchTiming]) -> Iterator[Row]:
    yield ["photos", "loop", "1 process", "2 processes", "1 process : loop", "2 processes : loop"]
    for one in batches:
        yield [
            one.name,
            *(f"{rate:g}" for rate in (one.plain, one.one, one.two)),
            *(f"{rate / one.plain:.2f}" for rate in (one.one, one.two)),
        ]


def markdown(report: Report) -> str:
    """The tables in Markdown, with the machine and the day."""
    parts = [f"Measured on {report.day} on {report.machine}."]
    for title, (heads, *rows) in tables(report):
        lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
        parts += [f"### {title}", "\n".join("| " + " | ".join(line) + " |" for line in lines)]
    return "\n\n".join(parts)


def surroundings(file: Path) -> tuple[str, str]:
    """What a Markdown file has before its tables and after them. Raises ValueError where the two marks around them are missing."""
    before, _, rest = file.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{file} lacks the marks {START} and {END}")
    return before, after


def write_markdown(report: Report, file: Path) -> None:
    """Put the tables between the two marks of a Markdown file, in place of those before. Raises ValueError where the marks are missing."""
    before, after = surroundings(file)
    file.write_text(f"{before}{START}\n\n{markdown(report)}\n\n{END}{after}", encoding="utf-8")
