"""What the tests of the HTTP interface share."""

import pytest

from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def told():
    """Hold every answer of a service in this process to the OpenAPI document: its status is told there, and its problem."""
    paths = create_app(Settings(workers=1)).openapi()["paths"]
    count = Metrics.answered

    def answered(metrics, answered, seconds):
        count(metrics, answered, seconds)
        operation = paths.get(answered["route"], {}).get((answered["method"] or "").lower().replace("head", "get"))
        if operation and answered["status"] not in (None, 499):  # whose sender has left
            told = operation["responses"][str(answered["status"])]
            if kind := answered["problem"]:
                assert kind in told["content"]["application/problem+json"].get("examples", [kind]), answered

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Metrics, "answered", answered)
        yield
