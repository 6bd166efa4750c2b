"""More than the service can do, and callers who take their time. Real sockets against a real server."""

import asyncio
import json
import os
import re
import select
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn

from app import connections, middleware
from app.errors import QueueFull
from app.main import create_app
from app.settings import Settings

PATIENT_S = 120
PATIENCE_S = 1
HEAD = b"POST /v1/checks HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'


@pytest.fixture(scope="module")
def hurried(serve, tmp_path_factory):
    """A service with little patience and room for little more than one photo."""
    settings = {"JARI_UPLOAD_TIMEOUT_S": str(PATIENCE_S), "JARI_MAX_BYTES": "1000000", "JARI_QUEUE_BYTES": "1000000"}
    with serve(tmp_path_factory.mktemp("hurried") / "log", **settings) as (address, _):
        yield address


def connect(address):
    return closing(socket.create_connection((urlsplit(address).hostname, urlsplit(address).port), timeout=60))


def received(connection):
    """All that comes until the other side hangs up."""
    answer = b""
    try:
        while data := connection.recv(65536):
            answer += data
    except ConnectionError:
        pass
    return answer


def document(connection):
    """Take an answer that ends with a JSON object; the connection stays open, and head and body may come apart."""
    answer = b""
    while not answer.endswith(b"}"):
        more = connection.recv(65536)
        assert more, answer
        answer += more
    return answer


def wait_until(true, seconds=PATIENT_S):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def queue(address):
    """Photos that are checked, and that wait."""
    figures = httpx2.get(f"{address}metrics", timeout=PATIENT_S).text
    return tuple(int(float(re.search(rf"^{name} (.*)$", figures, re.M)[1])) for name in ("jari_checks_running", "jari_queue_waiting"))


def nobody_gets_in(address):
    try:
        with connect(address):
            return False
    except OSError:
        return True


def problem(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    return json.loads(body), head.decode().lower()


async def served(app, scenario, metrics=None):
    """Serve an application of the test's own, with little patience, for as long as `scenario(server, address)` takes."""
    config = uvicorn.Config(app, lifespan="off", http=connections.patient_protocol(0.2, metrics), log_config=None)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await server.startup(sockets=[listener])
        await scenario(server, listener.getsockname())
        await server.shutdown()


def drip(connection, data):
    """Send a byte now and then, for as long as it is taken. Returns seconds."""
    began = time.monotonic()
    connection.settimeout(0.05)
    for byte in data:
        try:
            connection.send(bytes([byte]))
            if not connection.recv(1, socket.MSG_PEEK):
                break
            break  # an answer
        except TimeoutError:
            continue
        except ConnectionError:
            break
    connection.settimeout(60)
    return time.monotonic() - began


class TestSlowCallers:
    def test_who_says_nothing_is_left(self, hurried):
        began = time.monotonic()
        with connect(hurried) as connection:
            assert received(connection) == b""
            assert PATIENCE_S * 0.9 < time.monotonic() - began < PATIENCE_S + 5

    def test_a_head_that_never_ends(self, hurried):
        with connect(hurried) as connection:
            assert drip(connection, b"GET / HTTP/1.1\r\nX-Slow: " + b"x" * 10_000) < PATIENCE_S + 5

    def test_a_second_head_that_never_ends(self, hurried):
        with connect(hurried) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            assert drip(connection, b"GET / HTTP/1.1\r\nX-Slow: " + b"x" * 10_000) < PATIENCE_S + 5

    def test_a_body_that_never_ends(self, hurried):
        with connect(hurried) as connection:
            connection.sendall(HEAD % 500_000 + PART)
            assert drip(connection, b"x" * 10_000) < PATIENCE_S + 5
            body, head = problem(document(connection))
            assert (body["status"], body["type"]) == (408, "upload-slow")
            assert "connection: close" in head
            connection.shutdown(socket.SHUT_WR)  # until then it is read on for a while, see `TestRefused`
            assert received(connection) == b""

    def test_others_are_served_meanwhile(self, hurried, peace, lawful):
        slow = [socket.create_connection((urlsplit(hurried).hostname, urlsplit(hurried).port)) for _ in range(100)]
        try:
            for number, connection in enumerate(slow):
                connection.sendall(HEAD % 500_000 + PART if number % 2 else b"GET / HTTP/1.1\r\nX-Slow: ")
            answer = httpx2.post(f"{hurried}v1/checks", files={"photo": peace}, timeout=PATIENT_S)
            assert lawful(answer) == "review"
        finally:
            for connection in slow:
                connection.close()

    def test_an_answer_that_is_not_read(self, monkeypatch):
        """A caller who asks for much and reads nothing is left, and what was to be sent with it."""
        monkeypatch.setattr(connections, "LEAST_RATE", 10**9)

        async def much(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(64):
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})

        async def scenario(server, address):
            _, writer = await asyncio.open_connection(*address, limit=1)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
            began = time.monotonic()
            while server.server_state.connections:
                assert time.monotonic() - began < 10
                await asyncio.sleep(0.05)
            writer.close()

        asyncio.run(served(much, scenario))


class TestRefused:
    """Whoever is refused sends on for a while: most read nothing before they have sent all."""

    @pytest.mark.parametrize("told", [True, False], ids=["a length", "parts"])
    def test_too_large(self, hurried, told):
        photo = PART + bytes(30 * 10**6)

        def in_parts():
            for start in range(0, len(photo), 10**6):
                yield photo[start : start + 10**6]

        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        for _ in range(5):
            connection = HTTPConnection(urlsplit(hurried).netloc, timeout=60)
            connection.request("POST", "/v1/checks", photo if told else in_parts(), headers)
            answer = connection.getresponse()
            assert (answer.status, json.load(answer)["type"]) == (413, "photo-too-large")
            assert answer.getheader("connection") == "close"
            connection.close()

    def test_what_was_read_whole_keeps_its_connection(self, hurried):
        with connect(hurried) as connection:
            for _ in range(2):
                connection.sendall(HEAD % (len(PART) + 10) + PART + b"x\r\n--b--\r\n")
                body, head = problem(document(connection))
                assert (body["type"], "connection: close" in head) == ("photo-unsupported", False)

    @pytest.mark.parametrize("sends", [True, False], ids=["without end", "nothing more"])
    def test_who_is_answered_and_does_not_stop_is_left(self, monkeypatch, sends):
        monkeypatch.setattr(middleware, "LINGER_S", 60 if sends else 0.2)
        monkeypatch.setattr(middleware, "LINGER_BYTES", 10**6)

        async def refusing(scope, receive, send):
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"1")]})
            await send({"type": "http.response.body", "body": b"x"})

        async def scenario(server, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
            began = time.monotonic()
            assert (await reader.readuntil(b"\r\n\r\nx")).startswith(b"HTTP/1.1 401")
            sent = 0
            with suppress(ConnectionError):
                while server.server_state.connections:
                    assert time.monotonic() - began < 10
                    writer.write(bytes(10**5 * sends))
                    await writer.drain()
                    await asyncio.sleep(0.01)
                    sent += 10**5 * sends
            assert sent < 10**8
            writer.close()

        asyncio.run(served(middleware.Lingering(refusing), scenario))


class TestConnections:
    def test_what_is_no_http(self, hurried):
        with connect(hurried) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
            body, _ = problem(received(connection))
            assert (body["status"], body["type"]) == (400, "http-error")

    @pytest.mark.parametrize(("kind", "status", "most"), [("http-error", 400, 1), ("too-many-connections", 503, 0)])
    def test_what_is_refused_before_it_is_a_request_is_counted_and_logged(self, monkeypatch, caplog, kind, status, most):
        monkeypatch.setattr(connections, "MOST", most)
        metrics = create_app(Settings(workers=1)).state.service.metrics
        told = {}

        async def scenario(server, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"\x16\x03\x01\r\n\r\n")
            told.update(problem(await reader.read())[0])
            writer.close()

        with caplog.at_level("INFO", "app.requests"):
            asyncio.run(served(None, scenario, metrics))
        (line,) = [record.fields for record in caplog.records if record.getMessage() == "request"]
        assert (f"urn:uuid:{line['id']}", line["status"], line["problem"]) == (told["instance"], status, kind)
        figures = metrics.text().decode()
        assert f'jari_problems_total{{type="{kind}"}} 1.0' in figures
        assert f'jari_requests_total{{method="none",route="none",status="{status}"}} 1.0' in figures

    def test_too_many_are_told_when_to_come_back(self, server):
        """Of a service that leaves them time enough to be there all at once."""
        open_ = [socket.create_connection((urlsplit(server).hostname, urlsplit(server).port)) for _ in range(connections.MOST)]
        try:
            with connect(server) as connection:
                body, head = problem(received(connection))
                assert (body["status"], body["type"]) == (503, "too-many-connections")
                assert "retry-after: 5" in head
        finally:
            for connection in open_:
                connection.close()
        wait_until(lambda: httpx2.get(f"{server}healthz", timeout=PATIENT_S).status_code == 200)


class TestQueue:
    def test_bytes_are_bounded_over_all_uploads(self, hurried, peace):
        half = HEAD % 900_000 + PART + bytes(600_000)
        with connect(hurried) as first, connect(hurried) as second:
            for one in (first, second):
                one.sendall(half)
            refused, *_ = select.select([first, second], [], [], PATIENT_S)[0]  # whichever was read later
            body, head = problem(document(refused))
            assert (body["status"], body["type"]) == (503, "queue-full")
            assert int(re.search(r"retry-after: (\d+)", head)[1]) >= 1
        # There is room again as soon as the service has noticed that they hung up.
        wait_until(lambda: httpx2.post(f"{hurried}v1/checks", files={"photo": peace}, timeout=PATIENT_S).status_code == 200)

    def test_no_body_is_read_for_a_full_queue(self):
        app = create_app(Settings(workers=1))
        app.state.service.pool.queue_size = -1
        sent = []

        async def receive():
            assert sent, "the body was asked for"
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"multipart/form-data; boundary=b"), (b"content-length", b"1000")]
        scope = {"type": "http", "method": "POST", "path": "/v1/checks", "query_string": b"", "headers": headers, "state": {}}
        asyncio.run(app(scope, receive, send))
        assert sent[0]["status"] == 503
        assert int(dict(sent[0]["headers"])[b"retry-after"]) >= 1

    def test_who_hangs_up_leaves_the_queue(self, serve, halted, tmp_path, peace):
        part = HEAD % (len(PART) + len(peace) + 9) + PART + peace + b"\r\n--b--\r\n"
        with serve(tmp_path / "log") as (address, process):
            assert httpx2.get(f"{address}readyz", timeout=PATIENT_S).status_code == 200
            with halted(process.pid):
                with ExitStack() as stack:
                    for _ in range(5):
                        stack.enter_context(connect(address)).sendall(part)
                    wait_until(lambda: queue(address) == (1, 4))
                wait_until(lambda: queue(address) == (1, 0))
            assert httpx2.post(f"{address}v1/checks", files={"photo": peace}, timeout=PATIENT_S).status_code == 200

    def test_who_leaves_while_sending_made_no_mistake(self, serve, tmp_path):
        with serve(tmp_path / "log", JARI_SPOOL=str(tmp_path / "spool")) as (address, _):
            for path in (b"/v1/checks", b"/v1/batches"):
                with connect(address) as connection:
                    connection.sendall((HEAD % 500_000).replace(b"/v1/checks", path) + PART + b"x")
                left = f'jari_requests_total{{method="POST",route="{path.decode()}",status="499"}} 1.0'
                wait_until(lambda left=left: left in httpx2.get(f"{address}metrics", timeout=PATIENT_S).text)
            assert "jari_problems_total{" not in httpx2.get(f"{address}metrics", timeout=PATIENT_S).text

    def test_what_has_waited_too_long_is_given_up(self, group):
        """However wrong the forecast was, nobody waits longer than is promised."""
        from starlette.testclient import TestClient

        app = create_app(Settings(workers=1, max_wait_s=0.5, check_timeout_s=PATIENT_S))
        app.state.service.pool._usual_s = 0.0  # a forecast that everything is quick
        with TestClient(app) as client:
            answers = []

            def post():
                answers.append(client.post("/v1/checks", files={"photo": group}))

            senders = [threading.Thread(target=post) for _ in range(3)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        assert all(answer.json()["type"] == QueueFull.type and answer.headers["retry-after"] for answer in refused)


class TestStopping:
    def test_what_takes_longer_than_is_waited_is_told_so(self, serve, tmp_path):
        settings = {"JARI_MAX_WAIT_S": "0.5", "JARI_CHECK_TIMEOUT_S": "0.5", "JARI_SPOOL": str(tmp_path / "spool")}  # and 5 seconds more
        with serve(tmp_path / "log", **settings) as (address, process), connect(address) as connection:
            connection.sendall((HEAD % 10**6).replace(b"checks", b"batches") + PART)
            httpx2.get(f"{address}healthz", timeout=PATIENT_S)  # so that the head has been read
            process.terminate()
            body, head = problem(document(connection))
            assert (body["status"], body["type"]) == (503, "service-stopping")
            assert "retry-after: 5" in head
            assert process.wait(30) in (0, -signal.SIGTERM)
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
        assert [(line["status"], line["problem"]) for line in lines if line.get("route") == "/v1/batches"] == [(503, "service-stopping")]
        assert not [line for line in lines if line["event"] in ("bug", "Exception in ASGI application\n")]

    def test_what_was_accepted_is_finished(self, serve, halted, tmp_path, peace):
        """The signal goes to every process, as a service manager sends it."""
        with serve(tmp_path / "log") as (address, process):
            assert httpx2.get(f"{address}readyz", timeout=PATIENT_S).status_code == 200
            answers = []

            def post():
                answers.append(httpx2.post(f"{address}v1/checks", files={"photo": peace}, timeout=PATIENT_S).status_code)

            senders = [threading.Thread(target=post) for _ in range(3)]
            with halted(process.pid):  # so that all three are there when the signal comes, however fast or slow the machine is
                for sender in senders:
                    sender.start()
                wait_until(lambda: queue(address) == (1, 2))
                os.killpg(process.pid, signal.SIGTERM)
                wait_until(lambda: nobody_gets_in(address))
                assert answers == []
                assert process.poll() is None
            for sender in senders:
                sender.join()
            assert process.wait(30) in (0, -signal.SIGTERM)
        assert answers == [200] * 3
