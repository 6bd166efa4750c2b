"""What surrounds every request: its number, a line in the log, headers that protect the reader, and a limit on its size."""

import json
import logging
import time
import traceback
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.errors import RequestError
from app.metrics import Answered, Metrics
from gestures.errors import PhotoTooLarge

log = logging.getLogger("app.requests")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # people can send any word as one

# Nothing but the page's own files, no inline script or style, in nobody's frame; `blob:` shows the photo that the reader chose.
# HTTPS, and with it Strict-Transport-Security, is the reverse proxy's.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Surround:
    """Numbers a request, guards its answer with headers, turns a bug into a problem document, counts it and logs one line about it.

    The line has the route's pattern, never the path as it was sent: people paste names into addresses.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = str(uuid.uuid4())
        began = time.perf_counter()
        status: int | None = None

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                # Files of the page have an ETag and are asked for anew; answers are kept nowhere.
                headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "no-store")
                headers["X-Request-ID"] = request.state.request_id
            await send(message)

        try:
            await self.app(scope, receive, send_guarded)
        except Exception as error:
            # The stack without the message, which may quote what was sent.
            frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
            log.error("bug", extra={"fields": {"id": request.state.request_id, "error": type(error).__name__, "stack": frames}})
            if status is None:
                await problem(request, RequestError("internal-error"))(scope, receive, send_guarded)
        finally:
            seconds = time.perf_counter() - began
            route: BaseRoute | None = scope.get("route")
            answered: Answered = {
                "method": scope["method"] if scope["method"] in METHODS else "other",
                "route": getattr(route, "path", None),
                "status": status,
                "problem": getattr(request.state, "problem", None),
                "key": getattr(request.state, "key", None),
            }
            self.metrics.answered(answered, seconds)
            # Not what was found: beside a proxy's log, which knows people, that would tell of somebody's photo.
            fields = {"id": request.state.request_id, **answered, "ms": round(seconds * 1000)} | getattr(request.state, "measures", {})
            log.info("request", extra={"fields": fields})


class DeclaredSize:
    """Refuses a request that declares a body over the limit before any of it is read.

    Starlette's own limit does that too, but answers in plain text; it stands behind this one and counts what is not declared.
    """

    def __init__(self, app: ASGIApp, max_body_size: int, max_bytes: int) -> None:
        self.app = app
        self.max_body_size = max_body_size
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            declared = Headers(scope=scope).get("content-length", "")
            if declared.isdecimal() and int(declared) > self.max_body_size:
                error = PhotoTooLarge(what="bytes", limit=self.max_bytes)
                await problem(Request(scope), error, headers={"Connection": "close"})(scope, receive, send)
                return
        await self.app(scope, receive, send)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render the record; tracebacks go without the exception's message, which may quote what was sent."""
        line = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps({key: value for key, value in line.items() if value is not None}, ensure_ascii=False)
