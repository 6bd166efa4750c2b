"""A batch on a real Dask scheduler with two real workers, all on this machine."""

import logging
import multiprocessing
import re
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace

import pytest

from app.batch.cluster import Cluster
from app.batch.ledger import Ledger
from app.batch.pictures import LookJob
from app.batch.run import Run
from app.batch.sources import Source
from app.errors import CheckTimeout
from app.terminal.words import TerminalError
from app.workers import CheckerSetup
from gestures import load_contest

PHOTOS = 40
PATIENT_S = 120


@pytest.fixture(scope="module")
def cluster():
    """A scheduler's address, and its two workers: one that stands alone, and one with Dask's nanny, as it usually is."""
    distributed = pytest.importorskip("distributed", reason="needs Dask")
    dask = [sys.executable, "-m", "dask"]
    place = ["--host", "127.0.0.1", "--no-dashboard"]
    processes = []
    try:
        scheduler = subprocess.Popen([*dask, "scheduler", *place, "--port", "0"], stderr=subprocess.PIPE, text=True)
        processes.append(scheduler)
        address = next(found[0] for line in scheduler.stderr if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line)))
        worker = [*dask, "worker", address, *place, "--nthreads", "1"]
        processes += [subprocess.Popen([*worker, *more], stderr=subprocess.DEVNULL) for more in (["--no-nanny"], [])]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        yield address, processes[1:]
    finally:
        processes[-1].terminate()  # the nanny, which ends its worker while there is a scheduler to take leave of
        processes[-1].wait(60)
        for process in processes[:-1]:
            process.kill()
            process.wait(60)
        scheduler.stderr.close()


def done_in(out):
    try:
        with closing(sqlite3.connect(f"file:{out}/ledger.sqlite?mode=ro", uri=True)) as db:
            return db.execute("SELECT count(*) FROM found").fetchone()[0]
    except sqlite3.Error:
        return 0


def loaded():
    """In a worker: how many processes it has, and how often it had to make one."""
    from app.batch.cluster import _pool

    return len(multiprocessing.active_children()), _pool.cache_info().misses


@pytest.mark.deep
@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_lost_worker_costs_time_and_no_photo(cluster, tmp_path, make_photos, run_batch, start_batch, results):
    import distributed

    address, workers = cluster
    folder = make_photos(tmp_path / "photos", PHOTOS, side=240)
    run = start_batch(folder, "--out", tmp_path / "cluster", "--cluster", address)
    end = time.monotonic() + 300
    while done_in(tmp_path / "cluster") < PHOTOS // 2:
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    workers[0].send_signal(signal.SIGKILL)
    assert done_in(tmp_path / "cluster") < PHOTOS
    _, err = run.communicate(timeout=300)
    assert err == ""
    with distributed.Client(address, set_as_default=False) as client:
        assert list(client.run(loaded).values()) == [(1, 1)]  # the worker that is left loaded the networks once
    here = run_batch(folder, "--out", tmp_path / "here")
    assert run.returncode == here.returncode
    assert results(tmp_path / "cluster") == results(tmp_path / "here")
    assert len(results(tmp_path / "here")) == PHOTOS


@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_photo_that_takes_too_long_costs_no_worker(cluster, samples):
    group, fist = (LookJob((samples / f"{name}.jpg").read_bytes()) for name in ("group", "fist"))
    setup = CheckerSetup(finder="mediapipe", timeout_s=0.05)
    with Cluster(cluster[0], setup) as workers:
        for late in [workers.submit(group), workers.submit(group)]:
            assert isinstance(late.exception(PATIENT_S), CheckTimeout)
    with Cluster(cluster[0], replace(setup, timeout_s=PATIENT_S)) as workers:
        assert workers.room == 4
        for future in [workers.submit(fist), workers.submit(fist)]:
            assert future.result(PATIENT_S).findings["hands"]


@pytest.mark.filterwarnings("default")  # Dask's own
def test_what_a_worker_of_another_version_finds_is_not_kept(cluster, samples, monkeypatch):
    monkeypatch.setattr("app.batch.cluster.library_sha256", lambda: "that of another version")
    with Cluster(cluster[0], CheckerSetup(finder="mediapipe")) as workers:
        error = workers.submit(LookJob((samples / "fist.jpg").read_bytes())).exception(PATIENT_S)
    assert isinstance(error, TerminalError)
    assert error.type == "cluster-version"


@pytest.mark.filterwarnings("default")  # Dask's own
def test_what_dask_says_of_versions_and_lost_schedulers_is_not_shown(cluster, monkeypatch, recwarn):
    from distributed.versions import VersionMismatchWarning, get_versions

    here = get_versions()
    here["packages"]["msgpack"] = "0.1"
    monkeypatch.setattr("distributed.versions.get_versions", lambda **options: here)
    with Cluster(cluster[0], CheckerSetup()):
        assert not [warning for warning in recwarn if warning.category is VersionMismatchWarning]
    for name in ("distributed.client", "distributed.utils"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_cluster_that_has_no_workers_left_is_not_waited_for(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("app.batch.cluster.LOOK_S", 0)
    monkeypatch.setattr("app.batch.cluster.ALONE_S", 0.5)
    setup = CheckerSetup()
    with Cluster(cluster[0], setup) as workers, Ledger(tmp_path, setup, load_contest("default")) as ledger:
        monkeypatch.setattr(workers, "submit", lambda job: Future())
        monkeypatch.setattr(workers._client, "scheduler_info", lambda **options: {"workers": {}})
        assert workers.room == 2
        with pytest.raises(TerminalError) as empty:
            list(Run([Source("a.jpg", lambda most: b"a")], ledger, workers, most_bytes=1))
    assert empty.value.type == "cluster-empty"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "foo", "foo://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_says_so(address, monkeypatch):
    pytest.importorskip("distributed", reason="needs Dask")
    monkeypatch.setattr("app.batch.cluster.PATIENCE_S", 1)
    with pytest.raises(TerminalError) as unreachable:
        Cluster(address, CheckerSetup())
    assert unreachable.value.type == "cluster-unreachable"


def test_without_dask_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(TerminalError) as missing:
        Cluster("tcp://127.0.0.1:9", CheckerSetup())
    assert missing.value.type == "cluster-missing"
