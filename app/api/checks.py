"""POST /v1/checks: a photo in, advice or a copy out."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.forms import BESIDE, PhotoForm, read
from app.api.negotiation import language, preferred
from app.api.parameters import ContestParameter, LanguageParameter
from app.api.problems import responses
from app.api.service import Service, ServiceDep
from app.errors import RequestInvalid
from app.schemas import CheckedPhoto
from app.workers import Copy, Job
from gestures.words import LANGUAGES

PROBLEMS = responses(
    "key-needed", "origin-refused", "too-many-requests",
    "request-malformed", "form-unsuitable", "photo-too-large", "photo-unsupported", "media-type-unsupported",
    "upload-slow", "request-invalid", "contest-unknown", "photo-empty", "photo-damaged", "photo-too-small", "photo-timeout", "photo-memory",
    "queue-full", "worker-lost", "model-error", "finder-error",
)  # fmt: skip
MEDIA_TYPES = ("image/jpeg", "image/webp")
PICTURE = {
    200: {
        "description": "The picture, without EXIF; WebP where `Accept` prefers it.",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES},
    }
}
FORM = {
    "type": "object",
    "required": ["photo"],
    "properties": {
        "photo": {
            "type": "string",
            "format": "binary",
            "description": "The photo: JPEG, PNG, WebP, AVIF, HEIC, GIF or BMP. Its name is not looked at.",
        },
        "contest": {"type": "string", "description": "Key of a contest, as in `GET /v1/contests`.", "examples": ["default"]},
        "lang": {
            "type": "string",
            "enum": list(LANGUAGES),
            "description": "Language of errors and of labels in pictures. Default: by Accept-Language, else `id`.",
            "examples": ["id"],
        },
    },
}
BODY: dict[str, Any] = {
    "requestBody": {"required": True, "description": f"One photo, and {BESIDE}.", "content": {"multipart/form-data": {"schema": FORM}}}
}
COPY: dict[str, Any] = {"response_class": Response, "responses": PICTURE, "openapi_extra": BODY}

router = APIRouter(prefix="/v1/checks", tags=["checks"], responses=PROBLEMS, dependencies=[LanguageParameter])


async def read_job(request: Request, service: ServiceDep, contest_asked: ContestParameter = None) -> Job:
    """Read what was sent."""
    form = await read(request, PhotoForm())
    lang = form.fields.get("lang") or None
    wrong = {} if form.photo is not None else {"photo": "missing"}
    if lang not in (None, *LANGUAGES):
        wrong["lang"] = "literal_error"
    if wrong or form.photo is None:
        raise RequestInvalid(wrong)
    request.state.lang = lang
    contest = service.contest_named(form.fields.get("contest") or contest_asked or service.contest.key)
    return Job(form.photo, contest=contest, lang=language(request))


JobDep = Annotated[Job, Depends(read_job)]


@router.post("", response_model=CheckedPhoto, openapi_extra=BODY, summary="Check a photo")
async def check(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Say which hand poses in a photo could be read as a candidate's number. The photo is not kept."""
    return JSONResponse((await service.check(request, job)).advice)  # as the library gives it, the same through every door


@router.post("/annotated", **COPY, summary="A copy with the hands marked")
async def annotated(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Return a copy of the photo with each hand's box, joints, pose and number drawn on it."""
    return await _picture(request, service, job, "annotated")


@router.post("/redacted", **COPY, summary="A copy with the hands blurred that are to review or unclear")
async def redacted(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Return a copy of the photo in which the hands that are to review or unclear can't be made out."""
    return await _picture(request, service, job, "redacted")


@router.post("/upright", **COPY, summary="A copy turned upright")
async def upright(request: Request, service: ServiceDep, job: JobDep) -> Response:
    """Return the photo itself, upright, for what cannot show the file as it is. Nothing is drawn on it, and no hands are looked for."""
    return await _picture(request, service, job, "upright")


async def _picture(request: Request, service: Service, job: Job, copy: Copy) -> Response:
    media_type = preferred(request.headers.get("accept", ""), MEDIA_TYPES)
    result = await service.check(request, replace(job, copy=copy, format="webp" if media_type == "image/webp" else "jpeg"))
    return Response(result.picture, media_type=media_type, headers={"Vary": "Accept, Accept-Language"})
