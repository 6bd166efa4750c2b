"""A running service: in this process for most tests, as a command on a port where a browser or a bare socket wants one."""

import ctypes
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.main import create_app
from app.schemas import CheckedPhoto, Problem
from app.settings import Settings

# Far more than a check takes, because the machine that runs the tests may be busy.
PATIENT_S = 120


@pytest.fixture(scope="session")
def pictures(root) -> Path:
    """The page's own samples."""
    return root / "app/web/static/samples"


@pytest.fixture(scope="session")
def peace(pictures) -> bytes:
    """A photo of one hand that shows two fingers."""
    file = BytesIO()
    Image.open(pictures / "peace.jpg").resize((384, 384)).save(file, "JPEG", quality=92)  # a smaller one is checked sooner
    return file.getvalue()


@pytest.fixture(scope="session")
def group(pictures) -> bytes:
    """A photo of many hands, which takes a while to check."""
    return (pictures / "group.jpg").read_bytes()


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(workers=1, check_timeout_s=PATIENT_S, max_wait_s=PATIENT_S))) as client:
        yield client


@pytest.fixture(scope="session")
def quick_client() -> Iterator[TestClient]:
    """The same with the finder that is done soonest, for tests in which thousands of files have to be opened, whatever they show."""
    settings = Settings(workers=1, finder="mediapipe", check_timeout_s=PATIENT_S, max_wait_s=PATIENT_S)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[str]:
    """The address of `jari serve`."""
    with serving(tmp_path_factory.mktemp("server") / "log") as (address, _):
        yield address


@pytest.fixture(scope="session")
def side_by_side():
    """Runs commands at the same time, because each takes a while to start: `side_by_side(run, many)` gives what `run` makes of each."""

    def results(run: Callable[[Any], Any], many: Iterable[Any]) -> list[Any]:
        with ThreadPoolExecutor() as threads:
            return list(threads.map(run, many))

    return results


@pytest.fixture(scope="session")
def watch():
    """Runs a command, `watch(partial(Popen, …))`, where a person watches: what its standard error shows on a terminal, and its output."""

    def run(start):
        screen, child = pty.openpty()
        with start(stdout=subprocess.PIPE, stderr=child) as process:
            os.close(child)
            seen = b""
            with suppress(OSError):  # how a terminal says that its other end was closed
                while chunk := os.read(screen, 4096):
                    seen += chunk
            out = process.stdout.read()
        os.close(screen)
        return seen, out

    return run


@pytest.fixture
def unprivileged():
    """Takes from the test what root may beyond others: to open every file and list every folder (capabilities(7), capset(2))."""
    libc = ctypes.CDLL(None)
    version, rights = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(version, rights) == 0
    before = rights[0]
    rights[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(version, rights) == 0
    yield
    rights[0] = before
    assert libc.capset(version, rights) == 0


@pytest.fixture
def shot(request):
    """Keeps a screenshot, to look at, in the folder that JARI_SCREENSHOTS names; without one, none is taken."""
    if not (folder := os.environ.get("JARI_SCREENSHOTS")):
        return lambda page, what="": None
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    return lambda page, what="": page.screenshot(path=Path(folder) / f"{name}{what}.png", full_page=True)


@pytest.fixture(scope="session")
def serve():
    """`jari serve` with settings of the test's own: `with serve(log, JARI_…="…") as (address, process):`."""
    return serving


@pytest.fixture(scope="session")
def halted(children):
    """Makes a service's workers stand still: `with halted(process.pid):`."""
    return partial(halting, children)


@contextmanager
def halting(children: Callable[[int], list[int]], service: int) -> Iterator[None]:
    """Let the worker processes of a service stand still, so that what comes meanwhile is still there, on a fast machine and a slow one."""
    end = time.monotonic() + PATIENT_S
    while not (workers := _workers(children(service))):  # which it starts soon after itself
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)


def _workers(children: list[int]) -> list[int]:
    return [one for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


@contextmanager
def serving(log: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the service with its log in a file, and end it the way an administrator ends it."""
    environment = os.environ | {"JARI_PORT": "0", "JARI_WORKERS": "1", "JARI_CHECK_TIMEOUT_S": str(PATIENT_S)}
    environment |= {"JARI_MAX_WAIT_S": str(PATIENT_S)} | settings
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "app.cli", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stream, start_new_session=True)
    try:
        said = re.search(rb"http://[\d.:]+/", process.stdout.readline())
        assert said, log.read_text()
        address = said[0].decode()
        urlopen(f"{address}healthz", timeout=PATIENT_S).close()  # it says where it will be a while before it answers there
        yield address, process
    finally:
        process.terminate()
        assert process.wait(timeout=30) in (0, -15), log.read_text()
        process.stdout.close()


@pytest.fixture(scope="session")
def lawful() -> Callable[[Any], str]:
    """Judge an answer to a photo: nothing may ever come but a check, or a refusal that says why. Returns what it was, in a word."""

    def judge(answer: Any) -> str:
        if answer.status_code == 200:
            return str(CheckedPhoto.model_validate_json(answer.content, strict=False).level)
        assert 400 <= answer.status_code < 500 or answer.status_code == 503, answer.text
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        problem = Problem.model_validate_json(answer.content)
        assert problem.status == answer.status_code
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
        return problem.type

    return judge
