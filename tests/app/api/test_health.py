import os
import threading
import time

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings

PATIENT_S = 120


def wait_until(true):
    end = time.monotonic() + PATIENT_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def own():
    """A service of the test's own that was ready, long ago."""
    app = create_app(Settings(workers=1, check_timeout_s=PATIENT_S, max_wait_s=PATIENT_S))
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
        app.state.service._checked_at -= 3600
        yield client


@pytest.fixture
def pool(own):
    return own.app.state.service.pool


@pytest.fixture
def busy(own, pool, peace, halted):
    """Its worker stands still over a photo. Gives a list that the answer's status comes into."""
    answers = []
    sender = threading.Thread(target=lambda: answers.append(own.post("/v1/checks", files={"photo": peace}).status_code))
    with halted(os.getpid()):
        sender.start()
        wait_until(lambda: pool.running == pool.workers)
        yield answers
    sender.join()


class TestHealth:
    def test_the_process_is_up(self, client):
        assert client.get("/healthz").json() == {"status": "ok"}


class TestReadiness:
    def test_the_self_check_is_read_right(self, client):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_without_the_model_it_is_not_ready(self, tmp_path):
        model = tmp_path / "hand_landmarker.task"
        model.write_bytes(b"not the model")
        with TestClient(create_app(Settings(workers=1, model=model))) as client:
            answer = client.get("/readyz", headers={"Accept-Language": "en"})
            assert (answer.status_code, answer.json()["type"]) == (503, "not-ready")
            assert answer.headers["retry-after"]
            assert client.get("/healthz").status_code == 200

    def test_it_is_ready_while_busy(self, group):
        app = create_app(Settings(workers=1, queue_size=0, check_timeout_s=120))
        with TestClient(app) as client:
            assert client.get("/readyz").status_code == 200
            sender = threading.Thread(target=lambda: client.post("/v1/checks", files={"photo": group}))
            sender.start()
            while not app.state.service.pool._running:
                time.sleep(0.01)
            app.state.service._checked_at -= 3600  # long ago
            assert client.get("/readyz").status_code == 200
            sender.join()

    def test_it_is_ready_at_once_while_busy(self, own, busy):
        assert [own.get("/readyz").status_code for _ in range(3)] == [200] * 3
        assert busy == []  # nobody waited for the photo

    def test_workers_that_fail_are_found_out_while_busy(self, own, pool, busy, monkeypatch):
        def no_more():
            raise OSError

        monkeypatch.setattr(pool, "_new_process", no_more)
        assert own.get("/readyz").status_code == 200
        for process in list(pool._processes):
            process.end()
        wait_until(lambda: own.get("/readyz").status_code == 503)
        assert own.get("/readyz").status_code == 503

    def test_a_photo_that_was_checked_is_proof_enough(self, own, pool, peace, monkeypatch):
        assert own.post("/v1/checks", files={"photo": peace}).status_code == 200
        monkeypatch.setattr(pool, "submit", None)
        assert own.get("/readyz").status_code == 200

    def test_photos_do_not_make_ready_what_reads_them_wrong(self, own, peace, monkeypatch):
        monkeypatch.setattr("app.api.service.SELF_CHECK_NUMBER", 7)
        assert own.get("/readyz").status_code == 503
        assert own.post("/v1/checks", files={"photo": peace}).status_code == 200
        assert own.get("/readyz").status_code == 503
