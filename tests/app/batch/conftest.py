"""Photos in number, and `jari batch` over them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

JARI = (sys.executable, "-m", "app.cli", "batch")
# Patient, because the machine that runs the tests may be busy.
ENV = os.environ | {"JARI_CHECK_TIMEOUT_S": "600", "COLUMNS": "140"}


@pytest.fixture(scope="session")
def start_batch():
    """Starts `jari batch` in a process group of its own."""

    def start(*args, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENV, "start_new_session": True} | options
        return subprocess.Popen([*JARI, *map(str, args)], **options)

    return start


@pytest.fixture(scope="session")
def run_batch():
    """Runs `jari batch` to its end."""

    def run(*args, timeout=300):
        return subprocess.run([*JARI, *map(str, args)], capture_output=True, text=True, env=ENV, timeout=timeout)

    return run


@pytest.fixture(scope="session")
def results():
    """Reads the results.jsonl of an out folder, less what differs from run to run."""

    def read(out: Path):
        return [json.loads(line) | {"elapsed_ms": 0} for line in (out / "results.jsonl").read_text().splitlines()]

    return read


@pytest.fixture(scope="session")
def make_photos(samples):
    """Makes so many photos, no two the same: our samples and, where they are, those of ../shared/photos, small and encoded anew."""

    def make(folder: Path, count: int, side: int = 400) -> Path:
        folder.mkdir()
        shared = samples.parent.parent / "shared" / "photos"
        events = [path for kind in ("groups_events", "rest_events", "groups") for path in sorted((shared / kind).glob("*.jpg"))]
        origins = sorted(samples.glob("*.jpg")) + events[:400]
        for number in range(count):
            with Image.open(origins[number % len(origins)]) as photo:
                small = photo.convert("RGB")
                small.thumbnail((side, side))
                small.save(folder / f"{number:06}.jpg", quality=60 + number // len(origins))
        return folder

    return make
