import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.middleware import HEADERS
from app.settings import Settings


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

    def test_every_method_of_an_address_is_named(self, client):
        answer = client.put("/v1/batches/x")
        assert answer.headers["allow"] == "DELETE, GET"
        assert "DELETE, GET" in answer.json()["detail"]

    def test_a_file_of_the_page_is_only_read(self, client):
        assert client.put("/static/page.js").headers["allow"] == "GET, HEAD"

    def test_a_slash_too_many_leads_nowhere(self, client):
        answer = client.post("/v1/checks/", follow_redirects=False)
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")

    @pytest.mark.parametrize("path", ["/", "/batch", "/privacy", "/healthz", "/readyz"])
    def test_whoever_watches_may_ask_for_the_head_alone(self, client, path):
        assert client.head(path).status_code == 200

    @pytest.mark.parametrize("path", ["/static/../index.html", "/static/%2e%2e/%2e%2e/main.py", "/static/..%2f..%2fmain.py"])
    def test_no_file_beside_the_static_ones(self, client, path):
        assert client.get(path).status_code == 404


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
        other = client.get("/v1/poses", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
