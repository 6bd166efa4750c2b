"""Names of files as browsers send them, from the form to the reports; and forms that take long to read."""

import asyncio
import csv
import io
import json
import re
import time
from itertools import pairwise

import openpyxl
import pytest
from python_multipart.multipart import MultipartParser
from starlette.testclient import TestClient

from app.api.forms import Form
from app.main import create_app
from app.settings import Settings

PATIENT_S = 120

# As a browser writes it, and the name that it means. What is not one of its three escapes stands for itself. .NET writes it as mail does.
NAMES = {
    "Rapat %22final%22.jpg": 'Rapat "final".jpg',
    "dua%0D%0Abaris.jpg": "dua\r\nbaris.jpg",
    "100%25 hadir %20 %0a.jpg": "100%25 hadir %20 %0a.jpg",
    "=?utf-8?B?Zm90byDDqS5qcGc=?=": "foto é.jpg",
    "=?utf-8?B?gA==?=": "=?utf-8?B?gA==?=",
    "=?utf-7?Q?+2AA-?=": "=?utf-7?Q?+2AA-?=",
    "=?utf-8?B?a?=": "=?utf-8?B?a?=",
    None: "foto-8",
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The address of a batch of files with those names, once it is done, and a client that can ask there."""
    settings = Settings(workers=1, finder="mediapipe", max_wait_s=PATIENT_S, spool=tmp_path_factory.mktemp("spool"))
    named = [f'; filename="{name}"' if name else "" for name in NAMES]
    parts = [f'--b\r\nContent-Disposition: form-data; name="photos"{name}\r\n\r\nx\r\n' for name in named]
    with TestClient(create_app(settings)) as client:
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = client.post("/v1/batches", content="".join([*parts, "--b--\r\n"]).encode(), headers=form)
        place = answer.headers["location"]
        end = time.monotonic() + PATIENT_S
        while client.get(place).json()["state"] != "done":
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)
        yield client, place


def test_in_the_results(reports):
    client, place = reports
    assert {one["name"] for one in client.get(f"{place}/results").json()["results"]} == set(NAMES.values())


def test_made_up_for_some_take_nobodys(tmp_path):
    none = '; filename=""\r\n\r\n'  # as where none was chosen
    named = [none, "\r\n\r\nx", '; filename="foto-1"\r\n\r\nx', "\r\n\r\nx", none]
    body = "".join(f'--b\r\nContent-Disposition: form-data; name="photos"{part}\r\n' for part in named)
    form = Form(tmp_path, 4)
    MultipartParser(b"b", form.callbacks).write(f"{body}--b--\r\n".encode())
    assert [name for name, _ in form.files] == ["foto-1 (2)", "foto-1", "foto-3"]
    assert set(tmp_path.iterdir()) == {path for _, path in form.files}


def test_in_each_report(reports):
    client, place = reports
    table = csv.DictReader(io.StringIO(client.get(f"{place}/report.csv").content.decode("utf-8-sig"), newline=""))
    assert {row["name"].removeprefix("'") for row in table} == set(NAMES.values())  # which guards what begins as a formula does
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"{place}/report.xlsx").content))
    names = {row[0].value for row in book.worksheets[0].iter_rows(min_row=2)}
    assert 'Rapat "final".jpg' in names
    assert len(names) == len(NAMES)
    page = client.get(f"{place}/report.html").text
    written = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert 'Rapat "final".jpg' in json.dumps([json.loads(one) for one in written]).replace('\\"', '"')


def test_one_that_takes_long_to_read_keeps_nobody_waiting():
    """Its boundary nearly comes, over and over. None of it is a photo, so that no time is spent on other things."""
    body = b'--b\r\nContent-Disposition: form-data; name="other"; filename="x"\r\n\r\n' + b"\r\n--b\rx" * 400_000 + b"\r\n--b--\r\n"
    app = create_app(Settings(workers=1))
    sent, ticks = [], []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def scenario():
        others = asyncio.create_task(tick())
        await asyncio.sleep(0)
        await app(scope, receive, send)
        others.cancel()

    headers = [(b"content-type", b"multipart/form-data; boundary=b"), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/checks", "query_string": b"", "headers": headers, "state": {}}
    asyncio.run(scenario())
    assert sent[0]["status"] == 422
    assert max(after - before for before, after in pairwise(ticks)) < (ticks[-1] - ticks[0]) / 2
