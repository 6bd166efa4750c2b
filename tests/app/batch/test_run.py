import json
import multiprocessing
import os
import signal
import sqlite3
import threading
import tracemalloc
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from io import BytesIO

import pytest
from PIL import Image

from app.batch import LEDGER
from app.batch.files import write_files
from app.batch.ledger import Ledger
from app.batch.run import Processes, Run
from app.batch.sources import Source, Sources
from app.errors import WorkerNotStarted
from app.terminal.words import TerminalError
from app.workers import CheckerPool, CheckerSetup, check_here
from gestures import Checker, ContestError, Limits, Thresholds, load_contest

SETUP = CheckerSetup()
DEFAULT = load_contest("default")
PILPRES = load_contest("pilpres-2024")
MOST = SETUP.limits.bytes


class Here:
    """Looks at photos with the Checker of this process."""

    room = 2

    def __init__(self, setup=SETUP):
        self.setup = setup
        self.looked = 0

    def submit(self, job):
        self.looked += 1
        future = Future()
        try:
            future.set_result(check_here(self.setup, job))
        except Exception as error:
            future.set_exception(error)
        return future


def go(folder, given, *, contest=DEFAULT, setup=SETUP, pictures=True, **options):
    """Run to the end; return how far it came, how many photos were looked at, and the rows."""
    workers = Here(setup)
    with Ledger(folder, setup, contest, pictures=pictures) as ledger:
        run = Run(Sources([str(given)]), ledger, workers, most_bytes=MOST, **options)
        list(run)
        return run.progress, workers.looked, list(ledger.rows("en"))


def result(data, name, contest):
    with Checker(contest=contest) as checker:
        return checker.check(data, name=name).to_dict() | {"elapsed_ms": 0}


def small(path, side=200):
    file = BytesIO()
    Image.open(path).resize((side, side)).save(file, "JPEG", quality=92)
    return file.getvalue()


@pytest.fixture(scope="module")
def photos(samples) -> dict[str, bytes]:
    return {name: small(samples / f"{name}.jpg") for name in ("peace", "fist", "palm")}


@pytest.fixture
def folder(photos, tmp_path):
    """Three photos, one of them twice, and two files that are no photos."""
    place = tmp_path / "photos"
    (place / "again").mkdir(parents=True)
    for name, data in photos.items():
        (place / f"{name}.jpg").write_bytes(data)
    (place / "again/peace.jpg").write_bytes(photos["peace"])
    (place / "bad.jpg").write_bytes(b"no photo")
    (place / "gone.jpg").symlink_to("nowhere.jpg")
    return place


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


class TestResults:
    def test_are_those_of_a_checker(self, folder, out, photos):
        progress, looked, rows = go(out, folder)
        assert [row.result["name"] for row in rows] == ["again/peace.jpg", "bad.jpg", "fist.jpg", "gone.jpg", "palm.jpg", "peace.jpg"]
        for row in rows:
            if "error" not in row.result:
                data = (folder / row.result["name"]).read_bytes()
                assert row.result | {"elapsed_ms": 0} == result(data, row.result["name"], "default")
                assert row.digest == sha256(data).digest()
        assert [row.result["error"]["type"] for row in rows if "error" in row.result] == ["photo-unsupported", "file-missing"]
        for row in rows:
            assert set(row.errors) == ({"id", "en"} if "error" in row.result else set())
            assert row.errors.get("en") == row.result.get("error")
        assert [row.digest for row in rows if "error" in row.result] == [sha256(b"no photo").digest(), b""]
        assert looked == 4  # a photo that is there twice, once; the link that leads nowhere, never
        assert (progress.total, progress.done, progress.counts["failed"], progress.known) == (6, 6, 2, 1)
        assert progress.done - progress.counts["failed"] == 4

    def test_pictures_are_small_and_carry_nothing_else(self, folder, out):
        _, _, rows = go(out, folder)
        for row in rows:
            assert len(row.crops) == len(row.result.get("hands", ()))
            for picture in row.crops:
                assert max(Image.open(BytesIO(picture)).size) <= 112
            for picture in (*row.crops, row.preview or row.crops[0] if row.crops else b""):
                assert b"Exif" not in picture
        shows = {row.result["name"]: row.preview for row in rows}
        assert Image.open(BytesIO(shows["peace.jpg"])).size == (200, 200)  # never larger than the photo
        assert shows["bad.jpg"] is None

    def test_without_crops_no_pixel_is_kept(self, folder, out):
        go(out, folder)
        assert b"JFIF" in (out / LEDGER).read_bytes()
        _, looked, rows = go(out, folder, pictures=False)
        assert looked == 0
        assert not any(row.crops or row.preview for row in rows)
        assert b"JFIF" not in b"".join(file.read_bytes() for file in out.iterdir())
        assert go(out, folder)[1] == 3  # for crops, photos must be seen again; what is no photo needs not

    def test_only_what_is_looked_at_counts_for_the_rate(self, folder, out, photos):
        progress, _, _ = go(out, folder)
        assert progress.rate * progress.seconds == pytest.approx(4)  # neither the link that leads nowhere nor what was known at once
        assert go(out, folder)[0].remaining_s is None
        (folder / "zz.jpg").write_bytes(photos["fist"] + b" ")
        given = [str(path) for path in sorted(folder.rglob("*.jpg"))]
        with Ledger(out, SETUP, DEFAULT) as ledger:
            run = Run(Sources(given), ledger, Here(), most_bytes=MOST)
            told = [(progress.done, progress.seconds) for progress in run]
        assert {seconds for done, seconds in told if done < 6} == {0.0}  # the clock stands while known ones are passed by
        assert run.progress.rate * run.progress.seconds == pytest.approx(1)

    def test_photos_that_come_meanwhile_are_counted(self, out, photos):
        class Growing(list):
            def __iter__(self):
                given = super().__iter__()
                self.append(Source(f"{len(self)}.jpg", lambda most: b"no photo"))
                return given

        with Ledger(out, SETUP, DEFAULT) as ledger:
            told = list(Run(Growing(), ledger, Here(), most_bytes=MOST))
        assert [(progress.done, progress.total) for progress in told][-1] == (2, 2)

    def test_files_are_written(self, folder, out):
        with Ledger(out, SETUP, DEFAULT) as ledger:
            list(Run(Sources([str(folder)]), ledger, Here(), most_bytes=MOST))
            written = write_files(ledger, "id")
            rows = [row.result for row in ledger.rows("id")]
        assert {path.name for path in written} == {"results.jsonl", "report.html", "report.xlsx", "report.csv"}
        assert [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()] == rows


class TestGoingOn:
    def test_nothing_is_done_twice(self, folder, out, photos):
        first = go(out, folder)
        progress, looked, rows = go(out, folder)
        assert (looked, progress.known) == (0, 5)
        assert rows == first[2]
        (folder / "new.jpg").write_bytes(photos["fist"] + b" ")
        (folder / "renamed.jpg").write_bytes(photos["palm"])
        (folder / "palm.jpg").unlink()
        progress, looked, rows = go(out, folder)
        assert looked == 1
        assert {row.result["name"] for row in rows} >= {"new.jpg", "renamed.jpg"}
        assert "palm.jpg" not in {row.result["name"] for row in rows}

    def test_a_photo_without_hands_is_not_looked_at_again(self, out, tmp_path):
        place = tmp_path / "nobody"
        place.mkdir()
        Image.new("RGB", (64, 64), "grey").save(place / "a.jpg")
        assert [go(out, place)[1] for _ in range(2)] == [1, 0]

    def test_a_changed_contest_is_read_from_the_hands_that_are_known(self, folder, out, photos):
        go(out, folder)
        _, looked, rows = go(out, folder, contest=PILPRES)
        assert looked == 0
        found = {row.result["name"]: row.result | {"elapsed_ms": 0} for row in rows}
        for name in photos:
            assert found[f"{name}.jpg"] == result(photos[name], f"{name}.jpg", "pilpres-2024")
        assert go(out, folder)[2][0].result["contest"] == "default"

    def test_other_settings_look_anew(self, folder, out):
        go(out, folder)
        assert go(out, folder, setup=replace(SETUP, thresholds=Thresholds(review=0.9)))[1] == 4
        assert go(out, folder)[1] == 0

    def test_another_library_looks_anew(self, folder, out, monkeypatch):
        go(out, folder)
        monkeypatch.setattr("app.batch.ledger.library_sha256", lambda: "that of an earlier version")
        assert go(out, folder)[1] == 4

    def test_what_an_earlier_library_said_of_photos_that_are_gone_is_said_anew(self, folder, out, monkeypatch):
        with monkeypatch.context() as earlier:
            earlier.setattr("app.batch.ledger.library_sha256", lambda: "that of an earlier version")
            _, _, before = go(out, folder)
        with closing(sqlite3.connect(out / "ledger.sqlite")) as database, database:
            database.execute("UPDATE advice SET result = '{}'")  # as it would lack a field
        with Ledger(out, SETUP, DEFAULT) as gone_on:
            gone_on.begin(spooled=True)
            assert [row.result for row in gone_on.rows("en")] == [row.result for row in before]

    def test_what_another_library_found_and_this_one_does_not_know_stays_as_it_was_said(self, folder, out):
        _, _, before = go(out, folder)
        with closing(sqlite3.connect(out / "ledger.sqlite")) as database, database:
            database.execute("UPDATE found SET findings = replace(findings, '\"peace\"', '\"a pose that it added\"')")
        with Ledger(out, SETUP, PILPRES) as gone_on:
            gone_on.begin(spooled=True)
            after = [row.result for row in gone_on.rows("en")]
        kept = [result for result in after if result.get("contest") == "default"]
        assert {result["name"] for result in kept} == {"peace.jpg", "again/peace.jpg"}
        assert all(result in [row.result for row in before] for result in kept)
        assert len(after) == len(before)

    def test_recheck_looks_anew_and_can_be_gone_on_with(self, folder, out):
        go(out, folder)
        workers = Here()
        with Ledger(out, SETUP, DEFAULT) as ledger:
            steps = iter(Run(Sources([str(folder)]), ledger, workers, most_bytes=MOST, recheck=True))
            while workers.looked < 2:
                next(steps)
            steps.close()
        assert 1 <= go(out, folder)[1] <= 3

    def test_a_cancelled_run_keeps_what_is_done(self, folder, out):
        with Ledger(out, SETUP, DEFAULT) as ledger:
            workers = Here()
            run = Run(Sources([str(folder)]), ledger, workers, most_bytes=MOST)
            for progress in run:
                if progress.done > progress.counts["failed"]:
                    run.cancel()
            assert run.cancelled
            assert 0 < run.progress.done < run.progress.total
            assert len(list(ledger.rows())) == run.progress.done
        progress, looked, _ = go(out, folder)
        assert progress.done == 6
        assert 0 < looked + workers.looked <= 6

    def test_spooled_photos_stay_listed_when_they_are_gone(self, folder, out):
        def run(most):
            with Ledger(out, SETUP, DEFAULT) as ledger:
                done = []

                def finished(name):
                    done.append(name)
                    (folder / name).unlink()

                batch = Run(Sources([str(folder)]), ledger, Here(), most_bytes=MOST, spooled=True, done=finished)
                for _ in batch:
                    if len(done) >= most:
                        batch.cancel()
                return done, ledger.counts(), [row.result["name"] for row in ledger.rows()]

        first, counts, names = run(3)
        assert sorted(first) == names
        assert sum(counts.values()) == len(first) < 6
        rest, counts, names = run(6)
        assert sorted(first + rest) == names
        assert (sum(counts.values()), counts["failed"]) == (6, 2)

    def test_each_of_several_alike_is_told_to_be_done(self, out, photos):
        class Later(Here):
            room = 9

            def submit(self, job):
                future = Future()
                threading.Timer(0.3, lambda: future.set_result(check_here(self.setup, job))).start()
                return future

        done = []
        names = ["a.jpg", "b.jpg", "c.jpg"]
        with Ledger(out, SETUP, DEFAULT) as ledger:
            list(Run([Source(name, lambda most: photos["fist"]) for name in names], ledger, Later(), most_bytes=MOST, done=done.append))
        assert sorted(done) == names

    def test_cancel_interrupts_waiting(self, folder, out):
        given = []

        class Never(Here):
            def submit(self, job):
                threading.Timer(0.1, run.cancel).start()
                given.append(Future())
                return given[-1]

        with Ledger(out, SETUP, DEFAULT) as ledger:
            run = Run(Sources([str(folder)]), ledger, Never(), most_bytes=MOST)
            list(run)
        assert run.cancelled
        assert given
        assert all(future.cancelled() for future in given)

    def test_a_batch_keeps_its_id(self, folder, out, tmp_path):
        ids = []
        for place in (out, out, tmp_path / "other"):
            with Ledger(place, SETUP, DEFAULT) as ledger:
                ids.append(ledger.id)
        assert ids[0] == ids[1] != ids[2]

    def test_memory_does_not_grow_with_the_number(self, out):
        def source(number):
            return Source(f"{number}.jpg", lambda most: b"%08d" % number * 512)

        class Many:
            def __init__(self, count):
                self.count = count

            def __iter__(self):
                return map(source, range(self.count))

        def peak(count):
            tracemalloc.start()
            with Ledger(out, SETUP, DEFAULT) as ledger:
                for _ in Run(Many(count), ledger, Here(), most_bytes=MOST):
                    pass
                assert sum("error" in row.result for row in ledger.rows()) == count
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

        assert peak(800) < 1_600_000  # their bytes come to twice as much


@dataclass(frozen=True)
class Killing:
    """Kills workers, at last its own."""

    workers: tuple[int, ...]

    def run(self, checker, limits):
        for pid in (*set(self.workers) - {os.getpid()}, os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class TestLostWorkers:
    @pytest.fixture
    def pool(self):
        before = set(multiprocessing.active_children())
        with CheckerPool(CheckerSetup(timeout_s=120), workers=2, queue_size=2) as pool:
            pool.processes = lambda: set(multiprocessing.active_children()) - before
            yield pool

    def test_a_photo_that_ends_its_worker_is_tried_once_more_alone_then_failed(self, pool, folder, out, photos):
        deadly = photos["fist"] + b" "
        (folder / "deadly.jpg").write_bytes(deadly)
        beside = []

        class Killed(Processes):
            def submit(self, job):
                if job.data != deadly:
                    return self.pool.submit(job)
                future = self.pool.submit(Killing(tuple(process.pid for process in self.pool.processes())))
                beside.append(self.pool.running + self.pool.waiting - 1)
                return future

        with Ledger(out, SETUP, DEFAULT) as ledger:
            run = Run(Sources([str(folder)]), ledger, Killed(pool), most_bytes=MOST)
            list(run)
            rows = {row.result["name"]: row.result for row in ledger.rows("en")}
        assert len(beside) == 2
        assert beside[1] == 0  # alone
        assert rows["deadly.jpg"]["error"]["type"] == "worker-lost"
        assert run.progress.counts["failed"] == 3
        assert sum("error" in row for row in rows.values()) == 3  # the photos beside it came through

        # It may have been the machine's fault: the next run tries again.
        with Ledger(out, SETUP, DEFAULT) as ledger:
            run = Run(Sources([str(folder)]), ledger, Processes(pool), most_bytes=MOST)
            list(run)
        assert (run.progress.counts["failed"], run.progress.known) == (2, 6 - 1)


@pytest.mark.parametrize("later", [False, True])
def test_a_pool_is_told_whether_photos_can_wait_for_others_and_kept_busy(later):
    told = []

    class Pool:
        workers = 3

        def submit(self, job, *, later):
            told.append(later)

    processes = Processes(Pool(), later=later)
    processes.submit(None)
    assert (told, processes.room) == ([later], 6)


class TestTrouble:
    def test_a_full_disk_is_said_and_costs_nothing(self, folder, out):
        ledger = Ledger(out, SETUP, DEFAULT)
        with ledger:
            pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
            ledger._db.execute(f"PRAGMA max_page_count = {pages + 4}")
            run = Run(Sources([str(folder)]), ledger, Here(), most_bytes=MOST)
            with pytest.raises(TerminalError) as full:
                list(run)
            assert full.value.type == "batch-disk-full"
            done = run.progress.done
        progress, _, rows = go(out, folder)
        assert len(rows) == progress.done == 6
        assert progress.known >= done - 1

    def test_a_photo_above_the_limit_is_called_too_large_and_not_damaged(self, folder, out):
        setup = replace(SETUP, limits=Limits(bytes=2000))
        with Ledger(out, setup, DEFAULT) as ledger:
            list(Run(Sources([str(folder)]), ledger, Here(setup), most_bytes=2000))
            rows = {row.result["name"]: row.result for row in ledger.rows()}
        assert rows["peace.jpg"]["error"]["type"] == "photo-too-large"

    def test_memory_that_runs_out_while_one_is_read_costs_that_one(self, out, photos):
        def full(most):
            raise MemoryError

        with Ledger(out, SETUP, DEFAULT) as ledger:
            run = Run([Source("a.jpg", full), Source("b.jpg", lambda most: photos["fist"])], ledger, Here(), most_bytes=MOST)
            list(run)
            assert ["error" in row.result for row in ledger.rows()] == [True, False]
        assert (run.progress.done, run.progress.counts["failed"]) == (2, 1)

    def test_reports_that_do_not_fit_say_so(self, out, folder, monkeypatch):
        go(out, folder)
        monkeypatch.setattr("app.batch.report.REPORTS", ("report.html", "report.xlsx", "report.csv", "/dev/full"))
        with Ledger(out, SETUP, DEFAULT) as ledger, pytest.raises(TerminalError) as full:
            write_files(ledger, "id")
        assert full.value.type == "batch-disk-full"

    def test_one_run_at_a_time(self, out):
        with Ledger(out, SETUP, DEFAULT):
            with pytest.raises(TerminalError) as busy:
                Ledger(out, SETUP, DEFAULT)
            assert busy.value.type == "batch-busy"
        Ledger(out, SETUP, DEFAULT).close()

    def test_a_ledger_that_is_none(self, out):
        out.mkdir()
        (out / LEDGER).write_bytes(b"not a database, but long enough to be looked at as one" * 100)
        with pytest.raises(TerminalError) as damaged:
            Ledger(out, SETUP, DEFAULT)
        assert damaged.value.type == "ledger-damaged"

    @pytest.mark.parametrize(
        ("table", "version", "kind"),
        [("batch", 99, "ledger-other"), ("photos", 0, "batch-over-other"), ("photos", 1, "batch-over-other")],
    )
    def test_a_database_of_another_version_or_program_which_is_left_as_it_is(self, out, table, version, kind):
        out.mkdir()
        with closing(sqlite3.connect(out / LEDGER)) as db:
            db.executescript(f"CREATE TABLE {table} (id); PRAGMA user_version = {version};")
        before = (out / LEDGER).read_bytes()
        with pytest.raises(TerminalError) as other:
            Ledger(out, SETUP, DEFAULT)
        assert (other.value.type, (out / LEDGER).read_bytes()) == (kind, before)

    def test_a_ledger_that_another_program_holds(self, out, monkeypatch):
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0.1))
        with Ledger(out, SETUP, DEFAULT) as ledger, closing(sqlite3.connect(out / LEDGER)) as db:
            db.execute("BEGIN EXCLUSIVE")
            with pytest.raises(TerminalError) as busy:
                ledger.list("a.jpg")
        assert busy.value.type == "batch-busy"

    def test_a_folder_that_is_a_file(self, out):
        out.write_bytes(b"")
        with pytest.raises(TerminalError) as wrong:
            Ledger(out, SETUP, DEFAULT)
        assert wrong.value.type == "batch-not-written"

    def test_without_a_model_nothing_is_called_failed(self, folder, out, tmp_path):
        from gestures import ModelError

        with pytest.raises(ModelError):
            go(out, folder, setup=CheckerSetup(model=tmp_path / "none.task"))
        assert go(out, folder)[0].counts["failed"] == 2

    @pytest.mark.parametrize("error", [ContestError(problem="not one that can be read"), WorkerNotStarted()])
    def test_without_a_contest_or_workers_nothing_is_called_failed(self, folder, out, error):
        class Without(Here):
            def submit(self, job):
                future = Future()
                future.set_exception(error)
                return future

        with Ledger(out, SETUP, DEFAULT) as ledger:
            with pytest.raises(type(error)):
                list(Run(Sources([str(folder / "fist.jpg")]), ledger, Without(), most_bytes=MOST))
            assert not list(ledger.rows())

    def test_a_worker_that_did_not_start_but_once_costs_nothing(self, folder, out):
        class Starting(Here):
            def submit(self, job):
                future = super().submit(job)
                if self.looked == 1:
                    future = Future()
                    future.set_exception(WorkerNotStarted())
                return future

        with Ledger(out, SETUP, DEFAULT) as ledger:
            list(Run(Sources([str(folder / "fist.jpg")]), ledger, Starting(), most_bytes=MOST))
            assert ["error" in row.result for row in ledger.rows()] == [False]

    def test_rows_can_be_read_by_another_thread_during_a_run(self, folder, out):
        with Ledger(out, SETUP, DEFAULT) as ledger:
            seen = []
            for _ in Run(Sources([str(folder)]), ledger, Here(), most_bytes=MOST):
                reader = threading.Thread(target=lambda: seen.append(len(list(partial(ledger.rows, "en")()))))
                reader.start()
                reader.join()
        assert seen == sorted(seen)
        assert seen[-1] == 6

    def test_no_name_reaches_a_log(self, folder, out, caplog):
        caplog.set_level("DEBUG")
        go(out, folder)
        assert "peace" not in caplog.text
        assert str(folder) not in caplog.text
