"""What a request may say in its query: the language, and beside a form that names none, the contest."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BeforeValidator

from gestures.words import Lang

ContestParameter = Annotated[
    str | None, Query(alias="contest", description="Key of a contest, where the form names none.", examples=["default"])
]


async def _language(
    lang: Annotated[
        Lang | None,
        BeforeValidator(lambda value: value or None),
        Query(
            description="Language of errors, and of all else that is said in one. Default: by Accept-Language, else `id`.", examples=["id"]
        ),
    ] = None,
) -> None:
    """`negotiation.language` reads it; here it is told in OpenAPI, and refused where it is none."""


LanguageParameter = Depends(_language)
