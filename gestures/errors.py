"""Everything that `gestures` raises on purpose, as one tree.

    GesturesError
    ├── PhotoError            the bytes cannot be checked as a photo
    │   ├── EmptyPhoto            no bytes at all
    │   ├── UnsupportedPhoto      not one of the picture formats that we read
    │   ├── DamagedPhoto          a known format, but broken or cut off
    │   ├── PhotoTooLarge         too many bytes, pixels, or too long a side
    │   └── PhotoTooSmall         too few pixels to hold a hand
    ├── ContestError          the contest cannot be used
    │   ├── UnknownContest        no contest of that name
    │   └── InvalidContest        a contest file that does not follow the schema
    ├── ModelError            the hand model is missing, or is not the file that we know
    └── FinderError           the networks failed, or the finder was closed: never to be taken for "no hands"

Every error carries a `type` (a stable slug, also the `type` of the problem+json document) and `params`; its wording, in both
languages, comes from the message catalogue under the keys `error.<type>.title` and `error.<type>.detail`.
"""

from typing import ClassVar

from gestures.words import Lang, figure, text


class GesturesError(Exception):
    """Base of all errors raised on purpose. `params` fill the placeholders of the catalogue's texts.

    Errors cross process borders in the worker pool. Like any exception they are pickled as `args`, of which they are made again, and
    attributes; so `args` stay as they were given: nothing calls `Exception.__init__`.
    """

    type: ClassVar[str] = "error"

    def __init__(self, **params: object) -> None:
        self.params = params

    def __str__(self) -> str:
        """English title and detail, for logs and tracebacks; type and params where those lack what the words need."""
        try:
            return ": ".join(error_text(self, "en"))
        except KeyError:
            return f"{self.type} {self.params}"


def error_text(error: GesturesError, lang: Lang) -> tuple[str, str]:
    """Title and detail of an error in the given language ("id" or "en")."""
    key, params = f"error.{error.type}", dict(error.params)
    detail = f"{key}.detail"
    if what := params.get("what"):
        detail += f".{what}"
        unit = {"bytes": 2**20, "pixels": 10**6}.get(str(what), 1)
        params["limit"] = figure(float(str(params["limit"])) / unit)
    return text(f"{key}.title", lang), text(detail, lang, **params)


class PhotoError(GesturesError):
    """The bytes cannot be checked as a photo."""


class EmptyPhoto(PhotoError):
    """No bytes at all."""

    type = "photo-empty"


class UnsupportedPhoto(PhotoError):
    """Not one of the picture formats that we read."""

    type = "photo-unsupported"


class DamagedPhoto(PhotoError):
    """A known format, but broken or cut off."""

    type = "photo-damaged"


class PhotoTooLarge(PhotoError):
    """Too many bytes, too many pixels, or too long a side. `params`: what ("bytes", "pixels", "side"), size, limit."""

    type = "photo-too-large"


class PhotoTooSmall(PhotoError):
    """Too few pixels to hold a hand. `params`: width, height, limit."""

    type = "photo-too-small"


class ContestError(GesturesError):
    """The contest cannot be used."""


class UnknownContest(ContestError):
    """No contest of that name. `params`: name, known (comma-separated names)."""

    type = "contest-unknown"


class InvalidContest(ContestError):
    """A contest file that does not follow the schema. `params`: file, problem."""

    type = "contest-invalid"


class ModelError(GesturesError):
    """The hand model is missing, or is not the file that we know. `params`: path, problem."""

    type = "model-error"


class FinderError(GesturesError):
    """The networks failed, or the finder was closed. `params`: problem."""

    type = "finder-error"
