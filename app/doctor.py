"""`jari doctor`: tries each thing that the service needs on this machine, in the way that the service does."""

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files

from app.api.service import SELF_CHECK, SELF_CHECK_NUMBER
from app.settings import Settings
from app.terminal.listening import listening
from app.terminal.words import TerminalError
from app.workers import CheckerPool, CheckerSetup, Job
from gestures import load_contest, open_photo
from gestures.hands.bundle import SHA256, load_bundle

HEIC = files("app") / "web" / "static" / "samples" / "three.heic"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one trial. name: its function's. detail: what was found, or what went wrong."""

    name: str
    detail: str | Exception

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return isinstance(self.detail, str)


def examine(settings: Settings) -> Iterator[Finding]:
    """Try everything, one after another."""
    for trial in TRIALS:
        try:
            yield Finding(trial.__name__, trial(settings))
        except Exception as error:  # to be told to a person, whatever it is
            yield Finding(trial.__name__, error)


def model(settings: Settings) -> str:
    """The hand model is there and is the official one."""
    return f"{load_bundle(settings.model).path}, SHA-256 {SHA256[:12]}…"


def contest(settings: Settings) -> str:
    """The contest can be read."""
    rules = load_contest(settings.contest)
    return f"{rules.key}: {', '.join(map(str, rules.numbers))}"


def heic(settings: Settings) -> str:
    """Photos of telephones can be opened."""
    photo = open_photo(HEIC.read_bytes(), settings.limits)
    return f"{photo.width} × {photo.height}"


def folder(settings: Settings) -> str:
    """Libraries find a folder for temporary files."""
    with tempfile.TemporaryFile() as file:
        file.write(b"jari")
    return tempfile.gettempdir()


def port(settings: Settings) -> str:
    """The address is free, or the service is already running there; and others are let in only where that is meant."""
    try:
        with listening(settings) as listener:
            host, number = listener.getsockname()[:2]
            return f"{host}:{number}"
    except TerminalError as error:
        if error.type != "port-taken" or not _is_running(settings):
            raise
        return f"{settings.host}:{settings.port} ✓ Jari Netral"


def _is_running(settings: Settings) -> bool:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/healthz", timeout=5) as answer:
            return bool(json.load(answer) == {"status": "ok"})
    except (OSError, ValueError):
        return False


def workers(settings: Settings) -> str:
    """Every worker starts, and reads a photo that everybody knows right."""
    setup = CheckerSetup(settings.finder, settings.model, "default", settings.limits, settings.thresholds)
    began = time.perf_counter()
    pool = CheckerPool(setup, workers=settings.workers, queue_size=0, timeout_s=settings.check_timeout_s, memory_mib=settings.worker_memory)
    with pool:
        checks = [pool.submit(Job(SELF_CHECK.read_bytes())) for _ in range(settings.workers)]
        for check in checks:
            numbers = [code["number"] for code in check.result().advice["codes"]]
            if SELF_CHECK_NUMBER not in numbers:
                raise TerminalError("sample-misread", expected=SELF_CHECK_NUMBER, found=numbers)
    return f"{settings.workers} ({time.perf_counter() - began:.1f} s)"


TRIALS: tuple[Callable[[Settings], str], ...] = (model, contest, heic, folder, port, workers)
