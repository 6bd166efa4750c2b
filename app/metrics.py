"""Figures for Prometheus at GET /metrics. No label holds anything of a person or a photo: routes are patterns, keys are integrations."""

import sqlite3
from collections import Counter as Counts
from collections.abc import Iterator
from typing import Any, TypedDict

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from app.about import model_sha256, own_sha256, versions
from app.batch.batches import Batches
from app.errors import BatchRefused
from app.settings import Settings
from app.workers import CheckerPool

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each series began: half of the output, and nobody asks

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)
HANDS = (0, 1, 2, 4, 8, 16, 32, 64)


class Answered(TypedDict):
    """A request that was answered.

    method: None where there was none yet. route: its pattern, or None where it has none. status: None where nobody waited for the answer.
    """

    method: str | None
    route: str | None
    status: int | None
    problem: str | None
    key: str | None


class Metrics:
    """Counts what the service does; queue and batches are looked at when somebody asks."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, settings: Settings, pool: CheckerPool, batches: Batches) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Workers(pool))
        registry.register(_Batches(batches))
        self._requests = Counter("jari_requests", "Requests, by the route's pattern.", ["method", "route", "status"], registry=registry)
        self._request_s = Histogram(
            "jari_request_seconds", "Time from a request to the end of its answer.", ["route"], buckets=SECONDS, registry=registry
        )
        self._problems = Counter("jari_problems", "Requests answered with a problem document.", ["type"], registry=registry)
        self._by_key = Counter("jari_key_requests", "Requests, by the key's name.", ["key", "status"], registry=registry)
        self._checks = Counter("jari_checks", "Photos checked, by the advice's level.", ["level"], registry=registry)
        self._steps = Histogram("jari_step_seconds", "Time of each step of a check.", ["step"], buckets=SECONDS, registry=registry)
        self._hands = Histogram("jari_hands_per_photo", "Hands found in a photo.", buckets=HANDS, registry=registry)
        Info("jari_build", "What is running.", registry=registry).info(
            {name.replace("-", "_"): number for name, number in versions().items()}
            | own_sha256()
            | {"model_sha256": model_sha256(settings.model) or "unusable", "finder": settings.finder}
        )

    def answered(self, request: Answered, seconds: float) -> None:
        """Count a request."""
        method, route, status = request["method"] or "none", request["route"] or "none", request["status"] or "none"
        self._requests.labels(method, route, status).inc()
        self._request_s.labels(route).observe(seconds)
        if request["problem"]:
            self._problems.labels(request["problem"]).inc()
        if request["key"]:
            self._by_key.labels(request["key"], status).inc()

    def checked(self, advice: dict[str, Any], seconds: dict[str, float]) -> None:
        """Count a photo, by its advice and what each step took."""
        self._checks.labels(advice["level"]).inc()
        self._hands.observe(len(advice["hands"]))
        for step, one in seconds.items():
            self._steps.labels(step).observe(one)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self.registry)


class _Workers(Collector):
    """The pool as it is when asked."""

    def __init__(self, pool: CheckerPool) -> None:
        self.pool = pool

    def collect(self) -> Iterator[Metric]:
        """Yield queue and worker figures."""
        yield GaugeMetricFamily("jari_queue_waiting", "Photos that wait for a worker, but for those of batches.", self.pool.waiting)
        yield GaugeMetricFamily("jari_queue_size", "Photos that may wait.", self.pool.queue_size)
        yield GaugeMetricFamily("jari_checks_running", "Photos that are being checked.", self.pool.running)
        yield GaugeMetricFamily("jari_workers", "Worker processes.", self.pool.workers)
        yield _counted("jari_worker_restarts", "Workers that were ended or lost, and replaced.", "reason", self.pool.restarts)


class _Batches(Collector):
    """The batches as they are when asked; nothing where there are none."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of batches and their spool."""
        try:
            now = self.batches.figures()
        except (BatchRefused, OSError, sqlite3.Error):
            return  # off, or the spool's folder is out of reach; the other figures are told all the same
        unfinished = GaugeMetricFamily("jari_batches_unfinished", "Batches that wait or are worked at.", labels=["state"])
        unfinished.add_metric(["waiting"], now.waiting)
        unfinished.add_metric(["running"], now.running)
        yield unfinished
        yield _counted("jari_batches_ended", "Batches, by what became of them.", "outcome", self.batches.ended)
        yield _counted("jari_batch_photos", "Photos of batches, by what came of them.", "level", self.batches.checked)
        yield GaugeMetricFamily("jari_spool_photos", "Photos of batches that are still on the disk.", now.photos)
        yield GaugeMetricFamily("jari_spool_bytes", "Bytes of the spool: photos, results, reports.", now.bytes)
        yield GaugeMetricFamily("jari_spool_free_bytes", "Bytes that are left on the disk of the spool.", now.free)


def _counted(name: str, words: str, label: str, counts: Counts[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
