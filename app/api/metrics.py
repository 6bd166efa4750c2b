"""GET /metrics, for Prometheus."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.service import ServiceDep
from app.metrics import Metrics

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(service: ServiceDep) -> Response:
    """Return all figures."""
    return Response(service.metrics.text(), media_type=Metrics.content_type)
