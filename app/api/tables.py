"""GET /v1/contests, /v1/poses, /v1/limits: what the service knows and what it takes."""

from fastapi import APIRouter

from app.api.service import ServiceDep
from app.schemas import BatchLimitsOut, Contests, LimitsOut, Poses
from gestures import lists, pose_table

router = APIRouter(prefix="/v1", tags=["tables"])


@router.get("/contests", summary="Contests and agencies' lists")
async def get_contests(service: ServiceDep) -> Contests:
    """List the contests that a check can name, and the agencies' lists that they use."""
    return Contests.of(service.contest.key, service.contests, lists())


@router.get("/poses", summary="Poses")
async def get_poses() -> Poses:
    """List the poses that the service knows, with the numbers that they have been read as."""
    return Poses.of(pose_table())


@router.get("/limits", summary="Limits")
async def get_limits(service: ServiceDep) -> LimitsOut:
    """Say what a photo may be at most and at least, and a batch at most."""
    limits = LimitsOut.model_validate(service.settings.limits)
    batches = service.batches
    if batches.are_on:
        limits.batches = BatchLimitsOut(files=batches.limits.files, bytes=batches.limits.bytes, kept_s=round(batches.keep_s))
    return limits
