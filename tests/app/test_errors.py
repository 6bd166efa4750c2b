import pickle
import string

import pytest

from app.errors import (
    ArchiveRefused,
    BatchRefused,
    CheckTimeout,
    QueueFull,
    RequestError,
    RequestInvalid,
    ServiceError,
    WorkerLost,
    describe,
    problem_kinds,
    status_of,
)
from gestures.errors import ContestError, DamagedPhoto, GesturesError, ModelError, PhotoError, PhotoTooLarge


def leaves(kind):
    children = kind.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [kind]


class TestTable:
    @pytest.mark.parametrize("kind", [*leaves(GesturesError), *leaves(ServiceError)], ids=lambda kind: kind.__name__)
    def test_every_error_has_a_row(self, kind):
        assert kind.type in problem_kinds()

    @pytest.mark.parametrize("row", problem_kinds().values(), ids=list(problem_kinds()))
    def test_statuses_are_those_that_are_promised(self, row):
        assert row.status in {400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429, 500, 503}

    @pytest.mark.parametrize("key", problem_kinds())
    def test_words_stand_in_both_languages_or_in_the_library(self, key):
        row = problem_kinds()[key]
        if row.title is None:
            assert row.detail is None
            assert key in {leaf.type for leaf in [*leaves(PhotoError), *leaves(ContestError)]}
        else:
            fields = [{name for _, name, _, _ in string.Formatter().parse(words) if name} for words in (row.detail.id, row.detail.en)]
            assert row.title.id
            assert row.title.en
            assert fields[0] == fields[1]

    def test_words_do_not_accuse(self, accusing):
        for row in problem_kinds().values():
            for words in filter(None, (row.title, row.detail)):
                assert not accusing["id"].search(words.id), words.id
                assert not accusing["en"].search(words.en), words.en


class TestDescribe:
    def test_fills_in_params(self):
        _, detail = describe(QueueFull(seconds=7), "id")
        assert "sekitar 7 detik lagi." in detail

    @pytest.mark.parametrize(("most", "indonesian", "english"), [(2000, "2.000 foto", "2,000 photos"), (7, "7 foto", "7 photos")])
    def test_writes_numbers_as_the_language_does(self, most, indonesian, english):
        error = BatchRefused("batch-too-many", most=most)
        assert indonesian in describe(error, "id")[1]
        assert english in describe(error, "en")[1]

    def test_writes_parts_of_a_second(self):
        assert "0,25 detik" in describe(CheckTimeout(seconds=0.25), "id")[1]
        assert "20 detik" in describe(CheckTimeout(seconds=20.0), "id")[1]

    def test_uses_the_words_of_the_library(self):
        assert describe(DamagedPhoto(), "en")[0] == "The photo is damaged or incomplete"

    def test_tells_callers_no_path_of_the_server(self):
        title, detail = describe(ModelError(path="/srv/secret/model.task", problem="missing"), "en")
        assert "secret" not in title + detail

    def test_status(self):
        assert status_of(QueueFull(seconds=1)) == 503
        assert status_of(RequestError("not-found")) == 404

    @pytest.mark.parametrize(
        "error",
        [
            CheckTimeout(seconds=20),
            WorkerLost(),
            ArchiveRefused("archive-too-many", most=3),
            RequestInvalid({"photos": "missing"}),
            PhotoTooLarge(what="side", size=9, limit=8),
        ],
    )
    def test_travels_between_processes(self, error):
        there = pickle.loads(pickle.dumps(error))
        assert (type(there), there.type, vars(there), str(there)) == (type(error), error.type, vars(error), str(error))

    def test_reads_well_in_a_traceback(self):
        assert str(QueueFull(seconds=7)).startswith("The queue is full: ")
