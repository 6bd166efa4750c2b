"""Every error as a problem document (RFC 9457) in the caller's language, or as a page where that is wanted."""

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
from app.errors import QueueFull, RequestError, RequestInvalid, ServiceError, TooManyRequests, describe, status_of
from app.schemas import FieldProblem, Problem
from gestures import GesturesError
from gestures.errors import DamagedPhoto, EmptyPhoto, PhotoTooLarge, PhotoTooSmall, UnknownContest, UnsupportedPhoto
from gestures.words import Lang, Name

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
    body = document(error, lang, request.state.request_id, status)
    status = body["status"]
    request.state.problem = error.type
    headers = {"Content-Language": lang, "Vary": "Accept-Language", **(headers or {})}
    if isinstance(error, QueueFull | TooManyRequests):
        headers["Retry-After"] = str(error.params["seconds"])
    elif status == 503:
        headers["Retry-After"] = "5"
    if request.method in ("GET", "HEAD"):
        headers["Vary"] = "Accept, Accept-Language"
        if preferred(request.headers.get("accept", ""), FORMS) == BROWSERS:
            return HTMLResponse(_page(request, body["title"], body["detail"], lang), status, headers)
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def document(error: GesturesError | ServiceError, lang: Lang, number: str, status: int | None = None) -> dict[str, Any]:
    """Return the problem document of an error. number: the request's. `status` overrides that of problems.toml."""
    title, detail = describe(error, lang)
    detail = detail.encode(errors="replace").decode()  # it may quote what was sent, whatever that is
    fields = [FieldProblem(field=name, problem=kind) for name, kind in error.wrong.items()] if isinstance(error, RequestInvalid) else None
    return Problem(
        type=error.type, title=title, status=status or status_of(error), detail=detail, instance=f"urn:uuid:{number}", fields=fields
    ).body()


_START = Name(id="Kembali ke pemeriksaan foto", en="Back to checking photos")
_NUMBER = Name(id="Nomor permintaan", en="Request number")


@cache
def _template() -> Template:
    return Template((files("app.api") / "problem.html").read_text(encoding="utf-8"))


def _page(request: Request, title: str, detail: str, lang: Lang) -> str:
    words = {"title": title, "detail": detail, "start": _START[lang], "number": _NUMBER[lang]}
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
        example = document(_EXAMPLES.get(kind) or RequestError(kind, **_PARAMS), "en", "6f0d3a52-6f1e-4a53-9b0c-6e2b9a0c1d11")
        status = example["status"]
        response = documented.setdefault(status, {"model": Problem, "description": "", "content": {MEDIA_TYPE: {"examples": {}}}})
        response["headers"] = _HEADERS.get(status, {})
        response["content"][MEDIA_TYPE]["examples"][kind] = {"summary": example["title"], "value": example}
        response["description"] = "; ".join(filter(None, (response["description"], example["title"])))
    return documented


_EXAMPLES: dict[str, GesturesError | ServiceError] = {
    error.type: error
    for error in (
        EmptyPhoto(),
        UnsupportedPhoto(),
        DamagedPhoto(),
        PhotoTooLarge(what="bytes", limit=25 * 2**20),
        PhotoTooSmall(width=16, height=16, limit=32),
        UnknownContest(name="pilkada-2030", known="default, pilpres-2024"),
        RequestInvalid({"photo": "missing"}),
    )
}
# Params that fill the placeholders of the others.
_PARAMS = {"seconds": 20, "allowed": "POST", "most": 2000, "limit": 2048}
