"""`jari doctor`: tries each thing that the service needs on this machine, in the way that the service does."""

import json
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.resources import files
from pathlib import Path

from app.api.service import SELF_CHECK, SELF_CHECK_NUMBER
from app.batch.spool import FILE, Spool, check_own
from app.settings import Settings
from app.terminal.listening import listening
from app.terminal.words import TerminalError
from app.workers import Job
from gestures import contests, load_contest, open_photo
from gestures.hands.bundle import SHA256, load_bundle

HEIC = files("app") / "web" / "static" / "samples" / "three.heic"


class Hint(TerminalError):
    """What is well for whoever looks, and may not be for the service."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one trial. name: its function's. detail: what was found, what went wrong, or a hint."""

    name: str
    detail: str | Exception

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return isinstance(self.detail, str | Hint)


def examine(settings: Settings) -> Iterator[Finding]:
    """Try everything, one after another."""
    for trial in TRIALS:
        try:
            yield Finding(trial.__name__, trial(settings))
        except Exception as error:  # to be told to a person, whatever it is
            yield Finding(trial.__name__, error)


def model(settings: Settings) -> str:
    """The hand model is there and is the official one."""
    found = load_bundle(settings.model).path
    _hint_if_private(settings.model)
    return f"{found}, SHA-256 {SHA256[:12]}…"


def contest(settings: Settings) -> str:
    """The contest can be read."""
    rules = load_contest(settings.contest)
    _hint_if_private(None if settings.contest in contests() else Path(settings.contest))
    return f"{rules.key}: {', '.join(map(str, rules.numbers))}"


def heic(settings: Settings) -> str:
    """Photos of telephones can be opened."""
    photo = open_photo(HEIC.read_bytes(), settings.limits)
    return f"{photo.width} × {photo.height}"


def folder(settings: Settings) -> str:
    """Libraries find a folder for temporary files."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"jari")
    except OSError as error:
        raise TerminalError("place-unusable", path=tempfile.tempdir or "TMPDIR", reason=error.strerror) from None
    return tempfile.gettempdir()


def spool(settings: Settings) -> str:
    """Batches can wait on the disk: folder and database can be written to, and the largest batch fits, as sent and unpacked."""
    if settings.spool is None:
        return "off"
    path = settings.spool.absolute()
    try:
        in_use = _try_spool(path, settings)
        free = shutil.disk_usage(_nearest(path)).free
    except (OSError, sqlite3.Error) as error:
        raise TerminalError("place-unusable", path=path, reason=getattr(error, "strerror", None) or error) from None
    if free < 2 * settings.batch_bytes:
        raise TerminalError("place-small", path=path, free=free // 2**20, need=2 * settings.batch_bytes // 2**20)
    return f"{path}, {free / 2**30:.0f} GiB{' ✓ Jari Netral' if in_use else ''}"


def _try_spool(path: Path, settings: Settings) -> bool:
    """Open the spool; whether the running service has it open. One that is not there yet is made beside its place, and goes again: it
    must belong to the service's user, not to whoever looks.
    """
    if not (path / FILE).exists():
        if path.exists():
            check_own(path)
        with tempfile.TemporaryDirectory(prefix=".jari-", dir=_nearest(path)) as trial:
            Spool(Path(trial)).close()
        return False
    tempfile.TemporaryFile(dir=path).close()
    try:
        Spool(path).close()
    except BlockingIOError:
        if not _is_running(settings):
            raise
        return True
    return False


def _nearest(path: Path) -> Path:
    """The path, or as much of it as is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def port(settings: Settings) -> str:
    """The address is free, or the service is already running there; and others are let in only where that is meant."""
    try:
        with listening(settings) as listener:
            host, number = listener.getsockname()[:2]
            found = f"{host}:{number}"
    except TerminalError as error:
        if error.type != "port-taken" or not _is_running(settings):
            raise
        found = f"{settings.host}:{settings.port} ✓ Jari Netral"
    _hint_if_private(settings.api_keys_file)
    return found


def _is_running(settings: Settings) -> bool:
    try:
        with closing(HTTPConnection(settings.host, settings.port, timeout=5)) as connection:  # urllib would ask the environment's proxy
            connection.request("GET", "/healthz")
            return bool(json.load(connection.getresponse()) == {"status": "ok"})
    except (OSError, ValueError, HTTPException):
        return False


def workers(settings: Settings) -> str:
    """Every worker starts, and reads a photo that everybody knows right."""
    began = time.perf_counter()
    with settings.pool(queue_size=0) as pool:
        checks = [pool.submit(Job(SELF_CHECK.read_bytes())) for _ in range(settings.workers)]
        for check in checks:
            numbers = [code["number"] for code in check.result().advice["codes"]]
            if SELF_CHECK_NUMBER not in numbers:
                raise TerminalError("sample-misread", expected=SELF_CHECK_NUMBER, found=numbers)
    return f"{settings.workers} ({time.perf_counter() - began:.0f} s)"


def _hint_if_private(file: Path | None) -> None:
    """Raise a `Hint` where root, who reads everything, looks at a file that others cannot read: the service rarely is root."""
    if file and os.geteuid() == 0:
        place = file.resolve()
        if not place.stat().st_mode & stat.S_IROTH or not all(one.stat().st_mode & stat.S_IXOTH for one in place.parents):
            raise Hint("file-private", path=file)


TRIALS: tuple[Callable[[Settings], str], ...] = (model, contest, heic, folder, spool, port, workers)
