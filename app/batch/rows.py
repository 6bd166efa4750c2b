"""What a batch knows of each photo, between the ledger that keeps it and the reports that show it."""

from dataclasses import dataclass, field
from typing import Any

from gestures.words import Lang


@dataclass(frozen=True, slots=True)
class Row:
    """One photo of a batch.

    result: the JSON of one checked photo (version 1), or its error object. crops: small JPEGs without metadata, one a hand in the order of
    result["hands"]; empty where none are kept. preview: a small JPEG of the whole photo, kept where a hand needs a look, or None. digest:
    SHA-256 of the photo's bytes; empty where they could not be read. errors: the error object in every language, if there is one.
    """

    result: dict[str, Any]
    crops: tuple[bytes, ...] = ()
    preview: bytes | None = None
    digest: bytes = b""
    errors: dict[Lang, dict[str, str]] = field(default_factory=dict)
