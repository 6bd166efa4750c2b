"""Names in a request that its address does not know are refused: passed over, they would give a wrong answer without a word."""

from collections.abc import Collection, Iterable
from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import Request

from app.errors import Lang, RequestInvalid


def refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    """Raise `RequestInvalid` where a name is given that is not known."""
    if unknown := [name for name in given if name not in known]:
        raise RequestInvalid(dict.fromkeys(unknown, "extra_forbidden"))


async def _known_query(
    request: Request,
    lang: Annotated[
        Lang | None, Query(description="Language of errors, and of all else that is said in one. Default: by Accept-Language, else `id`.")
    ] = None,
) -> None:
    """Take `lang`, which `negotiation.language` reads, and what the route itself asks for."""
    refuse_unknown(request.query_params, {"lang", *(param.alias for param in request.scope["route"].dependant.query_params)})


KnownQuery = Depends(_known_query)
