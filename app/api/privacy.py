"""GET /privacy: how this installation is set up to treat photos and callers, for people and for programs."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app import web
from app.api.negotiation import preferred
from app.api.service import ServiceDep
from app.schemas import Privacy

router = APIRouter(tags=["privacy"])

PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "JSON, or a page where `Accept` prefers HTML."},
    304: {"description": "The page is as `If-None-Match` has it."},
}


@router.get("/privacy", response_model=Privacy, responses=PAGE, summary="Privacy")
async def privacy(request: Request, service: ServiceDep, response: Response) -> Privacy | Response:
    """Say what is kept, logged, counted and sent, and who may call, as this installation is set."""
    if preferred(request.headers.get("accept", ""), ("application/json", "text/html")) == "text/html":
        page = web.send(request, "privacy.html")
        page.headers["Vary"] = "Accept"
        return page
    response.headers["Vary"] = "Accept"
    settings = service.settings
    are_on = service.batches.are_on
    return Privacy(
        batches=are_on,
        results_kept=are_on,
        results_kept_s=round(service.batches.keep_s) if are_on else 0,
        contact=settings.privacy_contact or None,
        logged=list(LOGGED) if settings.log_level in ("debug", "info") else [],
        metrics=settings.metrics,
        traces=bool(settings.traces_endpoint),
        keys_required=bool(service.keys.keys),
    )


# What the log says of a request; a test holds the log to it.
LOGGED = (
    "time", "level", "event", "id", "method", "route", "status", "problem", "key", "ms",
    "bytes", "wait_ms", "decode_ms", "check_ms", "draw_ms",
)  # fmt: skip
