import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from app.errors import CheckTimeout, OutOfMemory, QueueFull, WorkerLost, WorkerNotStarted
from app.workers import CheckerPool, CheckerSetup, Job, check_here, close_here
from gestures import Checker, open_photo
from gestures.drawing import annotate, encode, redact
from gestures.errors import DamagedPhoto, ModelError, UnsupportedPhoto

PATIENT_S = 120
PATIENT = CheckerSetup(timeout_s=PATIENT_S)


@pytest.fixture(scope="module")
def pool():
    with CheckerPool(PATIENT) as pool:
        yield pool


@pytest.fixture(scope="module")
def lasting_pool():
    """A pool that outlives the processes that tests take from it."""
    with CheckerPool(CheckerSetup(timeout_s=PATIENT_S, memory_mib=1536)) as pool:
        yield pool


@pytest.fixture
def fresh_pool():
    """A pool of the test's own, with the processes that are its."""
    before = set(multiprocessing.active_children())
    with CheckerPool(PATIENT, queue_size=1) as pool:
        pool.processes = lambda: set(multiprocessing.active_children()) - before
        yield pool
    assert not pool.processes()


def numbers(result):
    return [code["number"] for code in result.advice["codes"]]


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def ended(process):
    """Whether a process, as it stands in /proc, is gone: it may go while it is looked at."""
    try:
        return "\nState:\tZ" in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


class TestChecking:
    def test_gives_the_advice(self, pool, peace):
        result = pool.submit(Job(peace, name="rapat.jpg")).result()
        assert 2 in numbers(result)
        assert result.advice["name"] == "rapat.jpg"
        assert result.picture is None

    def test_is_the_same_here_and_there(self, pool, peace):
        here, there = check_here(CheckerSetup(), Job(peace)).advice, pool.submit(Job(peace)).result().advice
        for advice in (here, there):
            del advice["elapsed_ms"]
        assert here == there

    def test_what_this_process_keeps_can_be_released(self, peace):
        """MediaPipe's landmarker complains where it is left open until the interpreter ends."""
        hand_landmarker = pytest.importorskip("mediapipe.tasks.python.vision.hand_landmarker")

        def left_open():
            return [one for one in gc.get_objects() if type(one) is hand_landmarker.HandLandmarker and one._handle]

        before = len(left_open())
        for _ in range(2):  # and is there again when it is wanted again
            assert 2 in numbers(check_here(CheckerSetup("mediapipe"), Job(peace)))
            assert len(left_open()) == before + 1
            close_here()
            assert len(left_open()) == before

    @pytest.mark.parametrize("copy", ["annotated", "redacted", "upright"])
    @pytest.mark.parametrize("format", ["jpeg", "webp"])
    def test_gives_a_copy(self, pool, peace, copy, format):
        picture = Image.open(BytesIO(pool.submit(Job(peace, copy=copy, format=format)).result().picture))
        assert picture.format == format.upper()
        assert picture.size == Image.open(BytesIO(peace)).size

    def test_the_copy_is_the_one_that_was_asked_for(self, pool, peace):
        photo = open_photo(peace)
        with Checker(threads=1) as checker:
            advice = checker.check_photo(photo)
        marked, blurred = (pool.submit(Job(peace, copy=copy, lang="en")).result().picture for copy in ("annotated", "redacted"))
        assert (marked, blurred) == (encode(annotate(photo, advice, "en")), encode(redact(photo, advice)))

    def test_a_contest_a_photo(self, pool, peace):
        assert pool.submit(Job(peace, contest="pilpres-2024")).result().advice["contest"] == "pilpres-2024"

    @pytest.mark.parametrize(("data", "error"), [(b"not a photo", UnsupportedPhoto), (b"\xff\xd8\xff\xe0" + b"\0" * 99, DamagedPhoto)])
    def test_gives_the_photos_error(self, pool, data, error):
        with pytest.raises(error):
            pool.submit(Job(data)).result()

    def test_says_so_where_the_model_is_missing(self, tmp_path, peace):
        with CheckerPool(CheckerSetup(model=tmp_path / "none.task", timeout_s=PATIENT_S)) as pool, pytest.raises(ModelError):
            pool.submit(Job(peace)).result()


class TestBounds:
    def test_refuses_more_than_may_wait(self, fresh_pool, peace):
        running, waiting = fresh_pool.submit(Job(peace)), fresh_pool.submit(Job(peace))
        with pytest.raises(QueueFull) as refused:
            fresh_pool.submit(Job(peace))
        assert refused.value.params["seconds"] >= 1
        assert 2 in numbers(running.result())
        assert 2 in numbers(waiting.result())
        assert 2 in numbers(fresh_pool.submit(Job(peace)).result())

    def test_what_waits_can_be_cancelled(self, fresh_pool, peace):
        running, waiting = fresh_pool.submit(Job(peace)), fresh_pool.submit(Job(peace))
        wait_until(lambda: fresh_pool.running)
        assert waiting.cancel()
        assert fresh_pool.waiting == 0  # its place is free at once
        assert not running.cancel()
        assert 2 in numbers(running.result())

    def test_refuses_what_would_come_too_late(self, lasting_pool, monkeypatch):
        monkeypatch.setattr(lasting_pool, "max_wait_s", 5)
        monkeypatch.setattr(lasting_pool, "_usual_s", 100)
        running = lasting_pool.submit(Allocating(1))  # nobody is before it, so it does not wait
        with pytest.raises(QueueFull) as refused:
            lasting_pool.submit(Allocating(1))
        assert refused.value.params["seconds"] == 100
        assert running.result(PATIENT_S)

    def test_stops_a_photo_that_takes_too_long_and_goes_on(self, group, peace):
        with CheckerPool(CheckerSetup(timeout_s=0.05)) as pool:
            with pytest.raises(CheckTimeout):
                pool.submit(Job(group)).result(PATIENT_S)
            pool.timeout_s = PATIENT_S
            assert 2 in numbers(pool.submit(Job(peace)).result(PATIENT_S))

    def test_goes_by_how_long_checks_took_lately(self, lasting_pool, monkeypatch):
        monkeypatch.setattr(lasting_pool, "_usual_s", 1000)
        for _ in range(10):
            lasting_pool.submit(Allocating(1)).result(PATIENT_S)
        assert lasting_pool._usual_s < 500

    def test_what_may_be_taken_later_stands_in_nobody_s_way(self, lasting_pool):
        order = []
        checks = [lasting_pool.submit(Allocating(1), later=later) for later in (True, True, False)]
        for number, check in enumerate(checks):
            check.add_done_callback(lambda _, number=number: order.append(number))
        for check in checks:
            check.result(PATIENT_S)
        wait_until(lambda: len(order) == 3)
        assert order.index(2) < order.index(1)


@dataclass(frozen=True)
class Signalled:
    """Sends its own process a signal while it works, as a crash in a decoder does."""

    number: int

    def run(self, checker, limits):
        os.kill(os.getpid(), self.number)
        time.sleep(PATIENT_S)


@dataclass(frozen=True)
class Allocating:
    mib: int

    def run(self, checker, limits):
        return len(bytearray(self.mib * 2**20))


class TooLateToCancel(threading.Timer):
    """A clock that has run out and does what it is to do only once it was cancelled."""

    def run(self):
        self.finished.wait()
        self.function()


@dataclass(frozen=True)
class Unpicklable:
    def run(self, checker, limits):
        return lambda: None


class TestLostWorkers:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda number: number.name)
    def test_a_photo_whose_process_dies_is_told_so_and_the_next_is_checked(self, lasting_pool, peace, caplog, number):
        before = lasting_pool.restarts["lost"]
        with pytest.raises(WorkerLost):
            lasting_pool.submit(Signalled(number)).result(PATIENT_S)
        assert lasting_pool.restarts["lost"] == before + 1
        assert caplog.records[-1].fields == {"reason": "lost", "exit": number.name}
        assert 2 in numbers(lasting_pool.submit(Job(peace)).result(PATIENT_S))

    def test_one_that_stands_still_is_stopped(self, lasting_pool):
        lasting_pool.timeout_s = 0.5
        try:
            with pytest.raises(CheckTimeout):
                lasting_pool.submit(Signalled(signal.SIGSTOP)).result(PATIENT_S)
        finally:
            lasting_pool.timeout_s = PATIENT_S

    def test_an_answer_at_the_last_moment_takes_no_other_photo_along(self, lasting_pool, peace, monkeypatch):
        lasting_pool.submit(Allocating(1)).result(PATIENT_S)  # so that the process has started
        before = lasting_pool.restarts.copy()
        with monkeypatch.context() as patch:
            patch.setattr(threading, "Timer", TooLateToCancel)
            with pytest.raises(CheckTimeout):
                lasting_pool.submit(Allocating(1)).result(PATIENT_S)
        assert 2 in numbers(lasting_pool.submit(Job(peace)).result(PATIENT_S))
        assert lasting_pool.restarts - before == {"timeout": 1}

    def test_a_process_that_dies_idle_is_replaced(self, fresh_pool, peace):
        fresh_pool.submit(Job(peace)).result()
        for process in fresh_pool.processes():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        assert 2 in numbers(fresh_pool.submit(Job(peace)).result(PATIENT_S))

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
    def test_what_ends_the_service_ends_no_check(self, fresh_pool, peace, number):
        fresh_pool.submit(Job(peace)).result()
        checking = fresh_pool.submit(Job(peace))
        for process in fresh_pool.processes():
            os.kill(process.pid, number)
        assert 2 in numbers(checking.result(PATIENT_S))

    def test_what_does_not_travel_back_is_a_lost_worker(self, lasting_pool):
        with pytest.raises(WorkerLost):
            lasting_pool.submit(Unpicklable()).result(PATIENT_S)

    @pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
    def test_one_that_takes_too_much_memory_is_told_so_and_replaced(self, lasting_pool):
        with pytest.raises(OutOfMemory):
            lasting_pool.submit(Allocating(2000)).result(PATIENT_S)
        assert lasting_pool.restarts["memory"] == 1
        assert lasting_pool.submit(Allocating(200)).result(PATIENT_S) == 200 * 2**20

    @pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
    def test_one_that_cannot_even_start_is_no_fault_of_the_photo(self, peace, monkeypatch):
        with CheckerPool(CheckerSetup(memory_mib=1)) as pool:
            with pytest.raises(WorkerNotStarted):
                pool.submit(Job(peace)).result(PATIENT_S)
            assert pool.restarts == {"timeout": 0, "memory": 0, "lost": 1}

        def refused(setup):
            raise BlockingIOError  # as where there are as many processes as may be

        monkeypatch.setattr("app.workers._Process", refused)
        with CheckerPool() as pool, pytest.raises(WorkerNotStarted):
            pool.submit(Job(peace)).result(PATIENT_S)

    def test_a_service_that_is_killed_leaves_no_process(self):
        """Nobody is left to end the processes: they must notice themselves."""
        code = (
            "from app.workers import *; pool = CheckerPool(); pool.submit(Job(b'x')).exception(); "
            "print(multiprocessing.active_children()[0].pid, flush=True); input()"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
            worker = Path("/proc", service.stdout.readline().strip())
            service.kill()
        wait_until(lambda: ended(worker))


class TestClosing:
    def test_leaves_no_process_and_no_one_waiting(self, group):
        before = set(multiprocessing.active_children())
        pool = CheckerPool(PATIENT, queue_size=1)
        running, waiting = pool.submit(Job(group)), pool.submit(Job(group))
        wait_until(lambda: pool.running)
        pool.close()
        with pytest.raises(WorkerLost):
            running.result(1)
        with pytest.raises(CancelledError):
            waiting.result(1)
        wait_until(lambda: set(multiprocessing.active_children()) <= before)

    def test_takes_nothing_afterwards(self, peace):
        pool = CheckerPool()
        pool.close()
        with pytest.raises(RuntimeError):
            pool.submit(Job(peace))


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.cpu_count() == 1, reason="threads are counted on Linux, where there are several cores"
)
def test_libraries_start_no_thread_for_each_core():
    # With the memory that each takes, workers would start on no machine of nine cores or more.
    count = "import app, numpy, cv2, pathlib; print(pathlib.Path('/proc/self/status').read_text().split('Threads:')[1].split()[0])"
    ran = subprocess.run([sys.executable, "-c", count], env={"PATH": ""}, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "1\n", ran.stderr
