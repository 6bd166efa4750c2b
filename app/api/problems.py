"""Every error as a problem document (RFC 9457) in the caller's language, or as a page where that is wanted."""

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Match

from app.api.negotiation import language, preferred
from app.errors import (
    Lang,
    ProblemKind,
    QueueFull,
    RequestError,
    RequestInvalid,
    ServiceError,
    TooManyRequests,
    describe,
    problem_kinds,
    status_of,
)
from app.schemas import FieldProblem, Problem
from gestures import GesturesError, error_text
from gestures.errors import PhotoTooLarge, PhotoTooSmall, UnknownContest
from gestures.words import Name

MEDIA_TYPE = "application/problem+json"
# What all browsers ask for, and they alone, where something is to fill a tab; some HTTP clients ask for text/html whatever they fetch.
BROWSERS = "application/xhtml+xml"
FORMS = (MEDIA_TYPE, "application/json", BROWSERS)


def problem(
    request: Request,
    error: GesturesError | ServiceError,
    *,
    status: int | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Answer with an error; where somebody opened a link, with a page. `status` overrides that of problems.toml."""
    lang = language(request)
    title, detail = describe(error, lang)
    detail = detail.encode(errors="replace").decode()  # it may quote what was sent, whatever that is
    fields = [FieldProblem(field=name, problem=kind) for name, kind in error.wrong.items()] if isinstance(error, RequestInvalid) else None
    status = status or status_of(error)
    request.state.problem = error.type
    body = Problem(
        type=error.type, title=title, status=status, detail=detail, instance=f"urn:uuid:{request.state.request_id}", fields=fields
    )
    headers = {"Content-Language": lang, "Vary": "Accept-Language", **(headers or {})}
    if isinstance(error, QueueFull | TooManyRequests):
        headers["Retry-After"] = str(error.params["seconds"])
    elif status == 503:
        headers["Retry-After"] = "5"
    if request.method in ("GET", "HEAD"):
        headers["Vary"] = "Accept, Accept-Language"
        if preferred(request.headers.get("accept", ""), FORMS) == BROWSERS:
            return HTMLResponse(_page(request, title, detail, lang), status, headers)
    return JSONResponse(body.body(), status, headers, MEDIA_TYPE)


_START = Name(id="Kembali ke pemeriksaan foto", en="Back to checking photos")
_NUMBER = Name(id="Nomor permintaan", en="Number of the request")


@cache
def _template() -> Template:
    return Template((files("app.api") / "problem.html").read_text(encoding="utf-8"))


def _page(request: Request, title: str, detail: str, lang: Lang) -> str:
    words = {"title": title, "detail": detail, "start": getattr(_START, lang), "number": getattr(_NUMBER, lang)}
    # Within a mount, such as /static, `root_path` is the mount's.
    root = request.scope.get("app_root_path", request.scope.get("root_path", ""))
    words |= {"lang": lang, "root": root, "request_id": request.state.request_id}
    return _template().substitute({key: escape(value) for key, value in words.items()})


def add_handlers(app: FastAPI) -> None:
    """Let the application answer every exception with a problem document."""

    @app.exception_handler(GesturesError)
    @app.exception_handler(ServiceError)
    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, GesturesError | ServiceError)  # noqa: S101 - for the type checker
        return problem(request, error)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        match error.status_code:
            case 404:
                return problem(request, RequestError("not-found"))
            case 405:
                allowed = ", ".join(_methods(request))
                return problem(request, RequestError("method-not-allowed", allowed=allowed), headers=headers | {"Allow": allowed})
            case 499:  # as nginx calls it: its sender has left, and nobody is there to read an answer
                return Response(status_code=499)
            case status:
                return problem(request, RequestError("http-error"), status=status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        # Only the field's name and the kind of mistake: what was sent is never echoed.
        return problem(request, RequestInvalid({str(one["loc"][-1]): one["type"] for one in error.errors()}))


def _methods(request: Request) -> list[str]:
    """The methods that a request's address takes; Starlette names those of the first route alone."""
    scopes = {method: {**request.scope, "method": method} for method in ("DELETE", "GET", "PATCH", "POST", "PUT")}
    names = {name for name, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)}
    names = names or {"GET"}  # of a file of the page, which a route within a route answers
    return sorted(names | {"HEAD"} if "GET" in names else names)  # see `Heads`


# Problems that any route may answer with, and headers that come with a status.
_ANYWHERE = ("host-unknown", "internal-error", "too-many-connections", "service-stopping")
_RETRY = {"Retry-After": {"description": "Seconds until trying again makes sense.", "required": True, "schema": {"type": "integer"}}}
_HEADERS = {
    401: {"WWW-Authenticate": {"description": "`Bearer`.", "required": True, "schema": {"type": "string"}}},
    429: _RETRY,
    503: _RETRY,
}


def responses(*types: str) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, the problems that a route may answer with, beside those that any may: an example for each."""
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in (*types, *_ANYWHERE):
        status = problem_kinds()[kind].status
        response = documented.setdefault(status, {"model": Problem, "description": "", "content": {MEDIA_TYPE: {"examples": {}}}})
        response["headers"] = _HEADERS.get(status, {})
        example = _example(kind)
        response["content"][MEDIA_TYPE]["examples"][kind] = {"summary": example["title"], "value": example}
        response["description"] = "; ".join(filter(None, (response["description"], example["title"])))
    return documented


# Params that fill the placeholders of the examples.
_SAMPLES = {
    "photo-too-large": PhotoTooLarge(what="bytes", limit=25 * 2**20),
    "photo-too-small": PhotoTooSmall(width=16, height=16, limit=32),
    "contest-unknown": UnknownContest(name="pilkada-2030", known="default, pilpres-2024"),
}
_PARAMS = {"seconds": 20, "fields": "photo", "allowed": "POST", "most": 2000, "limit": 2048}


def _example(kind: str) -> dict[str, Any]:
    row = problem_kinds()[kind]
    title, detail = _words(kind, row)
    fields = [FieldProblem(field="photo", problem="missing")] if kind == "request-invalid" else None
    instance = "urn:uuid:6f0d3a52-6f1e-4a53-9b0c-6e2b9a0c1d11"
    return Problem(type=kind, title=title, status=row.status, detail=detail, instance=instance, fields=fields).body()


def _words(kind: str, row: ProblemKind) -> tuple[str, str]:
    if row.title and row.detail:
        return row.title.en, row.detail.en.format(**_PARAMS)
    error = _SAMPLES.get(kind) or next(one for one in _tree(GesturesError) if one.type == kind)()
    return error_text(error, "en")


def _tree(kind: type[GesturesError]) -> Iterable[type[GesturesError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _tree(child)
