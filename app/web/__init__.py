"""The pages: plain HTML, CSS and ES modules, nothing from other hosts, no build step."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

ROOT = Path(str(files("app") / "web"))

router = APIRouter(include_in_schema=False)
static = StaticFiles(directory=ROOT / "static")


@router.api_route("/", methods=["GET", "HEAD"])
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(ROOT / "index.html", media_type="text/html")


@router.api_route("/batch", methods=["GET", "HEAD"])
async def batch_page() -> FileResponse:
    """Return the page for many photos."""
    return FileResponse(ROOT / "batch.html", media_type="text/html")
