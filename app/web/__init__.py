"""The pages: plain HTML, CSS and ES modules, nothing from other hosts, no build step."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

ROOT = Path(str(files("app") / "web"))

router = APIRouter(include_in_schema=False)
static = StaticFiles(directory=ROOT / "static")


def send(request: Request, name: str) -> Response:
    """Answer with one of the pages; that it has not changed, where the caller has it."""
    return static.file_response(ROOT / name, (ROOT / name).stat(), request.scope)


@router.get("/")
async def page(request: Request) -> Response:
    """Return the page."""
    return send(request, "index.html")


@router.get("/batch")
async def batch_page(request: Request) -> Response:
    """Return the page for many photos."""
    return send(request, "batch.html")


@router.get("/share.js")
async def share_worker(request: Request) -> Response:
    """Return the service worker that takes what is shared. Not in the folder of files, whence it could not reach `/share`."""
    return send(request, "share.js")


@router.api_route("/share", methods=["GET", "POST"])
async def share() -> Response:
    """Lead to the page, which says that nothing came: share.js answers this, unless the browser has lost it."""
    return RedirectResponse("./?shared", 303)
