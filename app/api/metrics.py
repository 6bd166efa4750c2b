"""GET /metrics, for Prometheus."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.service import ServiceDep
from app.metrics import Metrics

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(service: ServiceDep) -> Response:  # in a thread, because the spool is looked at
    """Return all figures."""
    return Response(service.metrics.text(), media_type=Metrics.content_type)
