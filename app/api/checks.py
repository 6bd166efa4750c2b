"""POST /v1/checks: a photo in, advice or a copy out."""

from typing import Annotated

import starlette.requests
from fastapi import APIRouter, Depends, File, Form, UploadFile
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.negotiation import language, preferred
from app.api.parameters import ContestParameter, LanguageParameter
from app.api.problems import responses
from app.api.service import Service, ServiceDep
from app.errors import Lang
from app.schemas import CheckedPhoto
from app.workers import Copy, Job


class WholeForms(MultiPartParser):
    """Reads forms of one photo, and refuses those that are cut off: what came last may have been the contest."""

    # Uploads stay in memory, where Starlette would put those above 1 MiB in a temporary file. How large they get is limited elsewhere.
    spool_max_size = 0
    is_whole = False

    def on_end(self) -> None:
        """Hear of the boundary that closes a form."""
        self.is_whole = True

    async def parse(self) -> FormData:
        """Read the form. Raises `MultiPartException`."""
        form = await super().parse()
        if not self.is_whole:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("cut off")
        return form


starlette.requests.MultiPartParser = WholeForms  # type: ignore[attr-defined]  # there is no other place to name one

PROBLEMS = responses(
    "key-needed", "origin-refused", "too-many-requests",
    "request-malformed", "photo-too-large", "photo-unsupported", "media-type-unsupported",
    "upload-slow", "request-invalid", "contest-unknown", "photo-empty", "photo-damaged", "photo-too-small", "photo-timeout", "photo-memory",
    "internal-error", "queue-full", "worker-lost", "model-error",
)  # fmt: skip
MEDIA_TYPES = ("image/jpeg", "image/webp")
PICTURE = {
    200: {
        "description": "The picture, without EXIF; WebP where `Accept` prefers it.",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES},
    }
}

router = APIRouter(prefix="/v1/checks", tags=["checks"], responses=PROBLEMS, dependencies=[LanguageParameter])


async def read_job(
    request: Request,
    service: ServiceDep,
    photo: Annotated[UploadFile, File(description="The photo: JPEG, PNG, WebP, AVIF, HEIC, GIF or BMP. Its name is not looked at.")],
    contest: Annotated[str | None, Form(description="Key of a contest, as in `GET /v1/contests`.", examples=["default"])] = None,
    lang: Annotated[
        Lang | None,
        Form(description="Language of errors and of labels in pictures. Default: by Accept-Language, else `id`.", examples=["id"]),
    ] = None,
    contest_asked: ContestParameter = None,
) -> Job:
    """Read what was sent."""
    request.state.lang = lang
    data = await photo.read()
    await photo.close()  # it holds them once more
    return Job(data, contest=service.contest_named(contest or contest_asked or service.contest.key), lang=language(request))


JobDep = Annotated[Job, Depends(read_job)]


@router.post("", response_model=CheckedPhoto, summary="Check a photo")
async def check(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Say which hand poses in a photo could be read as a candidate's number. The photo is not kept."""
    return JSONResponse((await service.check(request, job)).advice)  # as the library gives it, the same through every door


@router.post("/annotated", response_class=Response, responses=PICTURE, summary="A copy with the hands marked")  # type: ignore[arg-type]
async def annotated(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Return a copy of the photo with each hand's box, joints, pose and number drawn on it."""
    return await _picture(request, service, job, "annotated")


@router.post("/redacted", response_class=Response, responses=PICTURE, summary="A copy with flagged hands blurred")  # type: ignore[arg-type]
async def redacted(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Return a copy of the photo in which the hands to review can't be made out."""
    return await _picture(request, service, job, "redacted")


@router.post("/upright", response_class=Response, responses=PICTURE, summary="A copy turned upright")  # type: ignore[arg-type]
async def upright(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Return the photo itself, upright, for what cannot show the file as it is. Nothing is drawn on it, and no hands are looked for."""
    return await _picture(request, service, job, "upright")


async def _picture(request: Request, service: Service, job: Job, copy: Copy) -> Response:
    media_type = preferred(request.headers.get("accept", ""), MEDIA_TYPES)
    asked = Job(job.data, contest=job.contest, copy=copy, format="webp" if media_type == "image/webp" else "jpeg", lang=job.lang)
    result = await service.check(request, asked)
    return Response(result.picture, media_type=media_type, headers={"Vary": "Accept, Accept-Language"})
