import json
import socket
import tempfile
import threading
import time
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from PIL import ExifTags, Image, ImageChops, ImageStat
from starlette.testclient import TestClient

from app.api.forms import MOST_FIELDS
from app.main import create_app
from app.middleware import FORM_OVERHEAD
from app.schemas import CheckedPhoto
from app.settings import Settings
from gestures import Checker, open_photo
from gestures.drawing import annotate, encode, redact
from gestures.errors import InvalidContest

CHECKS = "/v1/checks"
PATIENT_S = 120


def send(client, photo, path=CHECKS, headers=None, **fields):
    return client.post(path, files={"photo": ("rapat rahasia.jpg", photo, "image/jpeg")}, data=fields, headers=headers)


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    return body


@pytest.fixture(scope="module")
def answer(client, peace):
    return send(client, peace)


class TestAdvice:
    def test_reads_two_fingers(self, answer):
        assert answer.status_code == 200
        body = answer.json()
        assert body["level"] == "review"
        assert {"number": 2, "strength": "official"} in body["hands"][0]["readings"]
        assert body["hands"][0]["pose"] == "peace"
        assert body["hands"][0]["flagged"]

    def test_is_what_the_schema_says(self, answer):
        CheckedPhoto.model_validate_json(answer.content, strict=False)
        assert set(answer.json()) == {field.alias or name for name, field in CheckedPhoto.model_fields.items()}

    def test_keeps_and_echoes_no_name(self, answer):
        assert answer.json()["name"] == ""
        assert answer.headers["cache-control"] == "no-store"

    def test_names_the_contest(self, client, peace):
        assert send(client, peace, contest="pilpres-2024").json()["contest"] == "pilpres-2024"

    def test_an_empty_contest_is_none(self, client, peace):
        assert send(client, peace, contest="").json()["contest"] == "default"

    def test_a_contest_file_that_a_reload_refused_reaches_no_worker(self, peace, root, tmp_path):
        file = tmp_path / "pilkada-kota.toml"
        file.write_bytes((root / "gestures/contests/default.toml").read_bytes())
        app = create_app(Settings(workers=1, contest=str(file), check_timeout_s=PATIENT_S))
        file.write_text("numbers = ")
        with pytest.raises(InvalidContest):
            app.state.service.load()
        with TestClient(app) as client:  # its worker starts only now, as one that takes the place of another does
            assert send(client, peace).json()["contest"] == "pilkada-kota"

    def test_a_large_photo_is_put_in_no_temporary_file(self, client, monkeypatch):
        written = []
        monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda file: written.append(file))
        assert problem(send(client, bytes(3 * 2**20)))["type"] == "photo-unsupported"
        assert written == []

    def test_does_not_believe_name_and_content_type(self, client, peace):
        answer = client.post(CHECKS, files={"photo": ("notes.txt", peace, "text/plain")})
        assert answer.status_code == 200


class TestCopies:
    @pytest.mark.parametrize("copy", ["annotated", "redacted", "upright"])
    @pytest.mark.parametrize(
        ("accept", "media_type", "format"),
        [
            ("*/*", "image/jpeg", "JPEG"),
            ("image/webp", "image/webp", "WEBP"),
            ("image/webp;q=0.5, image/jpeg", "image/jpeg", "JPEG"),
            ("application/json", "image/jpeg", "JPEG"),
        ],
    )
    def test_gives_what_is_accepted(self, client, peace, copy, accept, media_type, format):
        answer = send(client, peace, f"{CHECKS}/{copy}", headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        assert answer.headers["vary"] == "Accept, Accept-Language"
        picture = Image.open(BytesIO(answer.content))
        assert picture.format == format
        assert picture.size == (384, 384)
        assert not picture.getexif()

    def test_are_what_the_library_draws(self, client, peace):
        photo = open_photo(peace)
        with Checker(threads=1) as checker:
            advice = checker.check_photo(photo)
        marked, blurred = (send(client, peace, f"{CHECKS}/{copy}").content for copy in ("annotated", "redacted"))
        assert (marked, blurred) == (encode(annotate(photo, advice)), encode(redact(photo, advice)))

    def test_labels_are_in_the_callers_language_and_of_the_contest(self, client, samples):
        photo = (samples / "four.jpg").read_bytes()

        def annotated(**fields):
            return send(client, photo, f"{CHECKS}/annotated", **fields).content

        assert annotated(lang="en") != annotated(lang="id") == annotated()
        assert annotated(contest="pilpres-2024") != annotated()  # four is on the ballot of the default only

    def test_the_redacted_copy_no_longer_shows_the_pose(self, client, peace):
        redacted = send(client, peace, f"{CHECKS}/redacted").content
        assert 2 not in [code["number"] for code in send(client, redacted).json()["codes"]]

    def test_the_upright_copy_is_the_photo_itself(self, client, samples):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        exif[ExifTags.Base.Make] = "CANON"
        wide = Image.new("RGB", (96, 64), (20, 160, 90))
        wide.paste((200, 30, 30), (0, 0, 96, 8))  # the long side that comes to lie on the right
        stored = BytesIO()
        wide.save(stored, "WEBP", lossless=True, exif=exif)
        for photo, size in (((samples / "three.heic").read_bytes(), (768, 768)), (stored.getvalue(), (64, 96))):
            answer = send(client, photo, f"{CHECKS}/upright")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
            picture = Image.open(BytesIO(answer.content))
            assert picture.size == size
            assert not picture.info.keys() & {"exif", "icc_profile", "xmp", "comment"}
            assert b"CANON" not in answer.content
        corners = [picture.convert("RGB").getpixel(place) for place in ((2, 2), (61, 2), (61, 93), (2, 93))]
        assert [red > green for red, green, _ in corners] == [False, True, True, False]

    def test_the_upright_copy_bears_no_marks(self, client, peace):
        copy = Image.open(BytesIO(send(client, peace, f"{CHECKS}/upright").content))
        difference = ImageChops.difference(copy, Image.open(BytesIO(peace)).convert("RGB"))
        assert max(ImageStat.Stat(difference).mean) < 2

    def test_the_upright_copy_counts_as_no_check(self, peace):
        with TestClient(create_app(Settings(workers=1, check_timeout_s=PATIENT_S))) as client:
            assert send(client, peace, f"{CHECKS}/upright").status_code == 200
            figures = client.get("/metrics").text
        assert 'jari_requests_total{method="POST",route="/v1/checks/upright",status="200"} 1.0' in figures
        assert 'jari_checks_total{level="review"}' not in figures

    @pytest.mark.parametrize(("photo", "status", "kind"), [(b"", 422, "photo-empty"), (b"hello", 415, "photo-unsupported")])
    def test_a_copy_is_refused_as_a_check_is(self, client, photo, status, kind):
        for copy in ("annotated", "redacted", "upright"):
            body = problem(send(client, photo, f"{CHECKS}/{copy}"))
            assert (body["status"], body["type"]) == (status, kind)


class TestPhotoProblems:
    @pytest.mark.parametrize(
        ("photo", "status", "kind"),
        [
            (b"", 422, "photo-empty"),
            (b"hello", 415, "photo-unsupported"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0", 422, "photo-damaged"),
        ],
    )
    def test_says_what_is_wrong(self, client, photo, status, kind):
        body = problem(send(client, photo))
        assert (body["status"], body["type"]) == (status, kind)

    def test_too_small(self, client):
        file = BytesIO()
        Image.new("RGB", (8, 8)).save(file, "PNG")
        assert problem(send(client, file.getvalue()))["type"] == "photo-too-small"

    @pytest.mark.parametrize(
        ("fields", "headers", "title"),
        [
            ({}, {}, "Jenis berkas belum didukung"),
            ({}, {"Accept-Language": "en-GB,en;q=0.9,id;q=0.5"}, "This kind of file is not supported"),
            ({"lang": "en"}, {"Accept-Language": "id"}, "This kind of file is not supported"),
        ],
    )
    def test_in_the_callers_language(self, client, fields, headers, title):
        answer = send(client, b"hello", headers=headers, **fields)
        assert problem(answer)["title"] == title
        assert answer.headers["content-language"] == ("en" if "This" in title else "id")


class TestRequestProblems:
    def test_without_a_photo(self, client):
        body = problem(client.post(CHECKS, data={"contest": "default"}, files={"other": b"x"}))
        assert (body["status"], body["type"]) == (422, "request-invalid")
        assert body["fields"] == [{"field": "photo", "problem": "missing"}]

    def test_a_photo_needs_no_name(self, client, peace):
        assert client.post(CHECKS, files={"photo": (None, peace)}).json()["level"] == "review"

    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "image/jpeg"])
    def test_of_another_media_type(self, client, peace, content_type):
        body = problem(client.post(CHECKS, content=peace, headers={"Content-Type": content_type}))
        assert (body["status"], body["type"]) == (415, "media-type-unsupported")

    @pytest.mark.parametrize("body", [b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=photo\r\n\r\nabc"])
    def test_with_a_damaged_form(self, client, body):
        answer = client.post(CHECKS, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert problem(answer)["status"] in (400, 422)

    def test_with_a_form_without_boundary(self, client):
        answer = client.post(CHECKS, content=b"x", headers={"Content-Type": "multipart/form-data"})
        assert problem(answer)["type"] == "request-malformed"

    def test_in_an_unknown_language(self, client, peace):
        assert problem(send(client, peace, lang="tlh"))["fields"] == [{"field": "lang", "problem": "literal_error"}]

    def test_with_a_body_that_is_packed(self, client, peace):
        answer = client.post(CHECKS, files={"photo": peace}, headers={"Content-Encoding": "gzip"})
        assert (answer.status_code, problem(answer)["type"]) == (415, "media-type-unsupported")
        assert "Content-Encoding" in problem(answer)["detail"]
        assert answer.headers["accept-encoding"] == "identity"

    def test_with_a_form_that_is_handed_on_whole(self, client, peace):
        fields = {f"field{number}": "x" * 2000 for number in range(MOST_FIELDS)}
        answer = client.post(CHECKS, files={"photo": peace}, data=fields)
        assert answer.json()["level"] == "review"

    def test_with_headers_in_small_letters(self, client, peace):
        body = b'--b\r\ncontent-disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n' + peace + b"\r\n--b--\r\n"
        answer = client.post(CHECKS, content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.json()["level"] == "review"

    @pytest.mark.parametrize("left", ['--b\r\nContent-Disposition: form-data; name="contest"\r\n\r\npilpres-20', "--b", ""])
    def test_with_a_form_that_is_cut_off(self, client, peace, left):
        body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n' + peace + b"\r\n" + left.encode()
        answer = client.post(CHECKS, content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert (answer.status_code, problem(answer)["type"]) == (400, "request-malformed")

    def test_a_field_may_come_with_a_name_of_a_file(self, client, peace):
        answer = client.post(CHECKS, files={"photo": peace, "contest": ("upload", b"pilpres-2024")})
        assert answer.json()["contest"] == "pilpres-2024"

    def test_a_choice_of_files_that_nobody_made_is_no_photo(self, client, peace):
        nothing = b'--b\r\nContent-Disposition: form-data; name="photo"; filename=""\r\n\r\n\r\n'
        one = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n' + peace + b"\r\n"
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        assert problem(client.post(CHECKS, content=nothing + b"--b--\r\n", headers=form))["type"] == "request-invalid"
        assert client.post(CHECKS, content=nothing + one + b"--b--\r\n", headers=form).json()["level"] == "review"

    @pytest.mark.parametrize(
        ("charset", "contest"), [("utf-7", b"+2AA-"), ("unicode_escape", b"\\ud800"), ("none", b"\xff"), ("utf-8", b"\0")]
    )
    def test_in_any_charset(self, client, charset, contest):
        body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\nx\r\n'
        body += b'--b\r\nContent-Disposition: form-data; name="contest"\r\n\r\n' + contest + b"\r\n--b--\r\n"
        answer = client.post(CHECKS, content=body, headers={"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"})
        assert (answer.status_code, problem(answer)["type"]) == (422, "contest-unknown")

    def test_the_query_may_name_the_contest(self, client, peace):
        def contest(query, form):
            return client.post(CHECKS, params=query, files={"photo": peace}, data=form).json()["contest"]

        assert contest({"contest": "pilpres-2024"}, {}) == "pilpres-2024"
        assert contest({"contest": "pilpres-2024"}, {"contest": "pilkada-contoh"}) == "pilkada-contoh"
        assert problem(client.post(CHECKS, params={"contest": "none"}, files={"photo": peace}))["type"] == "contest-unknown"

    def test_the_query_may_name_the_language(self, client):
        for lang in ("id", "en"):
            assert client.post(CHECKS, params={"lang": lang}, files={"photo": b""}).headers["content-language"] == lang
        assert client.post(CHECKS, params={"lang": ""}, files={"photo": b""}).headers["content-language"] == "id"
        body = problem(client.post(CHECKS, params={"lang": "tlh"}, files={"photo": b""}))
        assert body["fields"] == [{"field": "lang", "problem": "literal_error"}]

    def test_for_an_unknown_contest(self, client, peace):
        body = problem(send(client, peace, contest="pilkada-2030"))
        assert body["type"] == "contest-unknown"
        assert "default" in body["detail"]

    def test_a_contest_is_never_a_path(self, client, peace, root):
        file = root / "gestures/contests/default.toml"
        assert file.is_file()
        for name in (str(file), "../contests/default.toml", f"file://{file}"):
            assert problem(send(client, peace, contest=name))["type"] == "contest-unknown"

    @pytest.mark.parametrize(
        "more",
        [
            [("photo", b"x")],
            [("other", b"%PDF")],
            [(f"field{number}", (None, b"x")) for number in range(17)],
            [("field", (None, b"x"))] * 17,
            [("contest", (None, b"default")), ("contest", (None, b"pilpres-2024"))],
            [("other", (None, b"x" * 5000))],
        ],
        ids=["photos", "files", "fields", "fields of one name", "contests", "bytes"],
    )
    def test_more_in_a_form_than_is_taken(self, client, peace, more):
        answer = client.post(CHECKS, files=[("photo", peace), *more])
        assert (answer.status_code, problem(answer)["type"]) == (400, "form-unsuitable")


@pytest.fixture(scope="module")
def small_client():
    """Takes few bytes and pixels."""
    with TestClient(create_app(Settings(workers=1, max_bytes=10_000, max_pixels=10_000, check_timeout_s=PATIENT_S))) as client:
        yield client


class TestSize:
    def test_too_many_bytes(self, small_client):
        body = problem(send(small_client, b"\xff" * 10_001))
        assert (body["status"], body["type"]) == (413, "photo-too-large")

    def test_too_many_pixels(self, small_client):
        file = BytesIO()
        Image.new("RGB", (200, 200)).save(file, "PNG")
        assert problem(send(small_client, file.getvalue()))["type"] == "photo-too-large"

    def test_a_declared_size_is_refused_unread(self, small_client):
        answer = small_client.post(
            CHECKS, content=b"", headers={"Content-Length": "999999999", "Content-Type": "multipart/form-data; boundary=x"}
        )
        assert problem(answer)["type"] == "photo-too-large"

    def test_reading_stops_at_the_limit(self, server):
        """A body of unknown length that would never end is answered as soon as it is over the limit."""
        address = urlsplit(server)
        limit = 25 * 2**20 + FORM_OVERHEAD
        chunk = b"%x\r\n%b\r\n" % (2**20, b"\0" * 2**20)
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            head = f"POST {CHECKS} HTTP/1.1\r\nHost: {address.netloc}\r\nTransfer-Encoding: chunked\r\n"
            connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
            part = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            sent, answer = 0, b""
            connection.settimeout(0.01)
            while not answer:
                assert sent < 3 * limit
                try:
                    connection.settimeout(60)
                    connection.sendall(chunk)
                    sent += 2**20
                    connection.settimeout(0.01)
                    answer = connection.recv(65536)
                except TimeoutError:
                    continue
                except ConnectionError:  # it hung up, and the answer went with the connection
                    break
        assert not answer or answer.startswith(b"HTTP/1.1 413 ")
        assert limit <= sent + 2**20


class TestOverload:
    def test_a_full_queue_says_when_to_come_back(self, group, peace):
        app = create_app(Settings(workers=1, queue_size=0, check_timeout_s=PATIENT_S))
        with TestClient(app) as client:
            client.get("/readyz")
            first = threading.Thread(target=send, args=(client, group))
            first.start()
            while not app.state.service.pool._running:
                time.sleep(0.01)
            answer = send(client, peace, headers={"Accept-Language": "en"})
            body = problem(answer)
            assert (body["status"], body["type"]) == (503, "queue-full")
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["retry-after"] in body["detail"]
            first.join()
            assert send(client, peace).status_code == 200

    def test_a_photo_that_takes_too_long(self, group):
        with TestClient(create_app(Settings(workers=1, check_timeout_s=0.05))) as client:
            body = problem(send(client, group))
            assert (body["status"], body["type"]) == (422, "photo-timeout")


class TestLog:
    def test_has_a_line_a_request_without_names(self, client, peace, caplog):
        caplog.set_level("INFO", logger="app.requests")
        answer = send(client, peace)
        client.get("/foto-budi-santoso.jpg?nama=budi")
        lines = [record.fields for record in caplog.records if record.message == "request"]
        assert [(line["route"], line["status"]) for line in lines] == [("/v1/checks", 200), (None, 404)]
        assert lines[0]["id"] == answer.headers["x-request-id"]
        assert "budi" not in json.dumps(lines)
        assert "rahasia" not in caplog.text
