"""GET /healthz and /readyz, for whatever watches over the service."""

from fastapi import APIRouter

from app.api.problems import responses
from app.api.service import ServiceDep
from app.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process is up")
async def healthz() -> Health:
    """Answer, which is all there is to it."""
    return Health()


@router.get("/readyz", responses=responses("not-ready"), summary="Photos are checked and read right")
async def readyz(service: ServiceDep) -> Health:
    """Check that the model is loaded and that a worker reads a known picture of two fingers as number 2."""
    await service.ensure_ready()
    return Health()
