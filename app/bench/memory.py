"""Memory of one process that checks photos, measured in a process of its own.

    python -m app.bench.memory PHOTO [PHOTO ...] [--times N]

checks the photos N times over, in turns, and prints as JSON the resident memory in MB after the networks are loaded, at its peak, and at
twenty points of the run.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

POINTS = 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process in MB: once the networks are loaded, at its peak, and over the run. photos: how many it checked."""

    loaded: float
    peak: float
    photos: int
    run: list[float]

    @property
    def growth(self) -> float:
        """MB that a thousand photos added, from a fifth of the run on; 0 for a short run."""
        kept = self.run[len(self.run) // 5 :]
        return (kept[-1] - kept[0]) * 1000 / (self.photos * len(kept) / len(self.run)) if len(self.run) == POINTS else 0.0


def measure(photos: Sequence[bytes], times: int = 1) -> Memory:
    """Check photos, so many times over, in a fresh process."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.jpg" for i in range(len(photos))]
        for path, data in zip(paths, photos, strict=True):
            path.write_bytes(data)
        # ours, with numbers and paths of our own
        command = [sys.executable, "-m", "app.bench.memory", "--times", str(times), *map(str, paths)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)  # noqa: S603
    return Memory(**json.loads(done.stdout))


def resident(field: str = "VmRSS") -> float:
    """A line of this process's status in MB: VmRSS for now, VmHWM for the peak. (ru_maxrss would count what the parent had, too.)"""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return round(int(line.split()[1]) / 1024, 1)
    raise LookupError(field)


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--times", type=click.IntRange(min=1), default=1)
def main(photos: tuple[Path, ...], times: int) -> None:
    """Check the photos so many times over, in turns, and print the memory that it took."""
    from app.workers import CheckerSetup, Job, check_here
    from gestures.drawing import encode

    setup = CheckerSetup()
    check_here(setup, Job(encode(np.full((64, 64, 3), 128, np.uint8))))  # loads the networks
    loaded = resident()
    total = times * len(photos)
    marks = {round((i + 1) * total / POINTS) for i in range(POINTS)}
    run = []
    for number in range(1, total + 1):
        check_here(setup, Job(photos[(number - 1) % len(photos)].read_bytes()))
        if number in marks:
            run.append(resident())
    print(json.dumps(asdict(Memory(loaded, resident("VmHWM"), total, run))))


if __name__ == "__main__":
    main()
