"""Connections that are not kept open for those who send, or read, next to nothing, and take every form of a request's target."""

import asyncio
import json
import logging
import re
import uuid
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.api.problems import document
from app.errors import RequestError
from app.metrics import Answered, Metrics

log = logging.getLogger("app.requests")

LEAST_RATE = 16 * 2**10  # bytes a second that a caller has to send or read, beyond the patience that all have
MOST = 500  # connections at once, within the 1024 files that a process may usually have open

ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?#]+)(.*)")


class OriginForms(h11.Connection):
    """Gives requests with a whole address as their target, as proxies are sent them, as if they had been sent to us.

    RFC 9112, 3.2.2: a server must accept them, and the address says for whom they are, whatever `Host` says.
    """

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Give what comes next."""
        event = super().next_event()
        if isinstance(event, h11.Request) and (found := ABSOLUTE_FORM.fullmatch(event.target)):
            authority, rest = found.groups()
            headers = [(b"host", authority), *((name, value) for name, value in event.headers if name != b"host")]
            target = rest if rest.startswith(b"/") else b"/" + rest
            return h11.Request(method=event.method, headers=headers, target=target, http_version=event.http_version)
        return event


class PatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to waiting: for a request's head, and for an answer to be read.

    uvicorn waits for both without end. How long a body may take is `app.middleware.Uploads`' to say.
    """

    patience_s: float
    metrics: Metrics

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        self.conn = OriginForms(h11.SERVER)
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        if len(self.connections) > MOST:
            self._refuse("too-many-connections", "Retry-After: 5\r\n")
        else:
            self._allow("head", self.patience_s)

    def data_received(self, data: bytes) -> None:
        """Take bytes: once they make a head, the request's own limits hold."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._allow("head", None)
        elif "head" not in self._deadlines:
            self._allow("head", self.patience_s)

    def pause_writing(self) -> None:
        """Wait no longer for a caller to read than one with a slow line needs."""
        super().pause_writing()
        self._allow("answer", self.patience_s + self.transport.get_write_buffer_size() / LEAST_RATE)

    def resume_writing(self) -> None:
        """Go on."""
        self._allow("answer", None)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        self._allow("head", None)
        self._allow("answer", None)
        super().connection_lost(exc)

    def _allow(self, what: str, seconds: float | None) -> None:
        """Abort the connection unless `what` ("head" or "answer") is done within so many seconds; None: it is done."""
        if deadline := self._deadlines.pop(what, None):
            deadline.cancel()
        if seconds is not None:
            self._deadlines[what] = self.loop.call_later(seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with a problem document, as everything else; uvicorn's own answer is plain text."""
        self._refuse("http-error")

    def _refuse(self, kind: str, headers: str = "") -> None:
        """Answer where there is no request yet whose language could be known, hang up, count and log it."""
        number = str(uuid.uuid4())
        told = document(RequestError(kind), "id", number)
        status = HTTPStatus(told["status"])
        body = json.dumps(told, ensure_ascii=False).encode()
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Language: id\r\nContent-Length: {len(body)}\r\n{headers}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
        answered: Answered = {"method": None, "route": None, "status": told["status"], "problem": kind, "key": None}
        self.metrics.answered(answered, 0)
        log.info("request", extra={"fields": {"id": number, **answered}})


def patient_protocol(patience_s: float, metrics: Metrics) -> type[PatientProtocol]:
    """Return the protocol with seconds of its own for the head of a request, and where it counts what it refuses."""
    return type("PatientProtocol", (PatientProtocol,), {"patience_s": patience_s, "metrics": metrics})
