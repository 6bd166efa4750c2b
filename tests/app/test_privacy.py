"""What is logged, counted and told: nothing of a photo, of its name, or of whoever sent it."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from io import BytesIO

import pytest
from click.testing import CliRunner
from PIL import Image
from starlette.testclient import TestClient

from app.about import PACKAGES
from app.api.privacy import LOGGED
from app.cli import cli
from app.main import create_app
from app.schemas import Privacy
from app.settings import Settings

# Each stands in one place only: what leaks can be told by its word.
NAME, ARTIST, CAMERA, CAPTION, COMMENT, CONTEST, QUERY, ADDRESS, AGENT, REFERRER = (
    "rapat-budi", "Siti-Artist", "Kamera-Ani", "Rumah-Dewi", "Komentar-Eko", "pilihan-fajar", "tanya-gita", "alamat-hadi", "peramban-ika",
    "rujukan-joko",
)  # fmt: skip
SECRETS = (NAME, ARTIST, CAMERA, CAPTION, COMMENT, CONTEST, QUERY, ADDRESS, AGENT, REFERRER, "203.0.113.77", "2021:03:04", "127.0.0.1:")


@pytest.fixture(scope="module")
def telling(peace) -> bytes:
    """A photo whose EXIF tells a lot."""
    exif = Image.Exif()
    exif[0x013B], exif[0x010F], exif[0x010E], exif[0x0132] = ARTIST, CAMERA, CAPTION, "2021:03:04 05:06:07"
    exif.get_ifd(0x8769)[0x9286] = COMMENT
    file = BytesIO()
    Image.open(BytesIO(peace)).resize((256, 256)).save(file, "JPEG", exif=exif)
    assert ARTIST.encode() in file.getvalue()
    return file.getvalue()


def form(photo: bytes, **fields: str) -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    head = f'--b\r\nContent-Disposition: form-data; name="photo"; filename="{NAME}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return b"".join([*parts, head.encode(), photo, b"\r\n--b--\r\n"])


def ask(address: str, body: bytes | None = None) -> tuple[int, bytes]:
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "User-Agent": AGENT,
        "Referer": f"http://{REFERRER}/",
        "X-Forwarded-For": "203.0.113.77",
    }
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def told(telling, tmp_path_factory) -> tuple[str, str]:
    """Everything that a service said at its most talkative, and its figures, after photos went in by every door of it."""
    log = tmp_path_factory.mktemp("told") / "log"
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--workers", "1"]
    environment = os.environ | {"JARI_LOG_LEVEL": "debug", "JARI_CHECK_TIMEOUT_S": "120", "JARI_MAX_WAIT_S": "120"}
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream, text=True)
    try:
        service = process.stdout.readline().split(": ")[1].split(" ")[0]
        for door in ("v1/checks", "v1/checks/annotated", "v1/checks/redacted", "v1/checks/upright"):
            assert ask(f"{service}{door}?q={QUERY}", form(telling))[0] == 200
        damaged = telling[: len(telling) // 2]
        assert ask(f"{service}v1/checks", form(damaged))[0] == 422
        assert ask(f"{service}v1/checks", form(NAME.encode()))[0] == 415
        assert ask(f"{service}v1/checks", form(telling, contest=CONTEST))[0] == 422
        assert ask(f"{service}v1/checks", form(telling)[:-200])[0] in (400, 422)
        assert ask(f"{service}{ADDRESS}/{NAME}.jpg")[0] == 404
        figures = ask(f"{service}metrics")[1].decode()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
    return log.read_text(), figures


class TestLog:
    def test_tells_nothing_of_photos_or_callers(self, told):
        log, figures = told
        for secret in SECRETS:
            assert secret not in log, secret
            assert secret not in figures, secret
            assert urllib.parse.quote(secret) not in log

    def test_every_line_is_json_and_a_requests_line_has_what_privacy_says(self, told):
        # Native code says what it likes where its voice is left on, which it is for debugging alone.
        lines = [json.loads(line) for line in told[0].splitlines() if not line.startswith("INFO: Created TensorFlow")]
        requests = [line for line in lines if line["event"] == "request"]
        assert len(requests) == 10
        assert set().union(*requests) <= set(LOGGED)
        checked = requests[0]
        assert {"time", "level", "id", "route", "status", "ms", "bytes", "wait_ms", "decode_ms", "check_ms"} <= set(checked)
        assert [line.get("problem") for line in requests[4:7]] == ["photo-damaged", "photo-unsupported", "contest-unknown"]

    def test_tells_no_result(self, told):
        assert not re.search(r'"(review|unclear|clear|peace)"', told[0])

    def test_the_command_tells_names_to_its_user_alone(self, telling, tmp_path):
        photo = tmp_path / f"{NAME}.jpg"
        photo.write_bytes(telling)
        ran = CliRunner().invoke(cli, ["check", str(photo), "--format", "jsonl"])
        assert NAME in ran.stdout  # which the user typed
        assert NAME not in ran.stderr
        for secret in (ARTIST, CAMERA, CAPTION, COMMENT):
            assert secret not in ran.output


class TestFigures:
    def test_count_what_was_done(self, told):
        figures = told[1]
        for line in (
            'jari_requests_total{method="POST",route="/v1/checks/annotated",status="200"} 1.0',
            'jari_checks_total{level="review"} 3.0',
            'jari_problems_total{type="photo-damaged"} 1.0',
            "jari_hands_per_photo_count 3.0",
            'jari_step_seconds_count{step="draw"} 2.0',
            "jari_queue_waiting 0.0",
            "jari_workers 1.0",
            'jari_worker_restarts_total{reason="timeout"} 0.0',
        ):
            assert line in figures, line

    def test_labels_are_of_known_sets(self, told):
        labels = {name for block in re.findall(r"{(.*?)}", told[1]) for name in re.findall(r'(\w+)="', block)}
        build = {name.replace("-", "_") for name in PACKAGES} | {"python", "model_sha256", "head_sha256", "proposals_sha256", "finder"}
        assert labels - build <= {"method", "route", "status", "type", "key", "level", "step", "reason", "le", "state", "outcome"}

    def test_a_method_of_ones_own_makes_no_series(self, client):
        client.request(NAME.upper(), "/v1/checks")
        figures = client.get("/metrics").text
        assert NAME.upper() not in figures
        assert 'method="other"' in figures

    def test_can_be_left_out(self):
        assert TestClient(create_app(Settings(workers=1, metrics=False))).get("/metrics").status_code == 404


class TestRoute:
    def test_shows_the_settings_as_they_are(self):
        plain = TestClient(create_app(Settings(workers=1))).get("/privacy")
        assert Privacy.model_validate(plain.json()) == Privacy(
            batches=False,
            results_kept=False,
            results_kept_s=0,
            metrics=True,
            traces=False,
            keys_required=False,
            contact=None,
            logged=list(LOGGED),
        )
        settings = Settings(
            workers=1, metrics=False, api_keys=f"cms:{'a' * 64}", privacy_contact="PPDP, ppdp@example.go.id", log_level="warning"
        )
        other = TestClient(create_app(settings)).get("/privacy").json()
        assert (other["metrics"], other["keys_required"], other["logged"]) == (False, True, [])
        assert other["contact"] == "PPDP, ppdp@example.go.id"
        talkative = TestClient(create_app(Settings(workers=1, log_level="debug"))).get("/privacy").json()
        assert talkative["logged"] == list(LOGGED)

    def test_people_get_a_page(self, client):
        page = client.get("/privacy", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert page.headers["content-type"].startswith("text/html")
        told = client.get("/privacy", headers={"Accept": "*/*"})
        assert told.headers["content-type"] == "application/json"
        assert page.headers["vary"] == told.headers["vary"] == "Accept"

    def test_frameworks_own_telemetry_is_off(self, client, monkeypatch):
        """FastAPI can trace by itself, with callers' addresses, and an environment variable would switch it on."""
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        assert not client.app._native_telemetry.enabled()
