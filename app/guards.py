"""Who may call: by no name but our own, no page of another origin, and where there are keys, nobody without one.

All ask before any of a body is read.
"""

import re
from collections.abc import Collection
from contextlib import suppress
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import problem
from app.errors import RequestError, TooManyRequests
from app.keys import KeyRing

# What may be read without a key: nothing of anybody is in it, and the page needs it to say why a check was refused. All else is guarded.
PAGES = frozenset({"/", "/batch", "/privacy", "/share", "/share.js"})
OPEN = PAGES | {"/healthz", "/readyz", "/openapi.json", "/v1/contests", "/v1/poses", "/v1/limits"}
OPEN_FOLDER = "/static/"


class OwnNames:
    """Refuses, where there are no keys, what was sent to a name that is not ours.

    Whoever owns a name can let it lead to this machine, and a page of theirs that is open in a browser here is then of our origin
    (DNS rebinding). Nobody owns an address, localhost, or a name without a dot, as machines of one's own network and containers have. Who
    names no host is no browser. The page's files are for the page that says why.
    """

    def __init__(self, app: ASGIApp, ring: KeyRing, names: Collection[str]) -> None:
        """`names`: by which people reach the service, in small letters."""
        self.app = app
        self.ring = ring
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and not (self.ring.keys or _is_file(scope) or self._is_ours(Headers(scope=scope).get("host", ""))):
            await problem(Request(scope), RequestError("host-unknown"))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = re.sub(r"\.?(:\d*)?$", "", host.lower())
        if "." not in name or name in self.names or name.endswith(".localhost"):
            return True
        with suppress(ValueError):
            ip_address(name.removeprefix("[").removesuffix("]"))
            return True
        return False


class SameOrigin:
    """Refuses what a page of another origin sends.

    Browsers say where a request comes from, in Sec-Fetch-Site or else in Origin; who says neither is no browser, and can't be
    tricked into calling us. The order of the questions is that of Go's `net/http.CrossOriginProtection`.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        """`allowed`: other origins that may."""
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS") and not self._is_ours(Headers(scope=scope)):
            await problem(Request(scope), RequestError("origin-refused"))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _is_ours(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin in self.allowed:
            return True
        if site := headers.get("sec-fetch-site"):
            return site in ("same-origin", "none")
        return origin is None or origin.partition("://")[2] == headers.get("host")


class KeyHolders:
    """Lets through who shows a key and is within its rate; everybody, where there are no keys."""

    def __init__(self, app: ASGIApp, ring: KeyRing) -> None:
        self.app = app
        self.ring = ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not self.ring.keys or _is_open(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        key = self.ring.find(secret.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            refusal = problem(request, RequestError("key-needed"), headers={"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        request.state.key = key.name
        if wait_s := self.ring.wait_s(key):
            await problem(request, TooManyRequests.after(wait_s))(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_open(scope: Scope) -> bool:
    return _is_file(scope) or (scope["method"] in ("GET", "HEAD") and _path(scope) in OPEN)


def _is_file(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and _path(scope).startswith(OPEN_FOLDER)


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))
