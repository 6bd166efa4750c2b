"""Traces arrive at a real collector on this machine, and tell times alone."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.tracing import Traces

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
pytest.importorskip("opentelemetry.sdk")


@pytest.fixture
def collector():
    """A collector's address, and the bodies that were sent there."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
        server.shutdown()
        thread.join()


def test_a_requests_steps_and_nothing_of_the_photo_or_its_sender(collector, peace):
    address, bodies = collector
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "User-Agent": "peramban-ika", "X-Forwarded-For": "203.0.113.77"}
    headers["tracestate"] = "pegawai=joko"
    with TestClient(create_app(Settings(workers=1, check_timeout_s=120, max_wait_s=120, traces_endpoint=address))) as client:
        assert client.post("/v1/checks?q=tanya", files={"photo": ("rapat-budi.jpg", peace)}, headers=headers).status_code == 200
        assert client.get("/alamat-hadi").status_code == 404
        assert client.get("/privacy").json()["traces"] is True
        assert client.request("NIP-19870101-LARAS", "/v1/checks").status_code == 405
    sent = [trace_service.ExportTraceServiceRequest.FromString(body) for body in bodies]
    spans = {span.name: span for one in sent for resource in one.resource_spans for scope in resource.scope_spans for span in scope.spans}
    assert {"POST /v1/checks", "wait", "decode", "check", "request", "GET /privacy", "other /v1/checks"} == set(spans)
    whole = spans["POST /v1/checks"]
    assert whole.trace_id.hex() == trace
    for step in ("wait", "decode", "check"):
        assert spans[step].parent_span_id == whole.span_id
        assert whole.start_time_unix_nano - 5e6 <= spans[step].start_time_unix_nano <= spans[step].end_time_unix_nano
        assert spans[step].end_time_unix_nano <= whole.end_time_unix_nano + 5e6
    attributes = {one.key for span in spans.values() for one in span.attributes}
    assert attributes == {"http.request.method", "http.route", "http.response.status_code", "jari.request_id", "error.type"}
    told = b"".join(bodies)
    for secret in (b"budi", b"tanya", b"hadi", b"ika", b"joko", b"LARAS", b"203.0.113", b"testclient"):
        assert secret not in told


def test_without_an_endpoint_there_is_nothing_to_send(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")  # a setting of others on the same machine
    traces = Traces(Settings())
    assert not traces.tracer.start_span("one").is_recording()
    traces.close()
