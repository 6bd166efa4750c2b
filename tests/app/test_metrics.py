"""Figures that are told whatever else is out of reach."""

from starlette.testclient import TestClient

from app.batch.batches import Batches
from app.main import create_app
from app.settings import Settings


def test_a_spool_that_cannot_be_looked_at_costs_no_other_figure(monkeypatch):
    def gone(self):
        raise FileNotFoundError

    monkeypatch.setattr(Batches, "figures", gone)
    client = TestClient(create_app(Settings(workers=1)), raise_server_exceptions=False)  # not entered: no worker is started
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert "jari_build_info" in answer.text
    assert "jari_spool" not in answer.text


def test_the_pages_files_are_told_from_what_is_not_there():
    client = TestClient(create_app(Settings(workers=1, root_path="/jari")), root_path="/jari")
    for path in ("/jari/static/page.js", "/jari/static/budi.js", "/jari/budi"):
        client.get(path)
    client.head("/jari/batch")
    figures = client.get("/jari/metrics").text
    for one in ('route="/static",status="200"', 'route="/static",status="404"', 'route="none",status="404"'):
        assert f'jari_requests_total{{method="GET",{one}}} 1.0' in figures
    assert 'jari_requests_total{method="HEAD",route="/batch",status="200"} 1.0' in figures
    assert "budi" not in figures
