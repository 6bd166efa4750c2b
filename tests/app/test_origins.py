"""Pages of other origins, in a real browser, can't have photos checked; and the page on privacy."""

import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from starlette.testclient import TestClient

from app.keys import new_key
from app.main import create_app
from app.settings import Settings

# A page that sends a photo as a form, which needs no permission of the other side, in the two ways that a browser knows.
EVIL = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<form method="post" enctype="multipart/form-data" target="out"><input name="photo" value="x"></form><iframe name="out"></iframe>
<script>
  async function send(to) {
    const form = new FormData();
    form.append("photo", new Blob(["x"]), "photo");
    return (await fetch(to, { method: "POST", body: form, mode: "no-cors" })).type;
  }
  function submit(to) {
    document.forms[0].action = to;
    document.forms[0].submit();
  }
</script>"""


@pytest.fixture(scope="module")
def evil():
    """The address of a page of another origin: of another port, or with "localhost", of another site."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL.encode())

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page(locale="id-ID", viewport={"width": 390, "height": 844})
    page.set_default_timeout(60_000)
    return page


def refused(server: str) -> int:
    figures = urlopen(f"{server}metrics", timeout=60).read().decode()
    found = re.search(r'jari_problems_total{type="origin-refused"} (\d+)', figures)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("way", ["send", "submit"])
def test_another_page_cannot_send_photos(page, server, evil, host, way):
    page.goto(f"http://{host}:{evil}/")
    before = refused(server)
    page.evaluate("([way, to]) => { window[way](to); }", [way, f"{server}v1/checks"])
    for _ in range(100):  # the browser does not let its own page see the answer
        if refused(server) == before + 1:
            return
        page.wait_for_timeout(100)
    raise AssertionError("was not refused")


def test_another_page_cannot_read_or_frame_ours(page, server, evil):
    page.goto(f"http://127.0.0.1:{evil}/")
    for path in ("privacy", "v1/limits", "metrics"):
        blocked = page.evaluate("(to) => fetch(to).then(() => false, () => true)", f"{server}{path}")
        assert blocked, path
    page.evaluate("(to) => { document.querySelector('iframe').src = to; }", server)
    page.wait_for_timeout(500)
    assert not any(frame.url.startswith(server) for frame in page.frames)


def test_no_inline_script_runs_on_ours(page, server):
    page.goto(server)
    ran = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = true'>");
            return new Promise((resolve) => setTimeout(() => resolve(window.ran === true), 300));
        }"""
    )
    assert not ran


@pytest.fixture(scope="module")
def jari() -> TestClient:
    settings = Settings(workers=1, hosts="Jari.example", cors_origins="https://intranet.example")
    return TestClient(create_app(settings), base_url="http://jari.example:8080")


class TestWithoutABrowser:
    """The rule itself, with the headers of older browsers and of programs."""

    @pytest.mark.parametrize(
        ("headers", "passes"),
        [
            ({}, True),  # a program
            ({"sec_fetch_site": "same-origin"}, True),
            ({"sec_fetch_site": "none"}, True),
            ({"sec_fetch_site": "same-site"}, False),
            ({"sec_fetch_site": "cross-site"}, False),
            ({"sec_fetch_site": "cross-site", "origin": "http://jari.example:8080"}, False),
            ({"origin": "http://jari.example:8080"}, True),  # no Sec-Fetch-Site over plain HTTP
            ({"origin": "https://jari.example:8080"}, True),  # a proxy has taken TLS off
            ({"origin": "http://jari.example"}, False),
            ({"origin": "http://evil.example"}, False),
            ({"origin": "null"}, False),
            ({"origin": "http://["}, False),  # no address at all
            ({"origin": "https://intranet.example", "sec_fetch_site": "cross-site"}, True),  # by setting
        ],
    )
    def test_who_may(self, jari, headers, passes):
        answer = jari.post("/v1/checks", headers={name.replace("_", "-"): value for name, value in headers.items()})
        assert answer.json()["type"] == ("media-type-unsupported" if passes else "origin-refused")

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_link_of_another_page_leads_to_ours(self, jari, method):
        assert jari.request(method, "/privacy", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


class TestNames:
    """A page whose name was made to lead to this machine is of the service's own origin, as far as a browser can tell."""

    @pytest.fixture
    def misled(self, browser, launch):
        """A browser that finds the service by a name that somebody else owns."""
        with launch(browser.browser_type, "--host-resolver-rules=MAP evil.example 127.0.0.1") as misled:
            yield misled

    def test_of_others_read_nothing_and_send_nothing(self, misled, server, shot):
        page = misled.new_page(locale="id-ID", viewport={"width": 390, "height": 844})
        assert page.goto(f"http://evil.example:{urlsplit(server).port}/").status == 421
        assert page.inner_text("h1") == "Nama di alamat ini tidak dikenal"
        shot(page)
        got = page.evaluate(
            """async () => {
                const form = new FormData();
                form.append("photos", new Blob(["x"]), "x.jpg");
                const answers = [await fetch("/metrics"), await fetch("/v1/batches", { method: "POST", body: form })];
                return Promise.all(answers.map(async (one) => [one.status, (await one.json()).type]));
            }"""
        )
        assert got == [[421, "host-unknown"]] * 2

    @pytest.mark.parametrize(
        ("host", "passes"),
        [
            ("127.0.0.1:8080", True),
            ("127.0.0.1.", True),
            ("192.168.1.20", True),
            ("[::1]:8080", True),
            ("[fe80::1]", True),
            ("[::ffff:127.0.0.1]:8080", True),
            ("localhost", True),
            ("LocalHost.:8080", True),
            ("jari.localhost:8080", True),
            ("jari.example", True),  # by setting
            ("JARI.example.:8080", True),
            ("www.jari.example", False),
            ("intranet.example", False),  # whose pages may call, which does not make its name ours
            ("127.0.0.1.evil.example", False),
            ("localhost.evil.example:8080", False),
            ("jari:8080", True),  # a container, or a machine of one's own network
            ("evil.localhost.example", False),
            ("evil.example:127", False),
            ("[evil.example]", False),
        ],
    )
    def test_that_are_ours(self, jari, host, passes):
        for method, path in (("GET", "/v1/limits"), ("OPTIONS", "/v1/checks"), ("POST", "/v1/checks")):
            answer = jari.request(method, path, headers={"Host": host})
            assert (answer.status_code == 421) is not passes

    def test_of_others_get_the_files_of_the_page_that_says_why(self, jari):
        assert jari.get("/static/page.css", headers={"Host": "evil.example"}).status_code == 200

    def test_who_gives_none_is_no_browser(self, server):
        with socket.create_connection((urlsplit(server).hostname, urlsplit(server).port), timeout=60) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    @pytest.mark.parametrize(
        ("target", "host", "status"),
        [
            ("http://127.0.0.1:8080/healthz", "127.0.0.1:8080", 200),
            ("HTTPS://localhost/v1/limits?lang=en", "localhost", 200),
            ("http://localhost", "localhost", 200),
            ("http://localhost?lang=en", "localhost", 200),
            ("http://evil.example/healthz", "127.0.0.1:8080", 421),
            ("http://evil.example:8080?lang=en", "127.0.0.1:8080", 421),
            ("http://127.0.0.1@evil.example/healthz", "127.0.0.1:8080", 421),
            ("http://127.0.0.1:8080/healthz", "evil.example", 200),
            ("http:///healthz", "127.0.0.1:8080", 404),
            ("/http://127.0.0.1:8080/healthz", "127.0.0.1:8080", 404),
        ],
    )
    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    def test_that_stand_in_the_target_count_whatever_host_says(self, server, target, host, status, version):
        with socket.create_connection((urlsplit(server).hostname, urlsplit(server).port), timeout=60) as connection:
            named = f"Host: {host}\r\n" if version == "1.1" else ""
            connection.sendall(f"GET {target} HTTP/{version}\r\n{named}\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 %d" % status)

    def test_do_not_matter_where_there_are_keys(self):
        secret, entry = new_key("cms")
        client = TestClient(create_app(Settings(workers=1, api_keys=str(entry))), base_url="http://evil.example")
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code == 200

    def test_that_it_listens_on_are_ours(self):
        client = TestClient(create_app(Settings(workers=1, host="Jari.kantor")), base_url="http://jari.kantor:8080")
        assert client.get("/v1/limits").status_code == 200


class TestPrivacyPage:
    def test_says_how_it_is_set_in_both_languages(self, page, server, shot):
        complaints = []
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.goto(f"{server}?lang=id")
        page.wait_for_selector("#contest option", state="attached")
        page.get_by_role("link", name="Privasi").click()
        page.wait_for_selector(".facts dd")
        assert urlsplit(page.url).path == "/privacy"
        facts = page.locator(".facts").inner_text()
        assert re.search(r"Foto asli disimpan setelah diperiksa\s+Tidak", facts)
        shot(page)
        page.get_by_role("button", name="English").click()
        assert page.get_by_role("heading", level=1).inner_text() == "What happens to a photo"
        assert re.search(r"Original photos are kept after the check\s+No", page.locator(".facts").inner_text())
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("link", name="Back to checking photos").click()
        page.wait_for_selector("#start:not([hidden])")
        assert complaints == []
