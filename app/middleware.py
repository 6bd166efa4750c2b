"""What surrounds every request: its number, a line in the log, headers that protect the reader, and limits on its body."""

import asyncio
import json
import logging
import time
import traceback
import uuid
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.batch.batches import Batches
from app.connections import LEAST_RATE
from app.errors import BatchRefused, QueueFull, RequestError, ServiceError
from app.metrics import Answered, Metrics
from app.workers import CheckerPool
from gestures.errors import GesturesError, PhotoTooLarge

log = logging.getLogger("app.requests")

BATCHES = "/v1/batches"

# What a form adds to the photo: boundaries, headers, the other fields.
FORM_OVERHEAD = 64 * 2**10

# What is taken in of a body after its answer: as much as a large photo, for as long as most lines need for it.
LINGER_BYTES = 64 * 2**20
LINGER_S = 10

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Nothing but the page's own files, no inline script or style, in nobody's frame; `blob:` shows the photo that the reader chose.
# HTTPS, and with it Strict-Transport-Security, is the reverse proxy's.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def method(scope: Scope) -> str:
    """A request's method as it may be written down: people can send any word as one."""
    return scope["method"] if scope["method"] in METHODS else "other"


def route(scope: Scope) -> str | None:
    """The pattern of a request's address, never the address; of the page's files, their folder. None where there is none."""
    root = str(scope.get("root_path", ""))
    return getattr(scope.get("route"), "path", None) or root.removeprefix(scope.get("app_root_path", root)) or None


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
        # A range in another unit than bytes is to be passed over (RFC 9110, 14.2); Starlette refuses it.
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range" or value.lower().startswith(b"bytes")]
        began = time.perf_counter()
        status: int | None = None
        is_replaced = False

        async def send_guarded(message: Message) -> None:
            nonlocal status, is_replaced
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                if status >= 400 and headers.get("content-type", "").startswith("text/plain"):
                    # Starlette's own words: for a range that a file does not have, for a preflight that is refused.
                    kept = {name: value for name, value in headers.items() if name not in ("content-type", "content-length")}
                    await problem(request, RequestError("http-error"), status=status, headers=kept)(scope, receive, send_guarded)
                    is_replaced = True
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                # Files of the page have an ETag and are asked for anew; answers are kept nowhere.
                headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "no-store")
                headers["X-Request-ID"] = request.state.request_id
            if not is_replaced:
                await send(message)

        try:
            await self.app(scope, receive, send_guarded)
        except asyncio.CancelledError:  # the service ends, and has waited for this long enough
            if status is not None:
                raise
            await problem(request, RequestError("service-stopping"))(scope, receive, send_guarded)
        except Exception as error:
            # The stack without the message, which may quote what was sent.
            frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
            log.error("bug", extra={"fields": {"id": request.state.request_id, "error": type(error).__name__, "stack": frames}})
            if status is None:
                await problem(request, RequestError("internal-error"))(scope, receive, send_guarded)
        finally:
            seconds = time.perf_counter() - began
            answered: Answered = {
                "method": method(scope),
                "route": route(scope),
                "status": status,
                "problem": getattr(request.state, "problem", None),
                "key": getattr(request.state, "key", None),
            }
            self.metrics.answered(answered, seconds)
            # Not what was found: beside a proxy's log, which knows people, that would tell of somebody's photo.
            fields = {"id": request.state.request_id, **answered, "ms": round(seconds * 1000)} | getattr(request.state, "measures", {})
            log.info("request", extra={"fields": fields})


class Heads:
    """Answers HEAD wherever GET is answered (RFC 9110, 9.3.2), without a body, and has a stream end after its head."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        is_sent = asyncio.Event()

        async def until_sent() -> Message:
            await is_sent.wait()
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})
                is_sent.set()

        try:
            await self.app(asked, until_sent, send_head)
        finally:
            scope.update({**asked, "method": "HEAD"})  # which route it was, for the log


class Lingering:
    """Takes in what is left of a body that is answered before it was read, and only then hangs up.

    Most senders read nothing until all is sent. Hung up on before that, they would find a connection that was reset, and no answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        sent = Headers(scope=scope) if scope["type"] == "http" else {}
        if sent.get("content-length", "0") == "0" and "transfer-encoding" not in sent:
            await self.app(scope, receive, send)
            return
        is_whole = is_answered = False

        async def watched() -> Message:
            nonlocal is_whole
            message = await receive()
            is_whole = not message.get("more_body", False)  # or its sender has left
            return message

        async def open_ended(message: Message) -> None:
            nonlocal is_answered
            if not is_whole:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["Connection"] = "close"
                elif not message.get("more_body", False):
                    is_answered = True
                    message = {**message, "more_body": True}
            await send(message)

        await self.app(scope, watched, open_ended)
        if is_answered:
            left = LINGER_BYTES
            with suppress(TimeoutError, asyncio.CancelledError):  # or the service ends
                async with asyncio.timeout(LINGER_S):
                    while not is_whole and left > 0:
                        left -= len((await watched()).get("body", b""))
            await send({"type": "http.response.body", "body": b""})


class Uploads:
    """Bounds bodies: how large one may be, how slow, and how much of all of them is held at once.

    Bytes count from when they are read until the request is answered, so that an upload that is being read, one that waits and one that
    is being checked count alike. No body is read for a queue that is full. What is refused by its headers is answered here; all else is
    raised where the body is read. Batches have limits of their own, and go to the disk.
    """

    def __init__(self, app: ASGIApp, pool: CheckerPool, batches: Batches, max_bytes: int, most_held: int, patience_s: float) -> None:
        """max_bytes: most bytes of a photo. most_held: most bytes of all bodies. patience_s: seconds beside those of `LEAST_RATE`."""
        self.app = app
        self.pool = pool
        self.batches = batches
        self.max_bytes = max_bytes
        self.most_held = most_held
        self.patience_s = patience_s
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        is_batch = scope["path"].removeprefix(scope.get("root_path", "")) == BATCHES  # goes to the disk, and waits elsewhere
        too_large: GesturesError | ServiceError = PhotoTooLarge(what="bytes", limit=self.max_bytes)
        limit = self.max_bytes + FORM_OVERHEAD
        if is_batch:
            most = self.batches.limits
            too_large, limit = BatchRefused("batch-too-large", limit=most.bytes // 2**20), most.bytes + FORM_OVERHEAD + most.files * 1024
        sent = Headers(scope=scope)
        declared = sent.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await problem(Request(scope), too_large)(scope, receive, send)
            return
        if sent.get("content-encoding", "").lower() not in ("", "identity"):
            headers = {"Accept-Encoding": "identity"}
            await problem(Request(scope), RequestError("media-type-unsupported"), headers=headers)(scope, receive, send)
            return
        began: float | None = None
        taken = 0
        is_whole = False

        async def bounded() -> Message:
            nonlocal began, taken, is_whole
            if is_whole:  # from now on this is asked only for whether the caller is still there
                return await receive()
            if began is None:
                if not is_batch:
                    self.pool.admit()
                began = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout_at(began + self.patience_s + taken / LEAST_RATE):
                    message = await receive()
            except TimeoutError:
                raise RequestError("upload-slow") from None
            size = len(message.get("body", b""))
            taken += size
            self.held += 0 if is_batch else size
            is_whole = not message.get("more_body", False)
            if taken > limit:
                raise too_large
            if not is_batch and self.held > self.most_held + FORM_OVERHEAD:
                raise QueueFull(seconds=self.pool.wait_s())
            return message

        try:
            await self.app(scope, bounded, send)
        finally:
            self.held -= 0 if is_batch else taken


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render the record; tracebacks go without the exception's message, which may quote what was sent."""
        line = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps({key: value for key, value in line.items() if value is not None}, ensure_ascii=False)
