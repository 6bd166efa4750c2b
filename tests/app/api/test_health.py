import time

from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings


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
            import threading

            sender = threading.Thread(target=lambda: client.post("/v1/checks", files={"photo": group}))
            sender.start()
            while not app.state.service.pool._running:
                time.sleep(0.01)
            app.state.service._checked_at -= 3600  # long ago
            assert client.get("/readyz").status_code == 200
            sender.join()
