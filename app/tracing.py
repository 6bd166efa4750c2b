"""OpenTelemetry traces, only where JARI_TRACES_ENDPOINT names a collector: when a request and its steps began and ended.

Made by hand, because the instrumentation of frameworks adds addresses of callers, browsers' names and whole URLs.
"""

import time
from importlib.metadata import version

from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware import method, route
from app.settings import Settings


class Traces:
    """Makes spans, and sends them away in the background; without an endpoint, neither."""

    def __init__(self, settings: Settings) -> None:
        """Raises `ImportError` where the extra `otel` is not installed and an endpoint is set."""
        self._provider = None
        self.tracer: Tracer = NoOpTracer()
        if settings.traces_endpoint:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            # Not Resource.create, which would look for names of the machine and of its user.
            resource = Resource({"service.name": "jari-netral", "service.version": version("jari-netral")})
            self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_endpoint)))
            self.tracer = self._provider.get_tracer("app")

    def steps(self, seconds: dict[str, float]) -> None:
        """Add the steps of a check, which followed one another and have just ended, to the request's span."""
        began = time.time_ns() - round(1e9 * sum(seconds.values()))
        for step, one in seconds.items():
            ended = began + round(1e9 * one)
            self.tracer.start_span(step, start_time=began).end(ended)
            began = ended

    def close(self) -> None:
        """Send what is left."""
        if self._provider:
            self._provider.shutdown()


class Traced:
    """Makes a span of every request, as part of the caller's trace where it names one (W3C Trace Context)."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self.app = app
        self.traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Not `tracestate`, in which callers write what they like.
        caller = TraceContextTextMapPropagator().extract({"traceparent": Headers(scope=scope).get("traceparent", "")})
        with self.traces.tracer.start_as_current_span("request", caller, SpanKind.SERVER, record_exception=False) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self.app(scope, receive, send_noted)
            if pattern := route(scope):
                span.update_name(f"{method(scope)} {pattern}")
                span.set_attributes({"http.request.method": method(scope), "http.route": pattern})
            state = scope.get("state", {})
            span.set_attribute("jari.request_id", state["request_id"])
            if problem := state.get("problem"):
                span.set_attribute("error.type", problem)
