"""What a caller would rather have, by the Accept and Accept-Language headers."""

from typing import TypeVar

from starlette.requests import Request

from gestures.words import LANGUAGES, Lang

Offer = TypeVar("Offer", bound=str)


def preferred(header: str, offers: tuple[Offer, ...]) -> Offer:
    """Return the offer with the highest quality value in the header; the first offer where none, or several alike, are wanted."""
    wanted = [_range(part) for part in header.lower().split(",") if part.strip()]

    def quality(offer: Offer) -> float:
        # The most specific range counts; of a language's regions, which are offered as one, the most wanted.
        matching = [(value != "*", len(value) * ("/" in offer), q) for value, q in wanted if _matches(value, offer)]
        return max(matching)[-1] if matching else 0

    return max(offers, key=quality)


def language(request: Request) -> Lang:
    """Return the caller's language: the form's or the query's `lang`, else Accept-Language, else Bahasa Indonesia."""
    for asked in (getattr(request.state, "lang", None), request.query_params.get("lang")):
        if asked in LANGUAGES:
            return asked
    return preferred(request.headers.get("accept-language", ""), LANGUAGES)


def _range(part: str) -> tuple[str, float]:
    value, *params = (piece.strip() for piece in part.split(";"))
    for param in params:
        if param.startswith("q="):
            try:
                return value, float(param[2:])
            except ValueError:
                return value, 0.0
    return value, 1.0


def _matches(value: str, offer: str) -> bool:
    primary = value.split("-")[0]
    if primary == "in":  # what older Android calls Bahasa Indonesia
        primary = "id"
    return value in ("*", "*/*") or primary == offer or (value.endswith("/*") and offer.startswith(value[:-1]))
