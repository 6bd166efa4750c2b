import json
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import closing, contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from app.api.service import SELF_CHECK_NUMBER
from app.batch.spool import FILE, Spool
from app.cli import cli
from app.doctor import TRIALS, Hint, contest, examine, folder, heic, model, port, spool, workers
from app.keys import new_key
from app.settings import Settings
from app.terminal.words import TerminalError, problem, word
from app.workers import CheckResult
from gestures import GesturesError
from gestures.hands.bundle import bundle_path


class Health(HTTPServer):
    """Has a port as the service would, and says that it is well while it is `answering`; else it says something else."""

    well = False

    @contextmanager
    def answering(self):
        self.well = True
        yield
        self.well = False


class _Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ok" if self.server.well else "another program"}).encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def health():
    with Health(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _proxied(monkeypatch):
    """The environment names a proxy, which is not there: this machine is never asked by way of it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_machine_on_which_all_is_well(monkeypatch, free_port):
    for name, value in {"PORT": str(free_port), "WORKERS": "1", "CHECK_TIMEOUT_S": "120"}.items():
        monkeypatch.setenv(f"JARI_{name}", value)
    ran = CliRunner().invoke(cli, ["doctor"])
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert len(lines) == len(TRIALS) + 1
    assert all(line.startswith("✓") for line in lines[:-1])
    assert lines[-1] == "Semua siap."


def test_says_what_is_ill_and_how_to_mend_it(monkeypatch, tmp_path):
    """The model's file is another one: its own trial fails, and so does the photo that a worker is given."""
    other = tmp_path / "hand_landmarker.task"
    other.write_bytes(b"not the model")
    for name, value in {"PORT": "0", "WORKERS": "1", "MODEL": str(other)}.items():
        monkeypatch.setenv(f"JARI_{name}", value)
    ran = CliRunner().invoke(cli, ["doctor", "--lang", "en"])
    assert ran.exit_code == 1
    assert [line[2:].split(":")[0] for line in ran.output.splitlines() if line.startswith("✗")] == [
        "Hand model",
        "Workers and a sample photo",
    ]
    assert ran.output.count("→ Install again with make setup, or point JARI_MODEL to the official file.") == 2


def test_as_the_guide_has_it_it_looks_at_the_spool_of_the_service(root, tmp_path):
    guide = (root / "docs" / "operations.md").read_text()
    (folder,) = re.findall(r"^StateDirectory=(.*)$", guide, re.MULTILINE)
    (settings,) = re.findall(r"^(JARI_SPOOL=.*)$", guide, re.MULTILINE)
    assert settings == f"JARI_SPOOL=/var/lib/{folder}"
    (tmp_path / "environment").write_text(settings.replace("/var/lib", str(tmp_path)) + "\nJARI_PORT=0\nJARI_WORKERS=1\n")
    (command,) = re.findall(r"^(sh -c .* doctor'.*)$", guide, re.MULTILINE)
    for ours, theirs in {"/opt/jari/bin/jari": f"{sys.executable} -m app.cli", "/etc/jari": str(tmp_path)}.items():
        assert ours in command
        command = command.replace(ours, theirs)
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=root)
    assert f": {tmp_path}/{folder}, " in ran.stdout


@pytest.mark.parametrize(
    ("setting", "value", "trial", "remedy"),
    [
        ("API_KEYS_FILE", "/nowhere", "port", "Fix the file that JARI_API_KEYS_FILE names"),
        ("MAX_PIXELS", "100000", "heic", "Raise JARI_MAX_BYTES, JARI_MAX_PIXELS or JARI_MAX_SIDE"),
        ("REVIEW_THRESHOLD", "1", "workers", "Set JARI_REVIEW_THRESHOLD and JARI_UNCLEAR_THRESHOLD back"),
    ],
)
def test_the_remedy_is_that_of_what_went_wrong(monkeypatch, setting, value, trial, remedy):
    for name, given in {"PORT": "0", "WORKERS": "1", "CHECK_TIMEOUT_S": "120", setting: value}.items():
        monkeypatch.setenv(f"JARI_{name}", given)
    monkeypatch.setattr("app.doctor.TRIALS", tuple(one for one in TRIALS if one.__name__ == trial))
    ran = CliRunner().invoke(cli, ["doctor", "--lang", "en"])
    assert ran.exit_code == 1
    assert f"→ {remedy}" in ran.output


def test_the_container_is_asked_for_its_health_at_the_port_that_is_set(root, health, free_port, monkeypatch):
    _, *command = json.loads(re.search(r"^HEALTHCHECK .*\n +CMD (.*)$", (root / "Dockerfile").read_text(), re.MULTILINE)[1])
    for number, status, is_well in ((health.server_port, 200, True), (health.server_port, 503, True), (free_port, 200, False)):
        monkeypatch.setattr(_Answer, "status", status)  # 503: there are too many connections
        monkeypatch.setenv("JARI_PORT", str(number))
        ran = subprocess.run([sys.executable, *command], capture_output=True)
        assert (ran.returncode == 0) is is_well, ran.stderr


class TestTrials:
    def test_each_is_worded(self):
        for trial in TRIALS:
            for lang in ("id", "en"):
                assert word(f"doctor-{trial.__name__}", lang)
                assert word(f"mend-{trial.__name__}", lang)

    def test_one_that_fails_stops_no_other(self, monkeypatch):
        monkeypatch.setattr("app.doctor.TRIALS", (model, contest, heic))
        findings = list(examine(Settings(contest="/nowhere.toml")))
        assert [finding.ok for finding in findings] == [True, False, True]

    def test_every_worker_reads_a_photo(self, monkeypatch):
        sent = []

        def submit(pool, job):
            sent.append(job)
            future = Future()
            future.set_result(CheckResult({"codes": [{"number": SELF_CHECK_NUMBER}]}))
            return future

        monkeypatch.setattr("app.workers.CheckerPool.submit", submit)
        assert workers(Settings(workers=3)).startswith("3 (")
        assert len(sent) == 3

    def test_the_model_and_heic(self, tmp_path):
        assert "fbc2a3" in model(Settings())
        with pytest.raises(GesturesError):
            model(Settings(model=tmp_path / "none"))
        assert heic(Settings()) == "384 × 384"
        with pytest.raises(GesturesError):
            heic(Settings(max_pixels=100))

    def test_the_folder(self, monkeypatch, tmp_path):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert folder(Settings()) == str(tmp_path)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        with pytest.raises(TerminalError, match="missing"):
            folder(Settings())

    def test_a_spool_that_is_yet_to_be_made_is_tried_and_not_made(self, tmp_path):
        said = spool(Settings(spool=tmp_path / "state" / "jari", batch_bytes=1))
        assert re.fullmatch(rf"{tmp_path}/state/jari, \d+ GiB", said)  # so in either language
        assert list(tmp_path.iterdir()) == []

    def test_without_batches(self):
        assert spool(Settings(spool=None)) == "off"

    def test_a_spool_without_room_for_a_batch(self, tmp_path):
        with pytest.raises(TerminalError) as small:
            spool(Settings(spool=tmp_path, batch_bytes=2**60))
        assert small.value.type == "place-small"
        assert small.value.params["need"] == 2**41

    def test_a_spool_has_room_for_a_batch_as_sent_and_unpacked(self, tmp_path, monkeypatch):
        for free, is_enough in ((200, True), (199, False)):
            monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: SimpleNamespace(free=free))
            with nullcontext() if is_enough else pytest.raises(TerminalError, match="place-small"):
                spool(Settings(spool=tmp_path, batch_bytes=100))

    def test_a_spool_in_a_place_that_cannot_be_written(self):
        with pytest.raises(TerminalError, match="/proc/jari") as unusable:
            spool(Settings(spool="/proc/jari", batch_bytes=1))
        assert unusable.value.type == "place-unusable"
        assert "Errno" not in problem(unusable.value, "en").detail

    def test_a_spool_in_somebody_s_folder(self, tmp_path):
        (tmp_path / "keuangan").mkdir()
        with pytest.raises(TerminalError, match="place-unusable"):
            spool(Settings(spool=tmp_path, batch_bytes=1))

    def test_a_spool_whose_database_is_none(self, tmp_path):
        (tmp_path / FILE).write_bytes(b"not a database, but long enough to be looked at as one" * 100)
        with pytest.raises(TerminalError, match="not a database"):
            spool(Settings(spool=tmp_path, batch_bytes=1))

    def test_a_spool_that_a_service_has(self, tmp_path, health):
        settings = Settings(spool=tmp_path, batch_bytes=1, port=health.server_port)
        with closing(Spool(tmp_path)):
            with health.answering():
                assert "Jari Netral" in spool(settings)
            with pytest.raises(TerminalError, match="place-unusable"):  # by something else than the service that is asked for
                spool(settings)
        assert "Jari Netral" not in spool(settings)

    def test_a_port_that_another_program_has(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            number = other.getsockname()[1]
            threading.Thread(target=lambda: other.accept()[0].close(), daemon=True).start()
            with pytest.raises(TerminalError, match="port-taken"):
                port(Settings(port=number))

    def test_a_port_that_the_service_has(self, health):
        with health.answering():
            assert "Jari Netral" in port(Settings(port=health.server_port))

    def test_a_port_where_no_http_is_spoken(self):
        def greet():
            with other.accept()[0] as connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(1024)

        with socket.create_server(("127.0.0.1", 0)) as other:
            threading.Thread(target=greet, daemon=True).start()
            with pytest.raises(TerminalError, match="port-taken"):
                port(Settings(port=other.getsockname()[1]))

    def test_an_address_that_is_open_to_all(self, free_port):
        with pytest.raises(TerminalError, match="open-refused"):
            port(Settings(host="0.0.0.0", port=free_port))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what is closed to it")
class TestFilesThatRootAloneReads:
    @pytest.fixture
    def public(self):
        """A folder that everybody may enter, as none of pytest's is."""
        with TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            yield Path(folder)

    @pytest.fixture(params=["model", "contest", "api_keys_file"])
    def named(self, request, root, public):
        """A file that everybody may read, the setting that names it, and the trial that reads it."""
        trial, content = {
            "model": (model, bundle_path().read_bytes()),
            "contest": (contest, (root / "gestures/contests/pilkada-contoh.toml").read_bytes()),
            "api_keys_file": (port, str(new_key("cms")[1]).encode()),
        }[request.param]
        file = public / "own.toml"
        file.write_bytes(content)
        file.chmod(0o644)
        return file, request.param, trial

    @pytest.mark.parametrize("closed", ["own.toml", "."])
    def test_a_hint_says_which(self, named, closed, public):
        file, setting, trial = named
        settings = Settings(port=0, **{setting: str(file)})
        assert trial(settings)
        (public / closed).chmod(0o700)
        with pytest.raises(Hint, match=str(file)):
            trial(settings)

    def test_is_no_failure(self, public, monkeypatch):
        keys = public / "keys"
        keys.write_text(str(new_key("cms")[1]))
        keys.chmod(0o600)
        for name, value in {"PORT": "0", "API_KEYS_FILE": str(keys)}.items():
            monkeypatch.setenv(f"JARI_{name}", value)
        monkeypatch.setattr("app.doctor.TRIALS", (port,))
        for lang, words in (("id", "mungkin tidak dapat dibaca layanan"), ("en", "the service may not be able to read a file")):
            ran = CliRunner().invoke(cli, ["doctor", "--lang", lang])
            assert ran.exit_code == 0
            assert ran.output.startswith("✓")
            assert words in ran.output
            assert f"  {keys} " in ran.output


class TestLicences:
    def test_names_everything_that_is_installed_to_run_it(self):
        from app.licences import licences

        rows = {name.lower().replace("_", "-"): licence for name, _, licence in licences()}
        assert {"jari-netral", "ai-edge-litert", "pi-heif", "numpy", "fastapi"} <= set(rows)
        assert not {"pytest", "ruff"} & set(rows)
        assert "?" not in rows.values()
        assert "LGPL" in rows["pi-heif"]
        assert any("hand-landmarker.task" in name for name in rows)

    def test_completes_an_sbom(self, tmp_path):
        sbom = tmp_path / "sbom.json"
        sbom.write_text(json.dumps({"components": [{"type": "library", "name": "Pi_Heif"}, {"type": "library", "name": "elsewhere"}]}))
        assert CliRunner().invoke(cli, ["licences", "--sbom", str(sbom)]).exit_code == 0
        heif, other, *models = json.loads(sbom.read_text())["components"]
        assert "LGPL" in heif["licenses"][0]["license"]["name"]
        assert "licenses" not in other
        assert [(one["type"], len(one["hashes"][0]["content"])) for one in models] == [("machine-learning-model", 64)] * 3

    def test_the_command(self):
        ran = CliRunner().invoke(cli, ["licences"])
        assert ran.exit_code == 0
        assert "Apache-2.0" in ran.output
