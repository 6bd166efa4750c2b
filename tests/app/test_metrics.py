"""Figures that are told whatever else is out of reach."""

from starlette.testclient import TestClient

from app.batch.jobs import Batches
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
