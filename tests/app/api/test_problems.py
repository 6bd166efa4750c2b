import re
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from app.keys import new_key
from app.main import create_app
from app.middleware import HEADERS
from app.settings import Settings
from gestures.errors import UnknownContest

PATIENT_S = 120

# What Chromium asks for where somebody opens a link.
OPENING = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"}


class TestAddresses:
    @pytest.mark.parametrize("path", ["/v2/checks", "/v1/checks/1", "/static/none.js", "/favicon.ico"])
    def test_unknown(self, client, path):
        answer = client.get(path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")

    def test_wrong_method(self, client):
        answer = client.delete("/v1/checks")
        assert (answer.status_code, answer.json()["type"]) == (405, "method-not-allowed")
        assert answer.headers["allow"] == "POST"
        assert "POST" in answer.json()["detail"]

    @pytest.mark.parametrize(("asked", "status"), [("bytes=9999999-", 416), ("bytes=b-a", 400)])
    def test_a_range_that_a_file_does_not_have(self, client, asked, status):
        answer = client.get("/static/page.js", headers={"Range": asked})
        assert (answer.status_code, answer.json()["status"], answer.json()["type"]) == (status, status, "http-error")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers.get("content-range", "").startswith("bytes */") is (status == 416)

    def test_a_range_of_another_unit_is_passed_over(self, client):
        assert client.get("/static/page.js", headers={"Range": "items=0-9"}).status_code == 200

    def test_every_method_of_an_address_is_named(self, client):
        answer = client.put("/v1/batches/x")
        assert answer.headers["allow"] == "DELETE, GET, HEAD"
        assert "DELETE, GET, HEAD" in answer.json()["detail"]

    @pytest.mark.parametrize(
        "path", ["/", "/batch", "/privacy", "/healthz", "/v1/contests", "/v1/poses", "/openapi.json", "/static/page.js"]
    )
    def test_head_is_answered_like_get(self, client, path):
        asked, read = client.head(path), client.get(path)
        assert (asked.status_code, asked.content) == (200, b"")
        assert asked.headers["content-length"] == str(len(read.content))
        assert asked.headers["content-type"] == read.headers["content-type"]

    def test_head_of_what_is_only_sent_to(self, client):
        assert client.head("/v1/checks").status_code == 405

    def test_a_file_of_the_page_is_only_read(self, client):
        assert client.put("/static/page.js").headers["allow"] == "GET, HEAD"

    def test_a_slash_too_many_leads_nowhere(self, client):
        answer = client.post("/v1/checks/", follow_redirects=False)
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")

    @pytest.mark.parametrize(
        ("path", "page"), [("/batch/", "../batch"), ("/privacy/", "../privacy"), ("/batch/?lang=en&x=%20", "../batch?lang=en&x=%20")]
    )
    def test_a_slash_too_many_leads_to_the_page(self, client, path, page):
        for method in ("GET", "HEAD"):
            answer = client.request(method, path, follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (307, page)
        below = TestClient(client.app, root_path="/jari")
        assert urlsplit(str(below.get("/jari" + path, headers=OPENING).url)).path == urlsplit("/jari" + path).path.rstrip("/")

    @pytest.mark.parametrize("path", ["/", "/batch", "/privacy", "/healthz", "/readyz"])
    def test_whoever_watches_may_ask_for_the_head_alone(self, client, path):
        assert client.head(path).status_code == 200

    @pytest.mark.parametrize("path", ["/static/../index.html", "/static/%2e%2e/%2e%2e/main.py", "/static/..%2f..%2fmain.py"])
    def test_no_file_beside_the_static_ones(self, client, path):
        assert client.get(path).status_code == 404


class TestPages:
    """What a browser shows that was led to where nothing is."""

    def test_say_it_in_the_readers_language(self, client):
        for lang, title, start in (
            ("id", "Alamat tidak ditemukan", "Kembali ke pemeriksaan foto"),
            ("en", "No such address", "Back to checking photos"),
        ):
            answer = client.get("/laporan", headers={**OPENING, "Accept-Language": lang})
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
            assert answer.headers["content-language"] == lang
            assert f'<html lang="{lang}">' in answer.text
            assert f"<h1>{title}</h1>" in answer.text
            assert f'<a href="/">{start}</a>' in answer.text
            assert answer.headers["x-request-id"] in answer.text
            assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]

    @pytest.mark.parametrize("path", ["/v1/batches/x/report.html", "/v1/poses/", "/static/none.css", "/a/b/c/"])
    def test_lead_to_the_start_below_any_path(self, client, path):
        below = TestClient(client.app, root_path="/jari")
        answer = below.get("/jari" + path, headers=OPENING)
        assert answer.status_code == 404
        addresses = set(re.findall(r'(?:href|src)="([^"]*)"', answer.text))
        assert addresses == {"/jari/", "/jari/static/logo.svg", "/jari/static/page.css", "/jari/static/first.js"}
        for address in addresses:
            assert below.get(address).status_code == 200

    @pytest.mark.parametrize("path", ["/nothing", "/v1/batches/x/report.html"])
    @pytest.mark.parametrize(
        "accept",
        [
            *("*/*", "", "application/json", "application/json, text/html;q=0.9", "application/problem+json, text/html;q=0.5", "image/*"),
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",  # Java's HttpURLConnection, whatever it fetches
        ],
    )
    def test_are_for_nobody_else(self, client, path, accept):
        answer = client.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["vary"] == client.get(path, headers=OPENING).headers["vary"] == "Accept, Accept-Language"

    def test_are_no_answers_to_what_is_sent(self, client):
        for method in ("POST", "DELETE"):
            answer = client.request(method, "/nothing", headers=OPENING)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["vary"] == "Accept-Language"

    def test_of_a_key_that_is_missing(self):
        _, entry = new_key("cms")
        answer = TestClient(create_app(Settings(workers=1, api_keys=str(entry)))).get("/metrics", headers=OPENING)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "<h1>" in answer.text

    def test_echo_nothing_of_the_address(self, client):
        assert "budi" not in client.get("/%3Cscript%3Ebudi%3C/script%3E?budi", headers=OPENING).text

    def test_a_report_that_is_deleted_while_it_is_read(self, browser, serve, tmp_path, peace, shot):
        with serve(tmp_path / "log", JARI_SPOOL=str(tmp_path / "spool"), JARI_FINDER="mediapipe") as (address, _):
            sent = httpx2.post(f"{address}v1/batches", files={"photos": ("peace.jpg", peace)}, timeout=PATIENT_S)
            place = urljoin(address, sent.headers["location"])
            with httpx2.stream("GET", f"{place}/events", timeout=PATIENT_S) as events:
                assert '"state":"done"' in list(events.iter_lines())[-3]
            context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 844})
            page = context.new_page()
            complaints = []
            page.on("console", lambda message: complaints.append(message.text))
            page.goto(f"{place}/report.html")
            page.wait_for_selector(".tile")
            httpx2.delete(place, timeout=PATIENT_S).raise_for_status()
            assert page.reload().status == 404
            assert page.text_content("h1") == "There is no such batch"
            assert page.evaluate("() => getComputedStyle(document.querySelector('.brand')).fontWeight") == "700"  # its styles have come
            shot(page)
            page.click("main a")
            page.wait_for_selector("#choose")
            assert page.url == address
            assert page.goto(f"{address}batch/").status == 200
            assert page.url == f"{address}batch"
            context.close()
        assert [one for one in complaints if "404" not in one] == []


class TestBugs:
    @pytest.fixture
    def faulty(self):
        app = create_app(Settings(workers=1))

        @app.get("/bug")
        async def bug() -> None:
            raise ValueError("foto-budi.jpg")

        return TestClient(app)

    def test_answer_without_telling_what_was_sent(self, faulty, caplog):
        answer = faulty.get("/bug", headers={"Accept-Language": "en"})
        assert (answer.status_code, answer.json()["type"]) == (500, "internal-error")
        assert "budi" not in answer.text
        bug = next(record for record in caplog.records if record.message == "bug")
        assert bug.fields["error"] == "ValueError"
        assert any("test_problems.py" in frame for frame in bug.fields["stack"])
        assert "budi" not in caplog.text
        assert bug.fields["id"] == answer.headers["x-request-id"]

    def test_what_was_sent_may_be_quoted_whatever_it_is(self, faulty):
        @faulty.app.get("/contest")
        async def contest() -> None:
            raise UnknownContest(name="\ud800<b>", known="default")

        answer = faulty.get("/contest")
        assert (answer.status_code, answer.json()["type"]) == (422, "contest-unknown")
        assert "<b>" not in faulty.get("/contest", headers=OPENING).text

    def test_tell_a_reader_the_number_to_name(self, faulty):
        answer = faulty.get("/bug", headers=OPENING)
        assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
        assert f"Nomor permintaan: <bdi>{answer.headers['x-request-id']}<" in answer.text
        assert "Request number: <" in faulty.get("/bug", headers={**OPENING, "Accept-Language": "en"}).text  # as the page calls it


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/static/page.js", "/v1/poses", "/nothing"])
    def test_guard_every_answer(self, client, path):
        answer = client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert "unsafe" not in answer.headers["content-security-policy"]

    def test_files_are_asked_for_anew_and_answers_kept_nowhere(self, client):
        assert client.get("/static/page.js").headers["cache-control"] == "no-cache"
        assert client.get("/").headers["cache-control"] == "no-cache"
        assert client.get("/v1/poses").headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("path", ["/", "/batch", "/privacy", "/static/page.js"])
    def test_what_a_browser_has_is_not_sent_again(self, client, path):
        first = client.get(path, headers={"Accept": "text/html"})
        again = client.get(path, headers={"Accept": "text/html", "If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]

    def test_no_other_origin_by_default(self, client):
        answer = client.get("/v1/poses", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in answer.headers
        preflight = client.options("/v1/checks", headers={"Origin": "https://other.example", "Access-Control-Request-Method": "POST"})
        assert preflight.status_code == 405

    def test_other_origins_by_setting(self):
        client = TestClient(create_app(Settings(workers=1, cors_origins=("https://intranet.example",))))
        allowed = client.get("/v1/poses", headers={"Origin": "https://intranet.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://intranet.example"
        assert "Content-Disposition" in allowed.headers["access-control-expose-headers"]
        other = client.get("/v1/poses", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
        asking = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
        refused = client.options("/v1/checks", headers=asking)
        assert (refused.status_code, refused.json()["type"]) == (400, "http-error")
        assert "access-control-allow-origin" not in refused.headers
        elsewhere = client.get("/v1/poses", headers={"Origin": "https://intranet.example", "Host": "other.example"})
        assert (elsewhere.status_code, elsewhere.json()["type"]) == (421, "host-unknown")
        assert elsewhere.headers["access-control-allow-origin"] == "https://intranet.example"  # whose page can read why
