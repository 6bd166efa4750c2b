"""`jari batch` as people run it."""

import csv
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder(make_photos, tmp_path_factory) -> Path:
    """Two dozen small photos, all different."""
    return make_photos(tmp_path_factory.mktemp("few") / "photos", 24, side=160)


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory, run_batch):
    out = tmp_path_factory.mktemp("undisturbed")
    return run_batch(folder, "--out", out, "--lang", "en", "--jobs", "2"), out


class TestResults:
    def test_are_told_and_written(self, undisturbed, results):
        ran, out = undisturbed
        assert (ran.returncode, ran.stderr) == (1, "")
        assert "Photos: 24." in ran.stdout
        assert "“Nothing found” is no guarantee" in ran.stdout
        assert str(out / "report.html") in ran.stdout
        assert len(results(out)) == 24
        with (out / "report.csv").open(newline="") as file:
            assert {row["name"] for row in csv.DictReader(file)} == {result["name"] for result in results(out)}

    def test_what_cannot_be_checked_has_status_2(self, tmp_path, run_batch, results):
        (tmp_path / "empty").mkdir()
        ran = run_batch(tmp_path / "empty", tmp_path / "none", "--out", tmp_path / "out")
        assert (ran.returncode, "Traceback" in ran.stdout + ran.stderr) == (2, False)
        assert {result["error"]["type"] for result in results(tmp_path / "out")} == {"folder-empty", "file-missing"}

    def test_a_photo_that_takes_too_long_is_told_by_its_result_alone(self, tmp_path, samples, start_batch, results):
        """Though its process has to be replaced, which is for the service's log."""
        out = tmp_path / "out"
        run = start_batch(samples / "peace.jpg", "--out", out, env=os.environ | {"JARI_CHECK_TIMEOUT_S": "0.01"})
        assert (run.communicate(timeout=300)[1], run.returncode) == ("", 2)
        assert [result["error"]["type"] for result in results(out)] == ["photo-timeout"]

    def test_a_mistyped_folder_leaves_the_earlier_report(self, tmp_path, undisturbed, run_batch):
        out = shutil.copytree(undisturbed[1], tmp_path / "out")
        before = (out / "report.html").read_bytes()
        ran = run_batch(tmp_path / "fotto", "--out", out)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert str(tmp_path / "fotto") in ran.stderr
        assert (out / "report.html").read_bytes() == before

    def test_a_folder_in_use_is_said(self, tmp_path, folder, run_batch):
        from app.batch.ledger import Ledger
        from app.workers import CheckerSetup
        from gestures import load_contest

        with Ledger(tmp_path, CheckerSetup(), load_contest("default")):
            ran = run_batch(folder, "--out", tmp_path, "--lang", "en")
        assert (ran.returncode, ran.stderr.splitlines()[0]) == (2, "The out folder is in use")

    def test_progress_goes_to_standard_error_where_a_person_watches(self, folder, undisturbed, start_batch, watch):
        _, out = undisturbed
        seen, told = watch(partial(start_batch, folder, "--out", out, "--lang", "en"))
        for part in (b"Checking", b"24/24", b"photos/s", b"left", b"to review", b"failed"):
            assert part in seen
        assert "24 of them needed no new check" in told


def done_in(out):
    """How many photos the ledger of a run that is under way has."""
    try:
        db = sqlite3.connect(f"file:{out}/ledger.sqlite?mode=ro", uri=True)
        try:
            return db.execute("SELECT count(*) FROM found").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error:
        return 0


@pytest.fixture(scope="session")
def started(start_batch):
    """Starts a run, and waits until it has done so many photos."""

    def start(folder, out, done, *args):
        run = start_batch(folder, "--out", out, *args)
        end = time.monotonic() + 1800
        while done_in(out) < done:
            assert run.poll() is None, "it was done before it could be disturbed"
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)
        return run

    return start


def members(group):
    """The processes of a group that are alive."""
    alive = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, pgrp = (entry / "stat").read_text().rsplit(") ", 1)[1].split()[:3]
            except OSError:
                continue
            if int(pgrp) == group and state != "Z":
                alive.append(int(entry.name))
    return alive


def leaves_nothing(group):
    """Python's own helper of processes, and workers that lost their command, notice by themselves, a moment later."""
    end = time.monotonic() + 60
    while members(group):
        assert time.monotonic() < end, "the run left processes behind"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def kill_twice(started, run_batch):
    """Runs a batch with two kills -9 on the way, and returns its last run."""

    def run_to_end(folder, out, photos, *options):
        for share in (0.25, 0.6):
            run = started(folder, out, int(photos * share), *options)
            os.kill(run.pid, signal.SIGKILL)
            run.communicate(timeout=60)
            leaves_nothing(run.pid)
            assert done_in(out) < photos
            assert not (out / "results.jsonl").exists()
        return run_batch(folder, "--out", out, "--lang", "en", *options, timeout=3600)

    return run_to_end


class TestDisturbed:
    def test_killed_twice_and_finished_it_has_the_same_results(self, folder, undisturbed, tmp_path, kill_twice, results):
        ran = kill_twice(folder, tmp_path / "out", 24)
        assert ran.returncode == undisturbed[0].returncode
        assert "needed no new check" in ran.stdout
        assert results(tmp_path / "out") == results(undisturbed[1])

    def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(self, folder, tmp_path, started):
        run = started(folder, tmp_path / "out", 3, "--lang", "en", "--jobs", "2")
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=120)
        assert (run.returncode, out) == (130, "")
        assert err.startswith("Stopped: ")
        assert "Run the same command to go on." in err
        assert "Traceback" not in err
        leaves_nothing(run.pid)

    def test_ctrl_c_while_reports_are_written_says_so_too(self, tmp_path):
        code = "import app.batch.files as files, signal\nfiles.write_files = lambda *given: signal.raise_signal(signal.SIGINT)\n"
        (tmp_path / "empty").mkdir()
        command = [sys.executable, "-c", f"{code}from app.cli import main\nmain()", "batch", tmp_path / "empty", "--out", tmp_path / "out"]
        ran = subprocess.run([*command, "--lang", "en"], capture_output=True, text=True, timeout=300)
        assert (ran.returncode, ran.stdout) == (130, "")
        assert ran.stderr.startswith("Stopped: ")


@pytest.mark.deep
def test_many_photos_killed_twice_have_the_same_results(tmp_path, make_photos, run_batch, kill_twice, results):
    """JARI_BATCH_PHOTOS photos, 200 where it is not set. The quick finder will do: what is on trial is the batch."""
    count = int(os.environ.get("JARI_BATCH_PHOTOS", "200"))
    folder = make_photos(tmp_path / "photos", count, side=240)
    quick = ("--finder", "mediapipe", "--jobs", "2")
    began = time.monotonic()
    ran = run_batch(folder, "--out", tmp_path / "undisturbed", *quick, timeout=3600)
    print(f"{count} photos, undisturbed: {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    finished = kill_twice(folder, tmp_path / "disturbed", count, *quick)
    print(f"{count} photos, killed twice: {time.monotonic() - began:.0f} s")
    print(finished.stdout)
    assert ran.returncode == finished.returncode == 1
    one, other = results(tmp_path / "undisturbed"), results(tmp_path / "disturbed")
    assert len(one) == count
    assert one == other


def test_files_of_others_are_not_overwritten(folder, run_batch, tmp_path):
    (tmp_path / "report.csv").write_text("mine")
    ran = run_batch(folder, "--out", tmp_path, "--lang", "en")
    assert ran.returncode == 2
    assert "report.csv is there already" in ran.stderr
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("report.csv", "mine")]


def test_the_libraries_of_the_service_are_not_loaded(tmp_path):
    """Which would take time and memory of every run."""
    code = "import sys\nfrom app.cli import main\ntry:\n    main()\nfinally:\n    print('fastapi' in sys.modules)"
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-c", code, "batch", tmp_path / "empty", "--out", tmp_path / "out"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (tmp_path / "out" / "report.html").exists(), ran.stderr
    assert ran.stdout.splitlines()[-1] == "False"
