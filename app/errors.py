"""The service's own errors, and the words and HTTP status of every error (problems.toml).

    ServiceError
    ├── QueueFull        more photos wait than may wait
    │   └── BatchQueueFull   more batches are unfinished than may be
    ├── CheckTimeout     a photo took too long
    ├── OutOfMemory      a photo took more memory than a check may take
    ├── WorkerLost       the process that checked a photo ended before it was done
    │   └── WorkerNotStarted   it ended, or could not be started, before it had the photo
    ├── NotReady         the self-check has not passed
    ├── TooManyRequests  a key is used more often than it may be
    ├── ArchiveRefused   an archive, or an entry in it, that is not opened
    ├── BatchRefused     a batch that is not taken, found or reported
    └── RequestError     every other request that fails: no such address, no key, a slow upload, a bug of ours, …
        └── RequestInvalid   fields are missing or wrong

They stand beside the tree of `gestures.errors`, and carry `type` and `params` in the same way.
"""

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Self

from pydantic import ConfigDict, TypeAdapter

from gestures import GesturesError, error_text
from gestures.words import Lang, Name, figure, filled


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A row of problems.toml. Without words where `gestures` has them."""

    status: int
    title: Name | None = None
    detail: Name | None = None


@cache
def problem_kinds() -> dict[str, ProblemKind]:
    """Return problems.toml, validated: type → row."""
    raw = tomllib.loads((files("app") / "problems.toml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, ProblemKind], config=ConfigDict(extra="forbid")).validate_python(raw)


class ServiceError(Exception):
    """Base. `params` fill the placeholders of the words. Errors of a cluster's workers travel: see `GesturesError`."""

    type: str = "internal-error"

    def __init__(self, **params: object) -> None:
        self.params = params

    def __str__(self) -> str:
        """English title and detail."""
        return ": ".join(describe(self, "en"))


class QueueFull(ServiceError):
    """More photos wait than may wait. `params`: seconds until trying again makes sense."""

    type = "queue-full"


class BatchQueueFull(QueueFull):
    """More batches are unfinished than may be. `params`: seconds until trying again makes sense."""

    type = "batch-queue-full"


class CheckTimeout(ServiceError):
    """A photo took too long. `params`: seconds that it was given."""

    type = "photo-timeout"


class OutOfMemory(ServiceError):
    """A photo took more memory than a check may take."""

    type = "photo-memory"


class WorkerLost(ServiceError):
    """The process that checked a photo ended before it was done."""

    type = "worker-lost"


class WorkerNotStarted(WorkerLost):
    """The process that was to check a photo ended before it had it, or could not be started at all: no fault of the photo."""


class NotReady(ServiceError):
    """The self-check has not passed."""

    type = "not-ready"


class TooManyRequests(ServiceError):
    """A key is used more often than it may be. `params`: whole seconds until it may be used again."""

    type = "too-many-requests"

    @classmethod
    def after(cls, wait_s: float) -> Self:
        """Make one from the exact wait."""
        return cls(seconds=max(1, math.ceil(wait_s)))


class _OneOfMany(ServiceError):
    """An error whose instances each have the type of their row in problems.toml."""

    def __init__(self, kind: str, **params: object) -> None:
        super().__init__(**params)
        self.type = kind


class ArchiveRefused(_OneOfMany):
    """An archive of photos, or an entry in it, that is not opened."""


class BatchRefused(_OneOfMany):
    """A batch that is not taken, found or reported: too large, unknown, unfinished, or the spool is off, full or failing."""


class RequestError(_OneOfMany):
    """Every other request that fails: no such address, no key, an unsuitable form, a service that is stopping, a bug of ours, …"""


class RequestInvalid(RequestError):
    """Fields of a request are missing or wrong. wrong: field → a stable slug of what is wrong with it."""

    def __init__(self, wrong: dict[str, str]) -> None:
        super().__init__("request-invalid", fields=", ".join(wrong))
        self.wrong = wrong


def status_of(error: GesturesError | ServiceError) -> int:
    """Return the HTTP status of an error."""
    return problem_kinds()[error.type].status


def describe(error: GesturesError | ServiceError, lang: Lang) -> tuple[str, str]:
    """Return title and detail of an error as a caller may see them, in a language."""
    kind = problem_kinds()[error.type]
    if kind.title and kind.detail:
        params = {name: figure(value) if isinstance(value, int | float) else value for name, value in error.params.items()}
        return kind.title[lang], filled(kind.detail[lang], lang, params)
    assert isinstance(error, GesturesError), error.type  # noqa: S101 - a test holds the table to it
    return error_text(error, lang)
