"""/v1/batches: many photos in, progress while they are checked, results and reports for a while."""

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import islice
from typing import IO, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from fastapi.routing import APIRoute
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from app.api.forms import BESIDE, Form, read
from app.api.negotiation import language
from app.api.parameters import ContestParameter, LanguageParameter
from app.api.problems import MEDIA_TYPE, responses
from app.api.service import Service, ServiceDep
from app.batch import RESULTS
from app.batch.batches import Batches, Status, disk_problem
from app.errors import BatchRefused, RequestError, RequestInvalid, describe
from app.schemas import BatchOut, BatchResults, Problem
from app.terminal.words import TerminalError
from gestures.words import LANGUAGES, Lang

# Seconds between two looks for progress, and those after which a silent stream says that it is alive.
LOOK_S = 0.3
ALIVE_S = 15

# Seconds that a batch may take to arrive: it has a place in the queue meanwhile.
ARRIVE_S = 3600

KINDS = {
    "html": "text/html; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}
_POLICY = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')

CALLER = ("key-needed", "too-many-requests", "batches-off", "spool-unusable", "request-invalid")
UNKNOWN = responses(*CALLER, "batch-unknown")
WHEN_DONE = (*CALLER, "batch-unknown", "batch-unfinished", "batch-failed")
UNFINISHED = responses(*WHEN_DONE)
DELETED = responses(*CALLER, "origin-refused", "batch-unknown", "spool-full")
REFUSED = responses(
    *CALLER, "origin-refused", "request-malformed", "form-unsuitable", "upload-slow", "media-type-unsupported", "contest-unknown",
    "batch-too-many", "batch-too-large", "archive-too-many", "archive-bomb", "archive-damaged", "archive-empty", "archive-climbs",
    "batch-queue-full", "spool-full",
)  # fmt: skip
FORM = {
    "type": "object",
    "required": ["photos"],
    "properties": {
        "photos": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "description": "Photos, ZIP archives of photos, or both. Their names are kept with the results; one without is named by "
            "its place among those that came, as `foto-3`, or `foto-3 (2)` where another has that name.",
        },
        "contest": {"type": "string", "description": "Key of a contest, as in `GET /v1/contests`.", "examples": ["default"]},
        "lang": {
            "type": "string",
            "enum": list(LANGUAGES),
            "description": "Language of the reports. Default: by Accept-Language, else `id`.",
            "examples": ["id"],
        },
        "crops": {
            "type": "boolean",
            "default": True,
            "description": "Whether the report shows hands and small copies of photos; `false` leaves all pixels out.",
            "examples": [True],
        },
    },
}
BODY = {
    "requestBody": {
        "required": True,
        "description": f"Photos or archives, and {BESIDE}.",
        "content": {"multipart/form-data": {"schema": FORM}},
    }
}
EVENTS = {
    200: {
        "content": {"text/event-stream": {}},
        "description": "Server-sent events: a whole `BatchOut` as `progress` after each change, at last one that is over, or `deleted`.",
    },
    204: {"description": "Nothing comes after the event in `Last-Event-ID`."},
}
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "Where to ask how far it is.", "required": True, "schema": {"type": "string"}}}}
}
MEDIA_TYPES: dict[str, Any] = {kind.split(";")[0]: {} for kind in KINDS.values()}
REPORT: dict[int | str, dict[str, Any]] = {
    200: {"content": MEDIA_TYPES, "description": "The report."},
    206: {"content": MEDIA_TYPES | {"multipart/byteranges": {}}, "description": "The part of it that `Range` asks for, or several."},
    416: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "There is no such part."},
    **responses(*WHEN_DONE, "http-error"),
}


class SpoolRoute(APIRoute):
    """A route that tells callers where the spool's disk is full or fails."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handle requests as any route does, but for such errors."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except (TerminalError, OSError, sqlite3.DatabaseError) as error:
                if kind := disk_problem(error):
                    raise BatchRefused(kind) from None
                raise

        return told


router = APIRouter(prefix="/v1/batches", tags=["batches"], dependencies=[LanguageParameter], route_class=SpoolRoute)


def owner(request: Request) -> str | None:
    """The name of the key that a request came with. A key sees only its own batches; without keys, only ids tell who may see what."""
    return getattr(request.state, "key", None)


OwnerDep = Annotated[str | None, Depends(owner)]
BatchId = Annotated[str, Path(description="The batch's `id`.", examples=["zbFUMIyGbDxx8Jkk3vK2w0Zg6nVfqYc1"])]


def find(service: ServiceDep, owner: OwnerDep, batch: BatchId) -> Status:  # in a thread, because the spool's disk may be slow
    """Find the batch of the path."""
    return service.batches.find(batch, owner)


async def find_done(status: Annotated[Status, Depends(find)]) -> Status:
    """Find the batch of the path, which has to be done."""
    if status.batch.state != "done":
        raise BatchRefused("batch-failed" if status.batch.state == "failed" else "batch-unfinished")
    return status


LastEventId = Annotated[str, Header(description="The `id` of the last event that came, as browsers send it.", examples=["running-100-0"])]
StatusDep = Annotated[Status, Depends(find)]
DoneDep = Annotated[Status, Depends(find_done)]
Kind = Annotated[
    Literal["html", "xlsx", "csv"],
    Path(description="`html`: a page; `xlsx`: a workbook; `csv`: a table for programs.", examples=["html"]),
]


def report_file(status: DoneDep, service: ServiceDep, kind: Kind) -> Iterator[IO[bytes]]:
    """Open a report until it is sent."""
    with _opened(service, status, f"report.{kind}") as file:
        yield file


@router.post("", status_code=202, response_model=BatchOut, responses=ACCEPTED | REFUSED, openapi_extra=BODY, summary="Send many photos")
async def create(
    request: Request, service: ServiceDep, owner: OwnerDep, response: Response, contest_asked: ContestParameter = None
) -> BatchOut:
    """Take photos to be checked one after another, in the background.

    Each photo is deleted as soon as it was checked, the results some time after the last. The address to ask at is in `Location`.
    """
    batches = service.batches
    async with contextmanager_in_threadpool(batches.receiving(owner)) as (batch, folder):
        try:
            async with asyncio.timeout(ARRIVE_S):
                form = await read(request, Form(folder, batches.limits.files))
        except TimeoutError:
            raise RequestError("upload-slow") from None
        request.state.measures = {"bytes": await run_in_threadpool(_size, form)}
        contest, lang, crops = _fields(request, service, form, contest_asked)
        status = await asyncio.to_thread(batches.add, batch, form.files, owner=owner, contest=contest, lang=lang, crops=crops)
        if await request.is_disconnected():  # and will never know where to ask for it, or to delete it
            await asyncio.to_thread(batches.delete, batch, owner)
            raise HTTPException(499)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}{router.prefix}/{batch}"
    return _out(service, status, lang)


@router.get("/{batch}", response_model=BatchOut, responses=UNKNOWN, summary="How far a batch is")
async def get(request: Request, service: ServiceDep, status: StatusDep) -> BatchOut:
    """Tell state, counts, rate and remaining time, and when photos and results are deleted."""
    return _out(service, status, language(request))


@router.delete("/{batch}", status_code=204, responses=DELETED, summary="Delete a batch")
async def delete(service: ServiceDep, owner: OwnerDep, batch: BatchId) -> None:
    """Delete photos, results and reports now, also while photos are being checked."""
    await asyncio.to_thread(service.batches.delete, batch, owner)


@router.get(
    "/{batch}/events",
    response_class=StreamingResponse,
    responses={**EVENTS, **UNKNOWN},  # type: ignore[dict-item]
    summary="Progress as it happens",
)
async def events(request: Request, service: ServiceDep, owner: OwnerDep, status: StatusDep, last_event_id: LastEventId = "") -> Response:
    """Tell of a batch's progress, from what it is now, or from the next change where `Last-Event-ID` is what it is now."""
    if status.batch.finished and last_event_id == _event_id(status):
        return Response(status_code=204)  # upon which browsers stop asking
    stream = _progress(service, status, owner, language(request), last_event_id)
    headers = {"X-Accel-Buffering": "no"}  # nginx would wait for more
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.get("/{batch}/results", response_model=BatchResults, responses=UNFINISHED, summary="Results, page by page")
async def results(
    status: DoneDep,
    service: ServiceDep,
    offset: Annotated[int, Query(ge=0, le=10**9, description="Photos to pass over.", examples=[100])] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="Most photos to give.", examples=[50])] = 100,
) -> Response:
    """Give the results of a batch that is done, in the order of the photos' names, each as `POST /v1/checks` gives it or its error."""
    lines = await run_in_threadpool(_lines, service, status, offset, limit)
    after = offset + len(lines)
    head = {"total": status.batch.photos, "offset": offset, "next": after if after < status.batch.photos else None}
    body = f'{json.dumps(head)[:-1]}, "results": [{",".join(lines)}]}}'
    return Response(body, media_type="application/json")


@router.get(
    "/{batch}/report.{kind}",
    response_class=FileResponse,
    responses=REPORT,
    summary="The report as a page, a workbook or a table",
)
async def report(status: DoneDep, file: Annotated[IO[bytes], Depends(report_file)], kind: Kind) -> FileResponse:
    """Give a report of a batch that is done: a page to look through, which needs nothing else, a workbook, or a table for programs."""
    headers = {"Cache-Control": "no-store"}
    if kind == "html":
        headers["Content-Security-Policy"] = await run_in_threadpool(_policy, file)
    name = f"jari-{status.batch.id[:6]}.{kind}"
    disposition = "inline" if kind == "html" else "attachment"
    path = f"/proc/self/fd/{file.fileno()}"  # the file that is open, whatever becomes of its name while it is sent
    found = os.fstat(file.fileno())
    return FileResponse(
        path, media_type=KINDS[kind], headers=headers, filename=name, stat_result=found, content_disposition_type=disposition
    )


def _size(form: Form) -> int:
    return sum(path.stat().st_size for _, path in form.files)


def _fields(request: Request, service: Service, form: Form, contest_asked: str | None) -> tuple[str, Lang, bool]:
    """What a form says beside its files: contest, language, crops."""
    lang, crops = form.fields.get("lang") or language(request), form.fields.get("crops", "true").lower()
    wrong = [name for name, value, known in (("lang", lang, LANGUAGES), ("crops", crops, ("true", "false"))) if value not in known]
    if wrong:
        raise RequestInvalid(dict.fromkeys(wrong, "literal_error"))
    request.state.lang = lang
    contest = service.contest_named(form.fields.get("contest") or contest_asked or service.contest.key)
    return contest.key, language(request), crops == "true"


def _out(service: Service, status: Status, lang: Lang) -> BatchOut:
    batch = status.batch
    # Settled when it was done, whatever has been set since.
    kept_s = batch.expires - batch.finished if batch.expires and batch.finished else service.batches.keep_s
    problem = None
    if batch.problem:
        title, detail = describe(BatchRefused(batch.problem), lang)
        problem = {"type": batch.problem, "title": title, "detail": detail}
    return BatchOut.model_validate(
        {
            "id": batch.id,
            "state": batch.state,
            "photos": batch.photos,
            "done": sum(batch.counts.values()),
            "counts": {level: batch.counts.get(level, 0) for level in ("clear", "review", "unclear", "failed")},
            "rate": round(status.rate, 2),
            "remaining_s": None if status.remaining_s is None else round(status.remaining_s),
            "ahead": status.ahead,
            "contest": batch.contest,
            "lang": batch.lang,
            "crops": batch.crops,
            "created_at": batch.created,
            "finished_at": batch.finished,
            "photos_left": status.left,
            "results_kept_s": round(kept_s),
            "results_deleted_at": batch.expires,
            "problem": problem,
        }
    )


async def _progress(service: Service, status: Status, owner: str | None, lang: Lang, last: str) -> AsyncIterator[bytes]:
    silent = 0.0
    while True:
        if (now := _event_id(status)) != last:
            last, silent = now, 0
            data = _out(service, status, lang).model_dump_json()
            yield format_sse_event(data_str=data, event="progress", id=now)
        elif silent >= ALIVE_S:
            silent = 0
            yield KEEPALIVE_COMMENT
        if status.batch.finished or service.batches.leaving:
            return
        silent += LOOK_S
        try:
            seen = await asyncio.shield(_next_look(service.batches, status.batch.id, owner))
        except (OSError, sqlite3.DatabaseError) as error:
            if disk_problem(error):  # until it can be read again, nothing is new
                continue
            raise
        if seen is None:
            yield format_sse_event(data_str="{}", event="deleted")
            return
        status = seen


def _next_look(batches: Batches, batch: str, owner: str | None) -> asyncio.Task[Status | None]:
    """The next look at a batch, which all who follow it share; it comes to None where there is no such batch any more."""

    async def look() -> Status | None:
        await asyncio.sleep(LOOK_S)
        try:
            return await run_in_threadpool(batches.find, batch, owner)
        except BatchRefused:
            return None
        finally:
            del batches.looks[batch]

    if batch not in batches.looks:
        batches.looks[batch] = asyncio.create_task(look())
    return batches.looks[batch]


def _event_id(status: Status) -> str:
    """What there is to tell of a batch, in a word: the same as long as nothing has changed, also over a restart."""
    return f"{status.batch.state}-{sum(status.batch.counts.values())}-{status.ahead}"


def _opened(service: Service, status: Status, name: str) -> IO[bytes]:
    """Open a file of a batch that is done, which can be read to its end whatever happens to the batch. Raises `BatchRefused`."""
    try:
        return (service.batches.spool.place(status.batch.id) / name).open("rb")
    except FileNotFoundError:  # deleted since it was found
        raise BatchRefused("batch-unknown") from None


def _lines(service: Service, status: Status, offset: int, limit: int) -> list[str]:
    with _opened(service, status, RESULTS) as file:
        return [line.decode().rstrip("\n") for line in islice(file, offset, offset + limit)]


def _policy(file: IO[bytes]) -> str:
    """What the report itself says that it may do, whatever version of the service it was written by; and in nobody's frame."""
    found = _POLICY.search(file.read(4096))
    policy = found[1].decode() if found else "default-src 'none'"
    return f"{policy}; frame-ancestors 'none'"
