import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app import keys as keys_module
from app.cli import cli
from app.guards import KeyHolders
from app.keys import KeyRing, new_key, parse_keys, read_keys
from app.main import create_app
from app.middleware import Surround
from app.settings import Settings
from app.terminal.listening import listening
from app.terminal.words import TerminalError
from gestures.hands.bundle import SHA256


class TestEntries:
    def test_a_new_key_is_long_and_its_entry_does_not_tell_it(self):
        secret, entry = new_key("intranet")
        assert re.fullmatch(r"jari_[\w-]{43}", secret)
        assert secret not in str(entry)
        assert parse_keys(str(entry)) == (entry,)
        assert new_key("intranet")[0] != secret

    def test_several_with_comments_and_rates(self):
        digest = "a" * 64
        keys = parse_keys(f"# who may\ncms:{digest}, web:{digest}:6000  # the page's proxy\n\n")
        assert [(key.name, key.per_minute) for key in keys] == [("cms", None), ("web", 6000)]

    @pytest.mark.parametrize(
        "text",
        [
            "intranet",
            "intranet:abc",
            f"Intranet:{'a' * 64}",
            f"budi@example:{'a' * 64}",
            f"a:{'A' * 64}",
            f"a:{'a' * 64}:0",
            f"a:{'a' * 64}:fast",
            f"a:{'a' * 64}:12345678",
            f"{'a' * 33}:{'a' * 64}",
            f"a:{'a' * 64},a:{'b' * 64}",
        ],
    )
    def test_refuses_nonsense_without_quoting_hashes(self, text):
        with pytest.raises(ValueError, match="key") as error:
            parse_keys(text)
        assert "aaaa" not in str(error.value)

    def test_a_file_of_keys_may_not_be_empty(self, tmp_path):
        file = tmp_path / "keys"
        file.write_text("# revoked all\n")
        with pytest.raises(ValueError, match="no key"):
            read_keys((), file)
        with pytest.raises(FileNotFoundError):
            read_keys((), tmp_path / "missing")

    def test_setting_and_file_together(self, tmp_path):
        one, two = new_key("one")[1], new_key("two")[1]
        (tmp_path / "keys").write_text(f"{two}\n")
        assert read_keys((one,), tmp_path / "keys") == (one, two)
        slow, fast = replace(one, per_minute=2), replace(two, per_minute=6000)
        (tmp_path / "keys").write_text(f"  # who may\n{fast}, \n")
        assert read_keys((slow,), tmp_path / "keys") == (slow, fast)
        with pytest.raises(ValueError, match="same name"):
            read_keys((new_key("two")[1],), tmp_path / "keys")
        (tmp_path / "keys").write_text(f"{two}\n", encoding="utf-8-sig")  # as some editors write it
        assert read_keys((one,), tmp_path / "keys") == (one, two)


class TestRing:
    def test_finds_only_what_is_right(self):
        secret, key = new_key("cms")
        ring = KeyRing((new_key("other")[1], key))
        assert ring.find(secret) == key
        for wrong in ("", secret[:-1], secret + "x", key.sha256, "\udcff"):
            assert ring.find(wrong) is None

    def test_rate(self, monkeypatch):
        now = 1000.0
        monkeypatch.setattr(keys_module.time, "monotonic", lambda: now)
        slow, own, free = parse_keys(f"slow:{'a' * 64},own:{'b' * 64}:2")[0], parse_keys(f"own:{'b' * 64}:2")[0], KeyRing()
        ring = KeyRing((slow, own), per_minute=4)
        assert [ring.wait_s(slow) for _ in range(4)] == [0] * 4  # a minute's worth at once
        assert ring.wait_s(slow) == pytest.approx(15)
        assert [ring.wait_s(own) for _ in range(2)] == [0] * 2  # each key by itself
        assert ring.wait_s(own) == pytest.approx(30)
        now += 15
        assert ring.wait_s(slow) == 0
        assert ring.wait_s(slow) == pytest.approx(15)
        now += 3600
        assert [ring.wait_s(slow) for _ in range(4)] == [0] * 4
        assert ring.wait_s(slow) > 0
        assert [free.wait_s(slow) for _ in range(100)] == [0] * 100  # without a limit


class TestCommand:
    def test_prints_key_and_entry(self):
        ran = CliRunner().invoke(cli, ["key", "new", "intranet"])
        secret, entry = ran.stdout.splitlines()
        assert KeyRing(parse_keys(entry)).find(secret).name == "intranet"
        assert "hanya ditampilkan sekali" in ran.stderr

    def test_refuses_a_persons_name(self):
        ran = CliRunner().invoke(cli, ["key", "new", "Budi Santoso", "--lang", "en"])
        assert ran.exit_code == 2
        assert "intranet" in ran.stderr


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def guarded(secrets):
    """A service with two keys; it is not started, because no photo needs to be checked to be let in or not."""
    entries = []
    for name in ("cms", "rare"):
        secrets[name], entry = new_key(name)
        entries.append(f"{entry}:2" if name == "rare" else str(entry))
    return TestClient(create_app(Settings(workers=1, api_keys=",".join(entries))))


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", "Accept-Language": "en"}


class TestGuard:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/batch",
            "/healthz",
            "/readyz",
            "/privacy",
            "/openapi.json",
            "/v1/contests",
            "/v1/poses",
            "/v1/limits",
            "/static/page.js",
            "/share.js",
            "/share",
        ],
    )
    def test_what_holds_nothing_of_anybody_is_open(self, guarded, path):
        assert guarded.get(path).status_code == 200
        assert guarded.head(path).status_code == 200

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/v1/checks"),
            ("POST", "/v1/checks/annotated"),
            ("POST", "/v1/checks/redacted"),
            ("POST", "/v1/checks/upright"),
            ("GET", "/metrics"),
            ("GET", "/v1/checks"),
            ("POST", "/"),
            ("POST", "/share"),
            ("GET", "/whatever/comes/later"),
            ("GET", "/static"),
            ("GET", "//v1/checks"),
            ("DELETE", "/static/page.js"),
        ],
    )
    @pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer jari_wrong", "Basic {cms}", "{cms}"])
    def test_all_else_needs_a_key(self, guarded, secrets, method, path, authorization):
        headers = {} if authorization is None else {"Authorization": authorization.format(**secrets)}
        answer = guarded.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (401, "key-needed")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-security-policy"]

    def test_a_key_opens(self, guarded, secrets):
        assert guarded.get("/metrics", headers=bearer(secrets["cms"])).status_code == 200
        lower = {"authorization": f"bearer  {secrets['cms']} "}
        assert guarded.get("/metrics", headers=lower).status_code == 200
        assert guarded.post("/v1/checks", headers=bearer(secrets["cms"])).json()["type"] == "media-type-unsupported"

    def test_too_often(self, guarded, secrets):
        answers = [guarded.get("/metrics", headers=bearer(secrets["rare"])) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json()["type"] == "too-many-requests"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
        assert guarded.get("/metrics", headers=bearer(secrets["cms"])).status_code == 200

    def test_what_is_refused_is_not_done(self, secrets, guarded):
        asked = []

        async def app(scope, receive, send):
            asked.append(scope["path"])
            await PlainTextResponse("done")(scope, receive, send)

        secret, entry = new_key("rare")
        surrounded = Surround(KeyHolders(app, KeyRing((entry,), per_minute=2)), guarded.app.state.service.metrics)
        client = TestClient(surrounded)
        assert [client.post("/v1/checks", headers=bearer(secret)).status_code for _ in range(3)] == [200, 200, 429]
        assert client.post("/v1/checks").status_code == 401
        assert asked == ["/v1/checks"] * 2

    def test_the_keys_name_is_logged_and_counted_and_the_key_is_not(self, guarded, secrets, caplog):
        caplog.set_level("INFO", logger="app.requests")
        figures = guarded.get("/metrics", headers=bearer(secrets["cms"])).text
        line = next(record.fields for record in caplog.records if record.message == "request")
        assert line["key"] == "cms"
        assert 'jari_key_requests_total{key="cms",status="200"}' in figures
        for secret in secrets.values():
            assert secret not in caplog.text + figures

    def test_below_a_path(self):
        secret, entry = new_key("cms")
        client = TestClient(create_app(Settings(workers=1, api_keys=str(entry))), root_path="/jari")
        assert client.get("/jari/healthz").status_code == 200
        assert client.get("/jari/metrics").status_code == 401
        assert client.get("/jari/metrics", headers=bearer(secret)).status_code == 200
        assert client.get("/healthz/../metrics").status_code == 401

    def test_another_origin_may_send_the_key_where_it_is_set(self):
        _, entry = new_key("cms")
        origin = "https://intranet.example"
        client = TestClient(create_app(Settings(workers=1, api_keys=str(entry), cors_origins=origin)))
        asking = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, traceparent"}
        assert client.options("/v1/checks", headers=asking).status_code == 200
        refused = client.post("/v1/checks", headers={"Origin": origin})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == origin


class TestStart:
    @pytest.mark.parametrize(
        ("host", "environment", "words"),
        [
            ("0.0.0.0", {}, "JARI_API_KEYS"),
            ("::", {}, "JARI_ALLOW_OPEN"),
            ("127.0.0.1", {"JARI_API_KEYS": "cms:123"}, "JARI_API_KEYS"),
            ("127.0.0.1", {"JARI_API_KEYS_FILE": "/nowhere/keys"}, "/nowhere/keys"),
        ],
    )
    def test_is_refused_with_a_reason(self, host, environment, words, monkeypatch):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if host == "::" and not socket.has_dualstack_ipv6():
            pytest.skip("no IPv6 here")
        ran = CliRunner().invoke(cli, ["serve", "--host", host, "--port", "0", "--lang", "en"])
        assert ran.exit_code == 2
        assert words in ran.stderr

    @pytest.mark.parametrize(
        ("entries", "indonesian", "english"),
        [
            ("# revoked all", "tidak ada kunci di dalamnya", "there is no key in it"),
            (f"a:{'a' * 64}\na:{'b' * 64}", "dua kunci bernama sama", "two keys have the same name"),
            ("intranet:abc", "entri kunci intranet bukan NAME:SHA256", "the entry of the key intranet is not NAME:SHA256"),
            ("In tranet:abc", "nama kunci terdiri atas huruf kecil", "a key's name has small letters"),
            ("jari_rahasia", "mungkin itu kuncinya sendiri", "perhaps it is the key itself"),  # as >> keeps it, before its entry
            ("caf\xe9", "bukan teks UTF-8", "no UTF-8 text"),
        ],
    )
    def test_what_is_wrong_with_a_file_is_told_in_the_language(self, entries, indonesian, english, monkeypatch, tmp_path):
        (tmp_path / "keys").write_text(entries, encoding="latin-1")
        monkeypatch.setenv("JARI_API_KEYS_FILE", str(tmp_path / "keys"))
        for lang, words in (("id", indonesian), ("en", english)):
            ran = CliRunner().invoke(cli, ["serve", "--port", "0", "--lang", lang])
            assert ran.exit_code == 2
            assert words in ran.stderr
            assert "rahasia" not in ran.stderr

    @pytest.mark.parametrize(
        ("host", "settings", "expected"),
        [
            ("127.0.0.1", {}, True),
            ("localhost", {}, True),
            ("0.0.0.0", {}, False),
            ("0.0.0.0", {"allow_open": True}, True),
            ("0.0.0.0", {"api_keys": f"cms:{'a' * 64}"}, True),
        ],
    )
    def test_who_may_listen_where(self, host, settings, expected):
        given = Settings(host=host, port=0, **settings)
        if expected:
            with listening(given):
                pass
        else:
            with pytest.raises(TerminalError, match="open-refused"), listening(given):
                pass


class Running:
    """`jari serve` with a file of keys."""

    def __init__(self, folder):
        self.keys, self.log = folder / "keys", folder / "log"

    def start(self):
        command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--workers", "1"]
        environment = os.environ | {"JARI_API_KEYS_FILE": str(self.keys)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.address = self.process.stdout.readline().split(": ")[1].split(" ")[0]

    def ask(self, path, secret="", body=None, **headers):
        request = urllib.request.Request(self.address + path, body, bearer(secret) | headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def reload(self, entries, event):
        self.keys.write_text(entries)
        self.process.send_signal(signal.SIGHUP)
        for _ in range(600):
            if f'"{event}' in self.log.read_text():
                return
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    service = Running(tmp_path_factory.mktemp("running"))
    service.secret, entry = new_key("first")
    service.keys.write_text(f"{entry}\n")
    service.start()
    yield service
    service.process.terminate()
    service.process.wait(60)
    service.process.stdout.close()


class TestRunning:
    def test_a_large_upload_without_a_key_is_told_so(self, running):
        body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x.jpg"\r\n\r\n' + bytes(20 * 2**20) + b"\r\n--b--\r\n"
        connection = HTTPConnection(urlsplit(running.address).netloc, timeout=60)
        connection.request("POST", "/v1/checks", body, {"Content-Type": "multipart/form-data; boundary=b"})
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)["type"]) == (401, "key-needed")
        connection.close()

    def test_so_is_one_that_means_to_be_its_connections_last(self, running):
        """As urllib sends it, which reads nothing before it has sent all."""
        for path in ("v1/checks", "v1/batches"):
            for size in (10**5, 5 * 10**6, 50 * 10**6):
                status, answer = running.ask(path, "jari_none", bytes(size))
                assert (status, json.loads(answer)["type"]) == (401, "key-needed")

    def test_what_it_says_when_it_starts(self, running):
        starting = next(json.loads(line) for line in running.log.read_text().splitlines() if '"starting"' in line)
        assert starting["keys"] == ["first"]
        assert starting["model_sha256"] == SHA256
        assert starting["versions"]["jari-netral"]

    def test_it_reads_its_keys_again(self, running):
        secret, entry = new_key("second")
        assert [running.ask("metrics", one)[0] for one in (running.secret, secret)] == [200, 401]
        running.reload(f"{entry}\n", "reloaded")
        assert [running.ask("metrics", one)[0] for one in (running.secret, secret)] == [401, 200]
        running.reload("", "reload failed")  # an empty file opens nothing
        assert '"reason": "there is no key in it"' in running.log.read_text()
        assert [running.ask("metrics", one)[0] for one in (running.secret, secret)] == [401, 200]
