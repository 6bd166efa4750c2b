"""Batches over HTTP: in this process where that will do, as a command where it is killed or told to stop."""

import asyncio
import errno
import http.client
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import chain, repeat
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.api.batches import LOOK_S
from app.api.privacy import LOGGED
from app.batch.batches import Batches, disk_problem
from app.batch.ledger import Ledger
from app.batch.pictures import LookJob
from app.batch.report.html_report import content_security_policy
from app.batch.run import Processes
from app.batch.spool import Batch, Spool, SpooledPhoto
from app.errors import BatchQueueFull, WorkerLost, WorkerNotStarted
from app.keys import new_key
from app.main import create_app
from app.schemas import BatchOut, BatchResults, Problem
from app.settings import Settings
from app.terminal.words import TerminalError
from app.workers import CheckerSetup, Job
from gestures import FinderError, ModelError, load_contest

PATIENT_S = 120


def picture(source, quality=90, side=200):
    file = io.BytesIO()
    Image.open(source).convert("RGB").resize((side, side)).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.fixture(scope="module")
def photos(samples):
    return {f"acara/{name}.jpg": picture(samples / f"{name}.jpg") for name in ("peace", "fist", "palm")}


@pytest.fixture(scope="module")
def spool(tmp_path_factory):
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def settings(spool):
    """Bounds small enough to run into; the quick finder, because it is not what is tested."""
    return Settings(
        workers=1, finder="mediapipe", check_timeout_s=PATIENT_S, max_wait_s=PATIENT_S,
        spool=spool, batch_files=40, batch_bytes=20 * 2**20, batch_queue=3,
    )  # fmt: skip


@pytest.fixture(scope="module")
def service(settings):
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def batches(service):
    """What works at batches, which a test may hold up."""
    return service.app.state.service.batches


@pytest.fixture
def held(batches, monkeypatch):
    """No photo is taken up until `.set()`."""
    go = threading.Event()
    submit = Processes.submit

    def later(self, job):
        assert go.wait(PATIENT_S)
        return submit(self, job)

    monkeypatch.setattr(Processes, "submit", later)
    yield go
    go.set()
    wait_until(lambda: not batches.spool.unfinished())


def wait_until(true, seconds=PATIENT_S):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def database_error(code, kind=sqlite3.OperationalError):
    error = kind("as SQLite words it")
    error.sqlite_errorcode = code
    return error


def send(client, files, **fields):
    return client.post("/v1/batches", files=[("photos", (name, data)) for name, data in files.items()], data=fields)


class Asked:
    """A request to the application itself, whose parts a test sends, and receives as they come."""

    def __init__(self, client, method, path, headers=(), receive=None, begun=None):
        """receive: gives parts of the body; default: there is none. begun: what is done, in a thread, once the answer begins."""
        self.messages = []
        headers = [(name.lower().encode(), value.encode()) for name, value in headers]
        scope = {"type": "http", "http_version": "1.1", "scheme": "http", "method": method, "path": path, "headers": headers}
        scope |= {"raw_path": path.encode(), "query_string": b"", "root_path": "", "server": ("testserver", 80), "client": None}
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}  # by which it learns from `send` that nobody listens

        async def send(message):
            self.messages.append(message)
            if begun and message["type"] == "http.response.start":
                await asyncio.to_thread(begun)

        self.future = client.portal.start_task_soon(client.app, scope, receive or self._receive, send)

    async def _receive(self):
        return {"type": "http.request", "body": b"", "more_body": False}

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.messages)

    def ended(self):
        """Wait for the end of the answer: its status, headers and body."""
        self.future.result(PATIENT_S)
        head = self.messages[0]
        return head["status"], {name.decode(): value.decode() for name, value in head["headers"]}, self.body


def finished(client, answer):
    assert answer.status_code == 202, answer.text
    place = answer.headers["location"]
    wait_until(lambda: client.get(place).json()["state"] in ("done", "failed"))
    status = client.get(place).json()
    assert status["state"] == "done", status
    return place, status


def zipped(entries, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def contents_of(count):
    """An archive's table of so many contents, which takes zipfile seconds to write (PKWARE's APPNOTE, 4.3.12 to 4.3.16)."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0)
    table = b"".join(entry + b"%05d.jpg" % number for number in range(count))
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(table), 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(table), 1)
    return table + end64 + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)


def files_in(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def refused(answer, kind, status):
    assert (answer.status_code, answer.json()["type"]) == (status, kind), answer.text
    problem = Problem.model_validate_json(answer.content)
    assert "{" not in problem.detail
    return problem


@pytest.fixture(scope="module")
def done(service, photos):
    """A batch that is done: three photos and a file that is none."""
    place, status = finished(service, send(service, photos | {"acara/catatan.jpg": b"hello"}, lang="en", contest="pilpres-2024"))
    return place, status


class TestABatch:
    def test_is_taken_at_once_and_told_where(self, service, photos, held):
        answer = send(service, photos)
        assert answer.status_code == 202
        status = BatchOut.model_validate_json(answer.content)
        assert answer.headers["location"] == f"/v1/batches/{status.id}"
        assert len(status.id) >= 32
        assert (status.state, status.photos, status.done, status.photos_left) == ("waiting", 3, 0, 3)
        assert status.results_deleted_at is None
        assert status.results_kept_s == 24 * 3600
        for part in ("results", "report.html", "report.csv"):
            refused(service.get(f"/v1/batches/{status.id}/{part}"), "batch-unfinished", 409)

    def test_counts_every_photo_and_says_when_results_go(self, done):
        status = BatchOut.model_validate(done[1])
        assert (status.photos, status.done, status.counts.failed, status.photos_left) == (4, 4, 1, 0)
        assert sum(status.counts.model_dump().values()) == 4
        assert (status.results_deleted_at - status.finished_at).total_seconds() == pytest.approx(24 * 3600)

    def test_gives_results_page_by_page(self, service, done):
        first = service.get(f"{done[0]}/results", params={"limit": 3}).json()
        rest = service.get(f"{done[0]}/results", params={"offset": first["next"]}).json()
        for page in (first, rest):
            BatchResults.model_validate(page)
        assert (first["total"], first["next"], rest["next"]) == (4, 3, None)
        by_name = {one["name"]: one for one in first["results"] + rest["results"]}
        assert list(by_name) == ["acara/catatan.jpg", "acara/fist.jpg", "acara/palm.jpg", "acara/peace.jpg"]
        assert by_name["acara/catatan.jpg"]["error"]["type"] == "photo-unsupported"
        assert by_name["acara/peace.jpg"]["contest"] == "pilpres-2024"
        assert service.get(f"{done[0]}/results", params={"offset": 99}).json()["results"] == []
        refused(service.get(f"{done[0]}/results", params={"offset": -1}), "request-invalid", 422)

    def test_checks_as_a_single_check_does(self, service, done, photos):
        alone = service.post("/v1/checks", files={"photo": photos["acara/peace.jpg"]}, data={"contest": "pilpres-2024"}).json()
        results = service.get(f"{done[0]}/results").json()["results"]
        together = next(one for one in results if one["name"] == "acara/peace.jpg")
        assert together | {"name": "", "elapsed_ms": 0} == alone | {"elapsed_ms": 0}

    def test_reports(self, service, done):
        page = service.get(f"{done[0]}/report.html")
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert policy == f"{content_security_policy()}; frame-ancestors 'none'"
        assert 'lang="en"' in page.text[:200]
        book = service.get(f"{done[0]}/report.xlsx")
        assert book.content.startswith(b"PK")
        assert "attachment" in book.headers["content-disposition"]
        for answer in (page, book):
            assert done[1]["id"] not in answer.headers["content-disposition"]  # whoever knows it may see the results
        table = service.get(f"{done[0]}/report.csv")
        assert "acara/peace.jpg" in table.text
        part = service.get(f"{done[0]}/report.csv", headers={"Range": "bytes=10-99", "If-Range": table.headers["etag"]})
        assert (part.status_code, part.content) == (206, table.content[10:100])
        refused(service.get(f"{done[0]}/report.csv", headers={"Range": "bytes=9999999-"}), "http-error", 416)
        assert service.get(f"{done[0]}/report.pdf").status_code == 422

    def test_photos_are_gone_once_checked_and_results_are_there(self, service, spool, done):
        names = {path.name for path in files_in(spool / done[1]["id"])}
        assert {"results.jsonl", "report.html", "report.xlsx", "report.csv"} <= names
        assert not (spool / done[1]["id"] / "photos").exists()

    def test_without_crops_no_pixel_is_kept(self, service, photos):
        place, status = finished(service, send(service, photos, crops="false"))
        assert status["crops"] is False
        assert 'id="pixels-0"' not in service.get(f"{place}/report.html").text
        service.delete(place)

    def test_deleting(self, service, spool, photos):
        place, status = finished(service, send(service, photos))
        assert service.delete(place).status_code == 204
        assert not (spool / status["id"]).exists()
        refused(service.get(place), "batch-unknown", 404)
        refused(service.delete(place), "batch-unknown", 404)

    @pytest.mark.parametrize("kind", ["html", "csv"])
    def test_a_report_is_sent_to_its_end_whatever_happens_to_the_batch(self, service, spool, photos, kind):
        place, status = finished(service, send(service, photos))
        written = (spool / status["id"] / f"report.{kind}").read_bytes()
        code, headers, body = Asked(service, "GET", f"{place}/report.{kind}", begun=lambda: service.delete(place)).ended()
        assert (code, body) == (200, written)
        assert int(headers["content-length"]) == len(written)
        refused(service.get(place), "batch-unknown", 404)

    def test_what_was_deleted_a_moment_ago(self, service, spool, photos):
        place, status = finished(service, send(service, photos))
        shutil.rmtree(spool / status["id"])
        for part in ("results", "report.html", "report.xlsx", "report.csv"):
            refused(service.get(f"{place}/{part}"), "batch-unknown", 404)

    def test_the_folder_is_nobody_elses_to_read(self, spool, done):
        assert (spool / done[1]["id"]).stat().st_mode & 0o077 == 0


class TestArchives:
    def test_each_entry_is_a_photo_and_goes_when_it_is_checked(self, service, photos, samples, held, spool):
        inner = zipped({"b.jpg": photos["acara/fist.jpg"]})
        answer = send(service, {"acara.zip": zipped(photos | {"dalam.zip": inner, "catatan.txt": b"x"})})
        assert answer.json()["photos_left"] == 3
        assert len(files_in(spool / answer.json()["id"] / "photos")) == 3  # and the archive is gone
        held.set()
        place, _ = finished(service, answer)
        results = {one["name"]: one for one in service.get(f"{place}/results").json()["results"]}
        assert set(results) == {*photos, "dalam.zip"}
        assert results["dalam.zip"]["error"]["type"] == "archive-nested"

    def test_among_other_files_its_name_comes_first_and_no_two_are_the_same(self, service, photos):
        peace, fist = photos["acara/peace.jpg"], photos["acara/fist.jpg"]
        files = [("photos", ("a.zip", zipped({"x.jpg": peace}))), ("photos", ("b.jpg", fist)), ("photos", ("b.jpg", peace))]
        place, _ = finished(service, service.post("/v1/batches", files=files))
        assert [one["name"] for one in service.get(f"{place}/results").json()["results"]] == ["a.zip/x.jpg", "b.jpg", "b.jpg (2)"]

    def test_one_among_others_that_is_not_opened_is_told_by_its_name_and_the_others_are_checked(self, service, photos):
        """As the command tells it."""
        files = {
            "hari-1.zip": zipped({"a.jpg": photos["acara/peace.jpg"]}),
            "hari-2.zip": zipped({"../../etc/a.jpg": b"x"}),
            "hari-3.zip": zipped({f"{number}.jpg": bytes(30 * 2**20) for number in range(4)}, zipfile.ZIP_DEFLATED),
            "hari-4.zip": b"PK\x03\x04" + b"x" * 200,
            "hari-5.zip": zipped({"a.txt": b"x"}),
            "b.jpg": photos["acara/fist.jpg"],
        }
        place, status = finished(service, send(service, files, lang="en"))
        assert (status["photos"], status["counts"]["failed"]) == (6, 4)
        results = service.get(f"{place}/results").json()["results"]
        assert {one["name"]: one["error"]["type"] for one in results if "error" in one} == {
            "hari-2.zip": "archive-climbs",
            "hari-3.zip": "archive-bomb",
            "hari-4.zip": "archive-damaged",
            "hari-5.zip": "archive-empty",
        }
        assert {one["name"] for one in results if "error" not in one} == {"hari-1.zip/a.jpg", "b.jpg"}
        assert "hari-3.zip" in service.get(f"{place}/report.csv").text

    @pytest.mark.parametrize(
        ("kind", "status", "make"),
        [
            ("archive-climbs", 422, lambda: zipped({"../../etc/a.jpg": b"x"})),
            ("archive-climbs", 422, lambda: zipped({"/etc/a.jpg": b"x"})),
            ("archive-empty", 422, lambda: zipped({"a.txt": b"x"})),
            ("archive-damaged", 422, lambda: b"PK\x03\x04" + b"x" * 200),
            ("batch-too-many", 413, lambda: contents_of(100_000)),  # the bound that whoever splits it would meet next
            ("archive-bomb", 413, lambda: zipped({f"{number}.jpg": bytes(30 * 2**20) for number in range(4)}, zipfile.ZIP_DEFLATED)),
            ("batch-too-many", 413, lambda: zipped({f"{number}.jpg": b"x" for number in range(41)})),
            ("batch-too-large", 413, lambda: zipped({f"{number}.jpg": bytes(11 * 2**20) for number in range(2)}, zipfile.ZIP_DEFLATED)),
        ],
    )
    def test_what_is_refused(self, service, spool, kind, status, make):
        before = files_in(spool)
        refused(send(service, {"a.zip": make()}), kind, status)
        assert {path for path in files_in(spool) if "sqlite" not in path.name} <= before


class TestRefusals:
    def test_too_many_files(self, service):
        refused(send(service, {f"{number}.jpg": b"x" for number in range(41)}), "batch-too-many", 413)

    def test_too_many_bytes(self, service, spool):
        refused(send(service, {"a.jpg": bytes(21 * 2**20)}), "batch-too-large", 413)

        def body():
            yield b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
            for _ in range(21):
                yield bytes(2**20)

        form = {"Content-Type": "multipart/form-data; boundary=b"}
        refused(service.post("/v1/batches", content=body(), headers=form), "batch-too-large", 413)

    @pytest.mark.parametrize(
        ("fields", "kind"),
        [
            ({"contest": "none"}, "contest-unknown"),
            ({"lang": "fr"}, "request-invalid"),
            ({"crops": "x"}, "request-invalid"),
            ({"crops": ""}, "request-invalid"),
        ],
    )
    def test_fields(self, service, photos, fields, kind):
        answer = send(service, photos, **fields)
        refused(answer, kind, 422)
        assert [one["field"] for one in answer.json().get("fields", [])] == list(fields) * (kind == "request-invalid")

    def test_a_field_may_come_with_a_name_of_a_file(self, service, photos):
        files = [
            ("photos", ("a.jpg", photos["acara/peace.jpg"])),
            ("contest", ("upload", b"pilpres-2024")),
            ("crops", ("upload", b"false")),
        ]
        _, status = finished(service, service.post("/v1/batches", files=files))
        assert (status["contest"], status["photos"], status["crops"]) == ("pilpres-2024", 1, False)

    def test_a_choice_of_files_that_nobody_made_is_no_photo(self, service, photos):
        nothing = b'--b\r\nContent-Disposition: form-data; name="photos"; filename=""\r\n\r\n\r\n'
        one = b'--b\r\ncontent-disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n' + photos["acara/peace.jpg"] + b"\r\n"
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        refused(service.post("/v1/batches", content=nothing + b"--b--\r\n", headers=form), "request-invalid", 422)
        _, status = finished(service, service.post("/v1/batches", content=nothing + one + nothing + b"--b--\r\n", headers=form))
        assert (status["photos"], status["counts"]["failed"]) == (1, 0)

    def test_the_query_may_name_the_contest(self, service, photos):
        photo = {"photos": photos["acara/peace.jpg"]}
        refused(service.post("/v1/batches", params={"contest": "none"}, files=photo), "contest-unknown", 422)
        _, status = finished(service, service.post("/v1/batches", params={"contest": "pilpres-2024"}, files=photo))
        assert status["contest"] == "pilpres-2024"

    def test_errors_are_in_the_form_s_language(self, service, photos):
        assert send(service, photos, lang="en", contest="none").headers["content-language"] == "en"

    def test_no_photos(self, service):
        refused(service.post("/v1/batches", files={"lang": (None, "id")}), "request-invalid", 422)

    def test_no_form_or_half_of_one(self, service):
        refused(service.post("/v1/batches", content=b"x"), "media-type-unsupported", 415)
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        half = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\nabc'
        refused(service.post("/v1/batches", content=half, headers=form), "request-malformed", 400)
        refused(service.post("/v1/batches", content=b"nothing", headers=form), "request-malformed", 400)
        bare = b'--b\r\nContent-Disposition: form-data; name="lang"\r\n\r\nid\r\n--b\r\nContent-Type: text/plain\r\n\r\nabc\r\n--b--\r\n'
        refused(service.post("/v1/batches", content=bare, headers=form), "request-malformed", 400)

    def test_from_another_page(self, service, photos, done):
        for ask in (
            lambda **more: service.post("/v1/batches", files={"photos": b"x"}, **more),
            lambda **more: service.delete(done[0], **more),
        ):
            refused(ask(headers={"Origin": "https://elsewhere.example"}), "origin-refused", 403)

    def test_one_that_is_on_its_way_is_not_swept_away(self, batches):
        with batches.receiving(None) as (_, folder):
            batches.spool.clean(batches._in_use)
            assert folder.exists()

    def test_when_too_many_wait(self, service, photos, held):
        places = [send(service, photos).headers["location"] for _ in range(3)]
        answer = send(service, photos)
        refused(answer, "batch-queue-full", 503)
        assert int(answer.headers["retry-after"]) >= 5
        assert service.get(places[2]).json()["ahead"] == 2
        assert service.delete(places[2]).status_code == 204
        assert send(service, photos).status_code == 202

    def test_no_key_takes_more_than_half_of_the_places(self, batches):
        """Whether what it sends is on its way or here: of three places two, and one of them for others."""
        with ExitStack() as places:
            mine = [places.enter_context(batches.receiving("intranet")) for _ in range(2)]
            assert mine[0] != mine[1]
            with pytest.raises(BatchQueueFull):
                places.enter_context(batches.receiving("intranet"))
            places.enter_context(batches.receiving("cms"))
            with pytest.raises(BatchQueueFull):
                places.enter_context(batches.receiving("web"))

    def test_one_that_is_on_its_way_for_too_long(self, service, batches, monkeypatch):
        """It keeps a place from others, however steadily it comes."""

        async def trickle():
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": next(parts), "more_body": True}

        parts = chain([b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'], repeat(b"abc"))
        before = set(batches.spool.folder.iterdir())
        monkeypatch.setattr("app.api.batches.ARRIVE_S", 0.5)
        form = [("Content-Type", "multipart/form-data; boundary=b")]
        status, _, body = Asked(service, "POST", "/v1/batches", form, receive=trickle).ended()
        assert (status, json.loads(body)["type"]) == (408, "upload-slow")
        assert set(batches.spool.folder.iterdir()) == before

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (OSError(errno.ENOSPC, "No space left on device"), "spool-full"),
            (OSError(errno.EDQUOT, "Disk quota exceeded"), "spool-full"),
            (OSError(errno.EIO, "Input/output error"), "spool-unusable"),
            (OSError(errno.EROFS, "Read-only file system"), "spool-unusable"),
            (database_error(sqlite3.SQLITE_FULL), "spool-full"),
            (database_error(sqlite3.SQLITE_IOERR_WRITE), "spool-unusable"),
            (database_error(sqlite3.SQLITE_CORRUPT, sqlite3.DatabaseError), "spool-unusable"),  # as what cannot be read may seem
            (TerminalError("file-unreadable", reason="Input/output error"), "spool-unusable"),  # as an archive tells it
        ],
        ids=[
            "full",
            "full for us",
            "fails",
            "can only be read",
            "full for a database",
            "fails a database",
            "seems to fail it",
            "fails in an archive",
        ],
    )
    def test_a_disk_that(self, service, photos, spool, monkeypatch, error, kind):
        def failing(*args):
            raise error

        before = set(spool.iterdir())
        monkeypatch.setattr("app.batch.batches.unpack", failing)
        refused(send(service, photos), kind, 503)
        assert set(spool.iterdir()) == before

    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.ENOENT, "No such file"),
            database_error(sqlite3.SQLITE_ERROR),
            database_error(sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.IntegrityError),
            sqlite3.ProgrammingError("Cannot operate on a closed database."),
        ],
    )
    def test_our_own_mistakes_are_not_the_disks(self, error):
        assert disk_problem(error) is None

    def test_a_disk_that_fails_is_told_whatever_is_asked_and_what_follows_goes_on(
        self, service, photos, done, batches, monkeypatch, caplog
    ):
        def failing(self, *args):
            raise database_error(sqlite3.SQLITE_CORRUPT, sqlite3.DatabaseError)

        monkeypatch.setattr("app.batch.batches.RESUME_S", 0.01)
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "_batches", failing)
            with batches._changed:
                batches._changed.notify_all()  # as when a batch has come
            wait_until(lambda: [record for record in caplog.records if record.getMessage() == "batches wait"])
            refused(send(service, photos), "spool-unusable", 503)
            for part in ("", "/events", "/results", "/report.csv"):
                refused(service.get(done[0] + part), "spool-unusable", 503)
            refused(service.delete(done[0]), "spool-unusable", 503)
        finished(service, send(service, photos))

    def test_one_whose_sender_has_left_is_not_kept(self, service, photos, batches, held):
        """Nobody else knows its address."""
        body = (
            b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n' + photos["acara/peace.jpg"] + b"\r\n--b--\r\n"
        )
        parts = iter([{"type": "http.request", "body": body}])

        async def receive():
            return next(parts, {"type": "http.disconnect"})

        before = set(batches.spool.folder.iterdir())
        form = [("Content-Type", "multipart/form-data; boundary=b")]
        assert Asked(service, "POST", "/v1/batches", form, receive=receive).ended()[0] == 499
        assert batches.spool.unfinished() == []
        assert set(batches.spool.folder.iterdir()) == before

    def test_ids_that_are_none(self, service):
        for name in ("nothing", "..%2f..", "a" * 500):
            refused(service.get(f"/v1/batches/{name}/results"), "batch-unknown", 404) if "%" not in name else None
            assert service.get(f"/v1/batches/{name}").status_code == 404

    def test_where_they_are_off(self, client, photos):
        refused(send(client, photos), "batches-off", 404)
        assert client.get("/v1/limits").json()["batches"] is None
        assert client.get("/privacy").json()["results_kept"] is False

    def test_a_spool_that_cannot_be_used_leaves_single_checks_as_they_are(self, settings, service, photos):
        """Here because another service has it."""
        with TestClient(create_app(settings)) as second:
            refused(send(second, photos), "spool-unusable", 503)
            assert second.get("/healthz").status_code == 200

    @pytest.mark.parametrize(
        ("reason", "error"),
        [("another service uses it", None), ("No space left on device", OSError(errno.ENOSPC, "No space left on device"))],
    )
    def test_a_spool_that_can_be_used_later_is_taken_up(self, tmp_path, photos, monkeypatch, caplog, reason, error):
        """Whether another service has let it go, or its disk has room again; what is in it is gone on with."""
        caplog.set_level("INFO", "app.batch.batches")
        before = Spool(tmp_path)
        batch = before.new()
        (before.photos(batch) / "0").write_bytes(photos["acara/peace.jpg"])
        before.add(Batch(batch, None, "default", "id", False, 1), [SpooledPhoto(0, "a.jpg")])
        tries, usable = [], threading.Event()

        def opened(folder):
            tries.append(folder)
            return Spool(folder)

        def cleaned(self, *spared):
            if error and not usable.is_set():
                raise error
            clean(self, *spared)

        clean = Spool.clean
        monkeypatch.setattr(Spool, "clean", cleaned)
        monkeypatch.setattr("app.batch.batches.Spool", opened)
        monkeypatch.setattr("app.batch.batches.AGAIN_S", 0.01)
        if error:
            before.close()
        with TestClient(create_app(Settings(workers=1, finder="mediapipe", check_timeout_s=PATIENT_S, spool=tmp_path))) as client:
            wait_until(lambda: len(tries) >= 3, 20)
            refused(send(client, photos), "spool-unusable", 503)
            assert client.get("/privacy").json()["batches"] is False
            if not error:
                before.close()
            usable.set()
            wait_until(lambda: client.get(f"/v1/batches/{batch}").status_code == 200, 20)
            wait_until(lambda: client.get(f"/v1/batches/{batch}").json()["state"] == "done")
            finished(client, send(client, {"b.jpg": photos["acara/fist.jpg"]}))
        said = [record.fields["reason"] for record in caplog.records if record.levelname == "ERROR"]
        assert said == [reason]

    def test_one_whose_contest_there_is_no_more_is_advised_on_by_the_one_that_is_set(self, tmp_path, photos):
        with closing(Spool(tmp_path)) as before:
            batch = before.new()
            (before.photos(batch) / "0").write_bytes(photos["acara/peace.jpg"])
            before.add(Batch(batch, None, "kota-2024", "id", False, 1), [SpooledPhoto(0, "a.jpg")])
        settings = Settings(workers=1, finder="mediapipe", check_timeout_s=PATIENT_S, spool=tmp_path, contest="pilpres-2024")
        with TestClient(create_app(settings)) as client:
            place = f"/v1/batches/{batch}"
            wait_until(lambda: client.get(place).json()["finished_at"])
            assert (client.get(place).json()["state"], client.get(place).json()["contest"]) == ("done", "pilpres-2024")
            assert client.get(f"{place}/results").json()["results"][0]["contest"] == "pilpres-2024"

    def test_those_that_are_unpacked_hold_up_no_photo(self, tmp_path, photos, monkeypatch):
        """However many: asyncio has but a few threads of its own, and all are taken then."""
        many = min(32, (os.cpu_count() or 1) + 4)
        unpacking, unpacked = threading.Semaphore(0), threading.Event()
        add = Batches.add

        def slowly(*args, **options):
            unpacking.release()
            assert unpacked.wait(PATIENT_S)
            return add(*args, **options)

        monkeypatch.setattr(Batches, "add", slowly)
        settings = Settings(workers=1, finder="mediapipe", check_timeout_s=PATIENT_S, spool=tmp_path, batch_queue=many)
        with TestClient(create_app(settings)) as client, ThreadPoolExecutor(many + 1) as senders:
            batches = [senders.submit(send, client, photos) for _ in range(many)]
            try:
                for _ in range(many):
                    assert unpacking.acquire(timeout=PATIENT_S)
                one = senders.submit(client.post, "/v1/checks", files={"photo": photos["acara/peace.jpg"]})
                assert one.result(PATIENT_S / 4).status_code == 200
            finally:
                unpacked.set()
            assert {batch.result(PATIENT_S).status_code for batch in batches} == {202}


class TestWhatIsTold:
    def test_limits_and_privacy(self, service):
        assert service.get("/v1/limits").json()["batches"] == {"files": 40, "bytes": 20 * 2**20, "kept_s": 24 * 3600}
        told = service.get("/privacy").json()
        assert (told["batches"], told["photos_kept"], told["results_kept"], told["results_kept_s"]) == (True, False, True, 24 * 3600)

    def test_the_log_knows_neither_names_nor_ids(self, service, photos, caplog):
        caplog.set_level("DEBUG")
        place, status = finished(service, send(service, {"rapat-rahasia.jpg": photos["acara/peace.jpg"]}))
        service.get(f"{place}/report.csv")
        wait_until(lambda: [record for record in caplog.records if record.getMessage() == "batch done"])
        lines = "\n".join(
            f"{record.getMessage()} {getattr(record, 'fields', '')}" for record in caplog.records if record.name.startswith("app")
        )
        assert "/v1/batches/{batch}" in lines
        assert "rahasia" not in lines
        assert status["id"] not in lines

    def test_the_log_has_sizes_and_when_a_batch_is_done_but_no_result(self, service, photos, caplog):
        caplog.set_level("INFO")
        files = photos | {"acara.zip": zipped(photos)}
        finished(service, send(service, files))
        refused(send(service, {"a.zip": b"PK, but no archive"}), "archive-damaged", 422)
        wait_until(lambda: [record for record in caplog.records if record.getMessage() == "batch done"])
        logged = [(record.getMessage(), record.fields) for record in caplog.records if record.name.startswith("app")]
        requests = [fields for event, fields in logged if event == "request"]
        assert set().union(*requests) <= set(LOGGED)
        sent = [fields["bytes"] for fields in requests if fields["method"] == "POST"]
        assert sent == [sum(map(len, files.values())), len(b"PK, but no archive")]
        (done,) = [fields for event, fields in logged if event == "batch done"]
        assert set(done) == {"photos", "seconds"}
        assert done["photos"] == 2 * len(photos)
        assert 0 <= done["seconds"] < PATIENT_S


class TestFigures:
    def test_batches_as_they_are_and_what_became_of_them(self, service, photos, held):
        def figures():
            lines = [line.rpartition(" ") for line in service.get("/metrics").text.splitlines()]
            return {name: float(value) for name, _, value in lines if re.match("jari_(batch|spool)", name)}

        before = figures()
        sent = {f"rapat-{number}.jpg": data for number, data in enumerate(photos.values())} | {"catatan.jpg": b"hello"}
        places = [send(service, sent) for _ in range(3)]
        wait_until(lambda: figures()['jari_batches_unfinished{state="running"}'] == 1)  # taken up, though held at its first photo
        now = figures()
        assert now['jari_batches_unfinished{state="waiting"}'] == 2
        assert now["jari_spool_photos"] == before["jari_spool_photos"] + 3 * len(sent)
        size = sum(map(len, sent.values()))
        assert now["jari_spool_bytes"] >= before["jari_spool_bytes"] + 3 * size
        assert now["jari_spool_free_bytes"] > 0
        assert service.delete(places[2].headers["location"]).status_code == 204
        held.set()
        for answer in places[:2]:
            finished(service, answer)
        done = 'jari_batches_ended_total{outcome="done"}'
        wait_until(lambda: figures()[done] == before[done] + 2)  # a batch is counted once it is told to be done
        after = figures()
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name] and "bytes" not in name}
        assert grown.pop(done) == 2
        assert grown.pop('jari_batches_ended_total{outcome="deleted"}') == 1
        assert grown.pop('jari_batch_photos_total{level="failed"}') == 2
        assert sum(grown.values()) == 2 * len(photos)
        assert all("jari_batch_photos_total" in name for name in grown)
        assert "rapat" not in service.get("/metrics").text

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (FinderError(problem="no memory for /srv/jari/model"), "finder-error"),
            (OSError(errno.ENOENT, "No such file", "/srv/jari/x"), "internal-error"),
        ],
    )
    def test_no_path_of_the_server_is_told(self, service, photos, monkeypatch, error, kind):
        def fails(self, job):
            future = Future()
            future.set_exception(error)
            return future

        monkeypatch.setattr(Processes, "submit", fails)
        place, _ = finished(service, send(service, {"a.jpg": photos["acara/peace.jpg"]}))
        answer = service.get(f"{place}/results")
        assert answer.json()["results"][0]["error"]["type"] == kind
        assert "/srv" not in answer.text

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (TerminalError("batch-disk-full", path="/srv/jari/x"), "spool-full"),
            (RuntimeError("a mistake of ours"), "batch-failed"),
        ],
    )
    def test_one_that_fails(self, service, photos, batches, monkeypatch, error, kind):
        def broken(*args, **options):
            raise error

        monkeypatch.setattr("app.batch.batches.write_files", broken)
        failed = batches.ended["failed"]
        place = send(service, photos).headers["location"]
        wait_until(lambda: service.get(place).json()["state"] == "failed")
        wait_until(lambda: batches.ended["failed"] == failed + 1)
        status = service.get(place).json()
        assert status["problem"]["type"] == kind
        assert status["done"] == len(photos)  # what was checked before stays counted
        for part in ("results", "report.csv"):
            refused(service.get(f"{place}/{part}"), "batch-failed", 409)

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (ModelError(path="/srv/jari/x", problem="missing"), "model-error"),
            (WorkerNotStarted(), "worker-lost"),
            (OSError(errno.EIO, "Input/output error"), "spool-unusable"),
            (TerminalError("ledger-damaged", file="/srv/jari/x"), "ledger-damaged"),
            (database_error(sqlite3.SQLITE_CORRUPT, sqlite3.DatabaseError), "spool-unusable"),
        ],
    )
    def test_one_that_cannot_be_worked_at_waits_with_its_photos_and_holds_up_no_other(
        self, service, photos, batches, held, monkeypatch, caplog, error, kind
    ):
        def opened(folder, *args, **options):
            if folder.name == waiting:
                tries.append(folder)
                raise error
            return Ledger(folder, *args, **options)

        def said():
            return [record.fields["problem"] for record in caplog.records if record.getMessage() == "batches wait"]

        waiting, tries = "", []
        monkeypatch.setattr("app.batch.batches.RESUME_S", 0.01)
        monkeypatch.setattr("app.batch.batches.Ledger", opened)
        failed = batches.ended["failed"]
        first, answer, last = (send(service, photos) for _ in range(3))  # the first is held at its first photo
        waiting = answer.json()["id"]
        held.set()
        finished(service, first)
        finished(service, last)
        wait_until(lambda: len(tries) >= 5)
        assert said() in ([kind], [kind, kind])  # again after the last was done in between
        assert service.get(f"/v1/batches/{waiting}").json()["photos_left"] == len(photos)
        assert len(files_in(batches.spool.photos(waiting))) == len(photos)
        waiting = ""
        finished(service, answer)
        assert batches.ended["failed"] == failed

    def test_without_batches_there_are_none(self, client):
        assert "jari_spool" not in client.get("/metrics").text


class TestFollowers:
    def test_of_the_head_alone_are_not_kept_waiting(self, service, photos, held):
        place = send(service, photos).headers["location"]
        answer = service.head(f"{place}/events")
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/event-stream; charset=utf-8", b"")
        assert answer.headers["x-accel-buffering"] == "no"  # else a proxy such as nginx waits for more
        assert service.get(place).json()["photos_left"] == 3

    def test_share_each_look(self, service, photos, held, batches, monkeypatch):
        looks = []

        def found(self, batch, owner):
            looks.append(time.monotonic())
            return find(self, batch, owner)

        find = Batches.find
        place = send(service, photos).headers["location"]
        monkeypatch.setattr(Batches, "find", found)
        followers = [Asked(service, "GET", f"{place}/events") for _ in range(20)]
        wait_until(lambda: all(follower.body for follower in followers))
        looks.clear()
        wait_until(lambda: len(looks) >= 5)
        assert looks[-1] - looks[0] > 3 * LOOK_S  # in which there were four of them, or a little less where the machine is busy
        held.set()
        for follower in followers:
            assert b'"state":"done"' in follower.ended()[2]
        wait_until(lambda: not batches.looks)

    def test_are_kept_while_the_disk_fails(self, service, photos, held, monkeypatch):
        def failing(self, *args):
            fails.append(args)
            raise database_error(sqlite3.SQLITE_IOERR_READ)

        fails = []
        place = send(service, photos).headers["location"]
        follower = Asked(service, "GET", f"{place}/events")
        wait_until(lambda: follower.body)
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "find", failing)
            wait_until(lambda: len(fails) >= 2)
        held.set()
        assert b'"state":"done"' in follower.ended()[2]

    def test_nobody_else_waits_while_the_disk_keeps_a_look_waiting(self, service, photos, held, batches, monkeypatch):
        waiting = []

        def found(self, batch):
            waiting.append(batch)
            return find(self, batch)

        find = Spool.find
        place = send(service, photos).headers["location"]
        follower = Asked(service, "GET", f"{place}/events")
        wait_until(lambda: follower.body)
        with ThreadPoolExecutor() as others:
            with batches.spool._guard:  # as for as long as the disk takes to keep what was committed
                monkeypatch.setattr(Spool, "find", found)
                wait_until(lambda: waiting)
                asked = [others.submit(service.get, place), others.submit(send, service, photos), others.submit(service.delete, place)]
                for _ in range(20):
                    assert others.submit(service.get, "/healthz").result(20).status_code == 200
            wait_until(lambda: service.get(place).status_code == 404)
            held.set()  # who deletes a batch waits for the work at it to end
            assert [one.result(PATIENT_S).status_code for one in asked][1] == 202
        assert b"event: deleted" in follower.ended()[2]


class TestSingleChecksFirst:
    def test_a_check_overtakes_a_batch(self, service, photos, samples):
        many = {f"{number}.jpg": picture(samples / "peace.jpg", quality=50 + number) for number in range(30)}
        place = send(service, many).headers["location"]
        wait_until(lambda: service.get(place).json()["done"] >= 1)
        assert service.post("/v1/checks", files={"photo": photos["acara/peace.jpg"]}).status_code == 200
        assert service.get(place).json()["state"] == "running"
        assert service.delete(place).status_code == 204

    def test_a_batch_leaves_the_queue_to_single_checks(self, service, photos):
        pool = service.app.state.service.pool
        for _ in range(pool.queue_size + 5):
            pool.submit(Job(photos["acara/fist.jpg"]), later=True)
        pool.admit()
        assert pool.waiting == 0


class TestKeys:
    def test_a_key_sees_its_own_batches_only(self, tmp_path, photos):
        mine, other = new_key("mine"), new_key("other")
        settings = Settings(workers=1, finder="mediapipe", spool=tmp_path, api_keys=f"{mine[1]},{other[1]}")
        with TestClient(create_app(settings)) as client:
            refused(send(client, photos), "key-needed", 401)
            client.headers["Authorization"] = f"Bearer {mine[0]}"
            place = send(client, photos).headers["location"]
            assert client.get(place).status_code == 200
            client.headers["Authorization"] = f"Bearer {other[0]}"
            for part in ("", "/events", "/results", "/report.csv"):
                refused(client.get(place + part), "batch-unknown", 404)
            refused(client.delete(place), "batch-unknown", 404)
            client.headers["Authorization"] = f"Bearer {mine[0]}"
            assert client.delete(place).status_code == 204
            del client.headers["Authorization"]
            assert client.get("/batch").status_code == 200


class TestRetention:
    def test_results_are_deleted_when_their_time_is_over(self, tmp_path, monkeypatch):
        monkeypatch.setattr("app.batch.batches.SWEEP_S", 0.2)
        with TestClient(create_app(Settings(workers=1, finder="mediapipe", spool=tmp_path, batch_keep_s=3600))) as client:
            place, status = finished(client, send(client, {"a.jpg": b"hello"}))
            assert status["results_kept_s"] == 3600
            assert status["results_deleted_at"]
            folder = tmp_path / status["id"]
            assert (folder / "report.html").exists()
            spool = client.app.state.service.batches.spool
            spool.update(replace(spool.find(status["id"]), expires=time.time()))  # as it is an hour later
            wait_until(lambda: client.get(place).status_code == 404)
            wait_until(lambda: not folder.exists())
            with closing(sqlite3.connect(tmp_path / "batches.sqlite")) as db:
                assert db.execute("SELECT count(*) FROM batches").fetchone() == (0,)

    def test_what_was_settled_when_it_was_done_stays_whatever_is_set_later(self, tmp_path):
        settings = Settings(workers=1, finder="mediapipe", spool=tmp_path, batch_keep_s=3600)
        with TestClient(create_app(settings)) as client:
            place, before = finished(client, send(client, {"a.jpg": b"hello"}))
        with TestClient(create_app(settings.model_copy(update={"batch_keep_s": 7200}))) as client:
            after = client.get(place).json()
            assert after == before
            assert after["results_kept_s"] == 3600


# What follows talks to a service as a command, which is killed and told to stop.


@contextmanager
def running(spool, log, **settings):
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--workers", "1"]
    environment = os.environ | {"JARI_SPOOL": str(spool), "JARI_FINDER": "mediapipe", "JARI_CHECK_TIMEOUT_S": "120"} | settings
    with log.open("a") as stream:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream, text=True)
    address = urlsplit(process.stdout.readline().split(": ")[1].split(" ")[0]).netloc
    try:
        wait_until(lambda: answers(address))
        yield address, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def answers(address):
    try:
        return ask(address, "GET", "/healthz")[0] == 200
    except OSError:
        return False


def ask(address, method, path, body=None, headers=()):
    request = urllib.request.Request(f"http://{address}{path}", body, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def post(address, files):
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="photos"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files.items()
    ]
    status, batch = ask(address, "POST", "/v1/batches", b"".join(parts) + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"})
    assert status == 202, batch
    return batch["id"]


class Follower:
    """Someone who follows a batch's events."""

    there: ClassVar = []

    def __init__(self, address, batch, last=""):
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.connection.request("GET", f"/v1/batches/{batch}/events", headers={"Last-Event-ID": last})
        self.answer = self.connection.getresponse()
        self.there.append(self)

    def events(self):
        """Yield (event, id, data) until the stream ends."""
        event = {}
        for line in self.answer:
            name, _, value = line.decode().strip().partition(": ")
            if name:
                event[name] = value
            elif "data" in event:
                yield event["event"], event.get("id", ""), json.loads(event["data"])
                event = {}
            else:
                event = {}

    def leave(self):
        self.answer.close()
        self.connection.close()


@pytest.fixture
def _followers_leave():
    yield
    while Follower.there:
        Follower.there.pop().leave()


@pytest.fixture(scope="module")
def many(samples):
    """So many that a fast machine, too, is still at work when the service is told to stop for the second time."""
    names = ("peace", "fist", "palm", "ok", "like")
    return {f"{name}-{quality}.jpg": picture(samples / f"{name}.jpg", quality) for name in names for quality in range(60, 80)}


def state(address, batch):
    return ask(address, "GET", f"/v1/batches/{batch}")[1]


def without_time(results):
    return [one | {"elapsed_ms": 0} for one in results]


@pytest.mark.usefixtures("_followers_leave")
class TestKilledAndStopped:
    def test_it_goes_on_after_each(self, tmp_path, many):
        """One batch: killed with two followers, gone on with, told to stop, gone on with to its end; and the same undisturbed."""
        spool, log = tmp_path / "spool", tmp_path / "log"
        with running(spool, log) as (address, process):
            batch = post(address, many)
            followers = [Follower(address, batch), Follower(address, batch)]
            leaver = Follower(address, batch)
            next(leaver.events())
            leaver.leave()
            for follower in followers:
                for event, last, now in follower.events():  # noqa: B007 - what the last one heard last
                    assert event == "progress"
                    if now["done"] >= 5:
                        break
            assert now["remaining_s"] is not None
            process.kill()
            process.wait(60)
        left = len(files_in(spool / batch / "photos"))
        assert 0 < left <= len(many) - 5

        with running(spool, log) as (address, process):
            wait_until(lambda: state(address, batch)["done"] > len(many) - left + 3)
            # As a browser does by itself; it is told how things stand now.
            follower = Follower(address, batch, last)
            stream = follower.events()
            assert next(stream)[2]["done"] > 5
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            list(stream)  # followers are let go
            assert process.wait(60) in (0, -signal.SIGTERM)
            assert time.monotonic() - began < 15
        assert 0 < len(files_in(spool / batch / "photos")) < left
        assert '"bug"' not in log.read_text()

        with running(spool, log) as (address, _):
            *_, (event, last, final) = Follower(address, batch, last).events()
            assert (event, final["state"], final["done"]) == ("progress", "done", len(many))
            assert Follower(address, batch, last).answer.status == 204
            disturbed = ask(address, "GET", f"/v1/batches/{batch}/results?limit=500")[1]["results"]
            with closing(sqlite3.connect(spool / batch / "ledger.sqlite")) as ledger:
                assert ledger.execute("SELECT count(*) FROM found").fetchone() == (len(many),)
            again = post(address, many)
            wait_until(lambda: state(address, again)["state"] == "done")
            undisturbed = ask(address, "GET", f"/v1/batches/{again}/results?limit=500")[1]["results"]
            assert sorted(one["name"] for one in disturbed) == sorted(many)
            assert without_time(disturbed) == without_time(undisturbed)

            # Deleted while it runs: whoever follows it is told, and nothing is left.
            third = post(address, many)
            stream = Follower(address, third).events()
            for _, _, now in stream:
                if now["done"]:
                    break
            assert ask(address, "DELETE", f"/v1/batches/{third}")[0] == 204
            assert not (spool / third).exists()
            assert [event for event, _, _ in stream][-1] == "deleted"
            assert ask(address, "GET", f"/v1/batches/{third}/events")[0] == 404
            assert ask(address, "GET", "/readyz")[0] == 200
        assert '"bug"' not in log.read_text()
        assert "peace" not in log.read_text()

    def test_what_was_found_outlives_a_change_of_settings(self, service, tmp_path, photos, batches):
        """Photos are gone once they were looked at, so what was found in them cannot be found anew; a changed contest is applied to it."""
        setup, contest = CheckerSetup("mediapipe"), load_contest("default")
        found = service.app.state.service.pool.submit(LookJob(photos["acara/peace.jpg"])).result(PATIENT_S)
        with Ledger(tmp_path, setup, contest) as ledger:
            ledger.begin(spooled=True)
            for name, digest in (("a.jpg", b"a"), ("b.jpg", b"b")):
                ledger.list(name, digest)
            ledger.keep(b"a", found)
            ledger.keep_trouble(b"b", WorkerLost())
        with Ledger(tmp_path, replace(setup, finder="search"), load_contest("pilpres-2024")) as ledger:
            ledger.begin(spooled=True)
            assert [row.result.get("contest") for row in ledger.rows()] == ["pilpres-2024", None]
            assert (ledger.level(b"a"), ledger.level(b"b")) == ("review", "failed")
