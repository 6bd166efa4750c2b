"""The service: HTTP interface, page and workers, put together."""

import asyncio
import logging
import math
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app import web
from app.about import model_sha256, own_sha256, versions
from app.api import batches, checks, health, metrics, privacy, tables
from app.api.problems import MEDIA_TYPE, add_handlers, responses
from app.api.service import Service
from app.connections import patient_protocol
from app.errors import NotReady
from app.guards import KeyHolders, OwnNames, SameOrigin
from app.middleware import Heads, JsonLines, Lingering, Surround, Uploads
from app.settings import Settings
from app.tracing import Traced
from gestures import GesturesError

log = logging.getLogger(__name__)

DESCRIPTION = """Tells, before a photo is posted, whether a hand pose in it could be read as a candidate's number.

Advice, not a finding. Photos are processed in memory and not kept, but for those of batches, which wait on the
disk until each was checked; no face is recognised. Where an installation asks for keys
(`GET /privacy` says so), send one as `Authorization: Bearer KEY`."""

NUMBER = {"description": "The request's number, as it stands in the service's log.", "schema": {"type": "string", "format": "uuid"}}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service, from the environment where no settings are given, as for `uvicorn --factory app.main:create_app`.

    Raises what `Service.load` raises where the settings name a contest or keys that can't be used.
    """
    settings = settings or Settings()
    pool = settings.pool(queue_size=settings.queue_size, max_wait_s=settings.max_wait_s)
    service = Service(settings, pool)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.batches.start)
        warm_up = asyncio.create_task(_warm_up(service))
        try:
            yield
        finally:
            warm_up.cancel()
            with suppress(asyncio.CancelledError):
                await warm_up
            await asyncio.to_thread(service.batches.stop)
            await asyncio.to_thread(pool.close)
            await asyncio.to_thread(service.traces.close)

    app = _Application(
        title="Jari Netral",
        version=version("jari-netral"),
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages for these load scripts from other hosts
        redoc_url=None,
        responses=responses(),
        redirect_slashes=False,  # behind a proxy the redirect would lead elsewhere, and take the photo along
        # Its own traces would carry addresses of callers, and an environment variable could send them away.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False},
    )
    app.state.service = service
    routers = [checks.router, batches.router, tables.router, privacy.router, health.router, web.router]
    for router in (*routers, metrics.router) if settings.metrics else routers:
        app.include_router(router)
    for page in ("batch", "privacy"):
        app.add_api_route(f"/{page}/", _without_slash, include_in_schema=False)
    app.mount("/static", web.static)
    add_handlers(app)

    app.add_middleware(Heads)
    app.add_middleware(
        Uploads,
        pool=pool,
        max_bytes=settings.max_bytes,
        batches=service.batches,
        most_held=max(settings.queue_bytes, settings.max_bytes),
        patience_s=settings.upload_timeout_s,
    )
    app.add_middleware(KeyHolders, ring=service.keys)
    app.add_middleware(SameOrigin, allowed=settings.cors_origins)
    app.add_middleware(OwnNames, ring=service.keys, names={*settings.hosts, settings.host.lower()})
    if settings.cors_origins:  # around all that refuses, so that their pages can read why
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Last-Event-ID", "traceparent"],
            expose_headers=["Content-Disposition", "Location", "Retry-After", "X-Request-ID"],
        )
    app.add_middleware(Surround, metrics=service.metrics)  # added after the others, so around them
    if settings.traces_endpoint:
        app.add_middleware(Traced, traces=service.traces)
    app.add_middleware(Lingering)
    return app


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with what FastAPI does not know: problems' media types, requests' numbers, that a key may be asked for."""
        document = super().openapi()
        for path in document["paths"].values():
            for method, operation in path.items():
                for answer in operation["responses"].values():
                    answer["headers"] = answer.get("headers", {}) | {"X-Request-ID": {"$ref": "#/components/headers/number"}}
                    content = answer.get("content", {})
                    if MEDIA_TYPE in content and "application/json" in content:
                        content[MEDIA_TYPE]["schema"] = content.pop("application/json")["schema"]
                        if method == "get":
                            content["text/html"] = {"schema": {"type": "string"}}
        document["components"]["headers"] = {"number": NUMBER}
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "Where keys are set."}}
        document["security"] = [{}, {"key": []}]
        return document


async def _without_slash(request: Request) -> Response:
    """Lead to the page from its address with a slash at the end. Relative, since a proxy may serve it below any path."""
    url = request.url
    return RedirectResponse(f"../{url.path.rstrip('/').rpartition('/')[2]}{url.query and '?'}{url.query}")


async def _warm_up(service: Service) -> None:
    with suppress(NotReady):  # which is logged, and told to whoever asks for /readyz
        await service.ensure_ready()
        log.info("ready", extra={"fields": {"version": version("jari-netral"), "workers": service.settings.workers}})


def _facts(service: Service) -> dict[str, object]:
    settings = service.settings
    return {
        "versions": versions(),
        "model_sha256": model_sha256(settings.model),
        **own_sha256(),
        "finder": settings.finder,
        "contest": service.contest.key,
        "workers": settings.workers,
        "keys": [key.name for key in service.keys.keys],
    }


def _reload(service: Service) -> None:
    try:
        service.load()
    except (GesturesError, OSError, ValueError) as error:
        fields = {"error": type(error).__name__, "reason": str(error)}
        log.error("reload failed, contest and keys stay as they are", extra={"fields": fields})
    else:
        log.info("reloaded", extra={"fields": {"contest": service.contest.key, "keys": [key.name for key in service.keys.keys]}})


def serve(settings: Settings, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Run the service on a bound socket until it is told to stop; requests that are being answered are finished first.

    announce: called once nothing in the settings stands in the way.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    # Libraries at their most talkative quote what they read: Pillow logs every EXIF tag.
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler])
    logging.getLogger("app").setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # its warnings quote bytes of a broken form
    app = create_app(settings)
    log.info("starting", extra={"fields": _facts(app.state.service)})
    if not os.isatty(0):  # in a terminal the signal says that the terminal was closed
        signal.signal(signal.SIGHUP, lambda *_: _reload(app.state.service))
    announce()
    config = uvicorn.Config(
        app,
        root_path=settings.root_path,
        log_config=None,
        access_log=False,  # it would log addresses as they were sent
        server_header=False,
        http=patient_protocol(settings.upload_timeout_s, app.state.service.metrics),
        # What was accepted is finished: it waits, is checked, and its answer is sent.
        timeout_graceful_shutdown=math.ceil(settings.max_wait_s + settings.check_timeout_s) + 5,
    )
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Lets go of those who follow a batch as soon as it is told to stop: they would follow to its end, and come back by themselves."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        self.config.app.state.service.batches.leaving = True  # type: ignore[union-attr]
        super().handle_exit(sig, frame)
