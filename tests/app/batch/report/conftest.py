"""A batch of our own samples, really checked, with hands of every kind, a photo that failed, and names that mean harm."""

from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import pytest
from PIL import Image

from app.batch.report import write_reports
from app.batch.rows import Row
from gestures import Checker, Limits, open_photo
from gestures.contest import contests
from gestures.drawing import encode
from gestures.reading.reader import Thresholds
from gestures.words import Name

HOSTILE = (
    "</script><script>window.harmed = 1</script>.jpg",
    "\"'><img src=x onerror='window.harmed = 1'>.jpg",
    '=HYPERLINK("http://x.example","foto").jpg',
    "<!--<script>.jpg",
    "foto\u202egpj.exe",
    "rusak\udcff\x07.jpg",
)


@pytest.fixture(scope="session")
def batch(samples) -> list[Row]:
    """Six photos that could be checked, as in a ledger, and one that could not."""
    # Numbers 1 and 2 are on the ballot, no list applies: four fingers pose without need for a review.
    local = replace(contests()["default"], key="desa", numbers=(1, 2), lists=())
    default = contests()["default"]
    rows = []
    with Checker() as sure, Checker(thresholds=Thresholds(review=1.0)) as unsure:
        plan = [
            ("peace", default, sure),
            ("ok", default, sure),
            ("thumb_index", default, sure),
            ("one", default, unsure),
            ("four", local, sure),
            ("at_rest", default, sure),
        ]
        for (sample, contest, checker), name in zip(plan, HOSTILE, strict=True):
            file = BytesIO()
            Image.open(samples / f"{sample}.jpg").resize((384, 384)).save(file, "JPEG", quality=92)  # a smaller one is checked sooner
            photo = open_photo(file.getvalue(), Limits())
            result = checker.check_photo(photo, name=f"2024-11-27/{name}", contest=contest).to_dict()
            crops = []
            for hand in result["hands"]:
                x, y, width, height = hand["box"]
                crops.append(encode(photo.pixels[y : y + height, x : x + width][::2, ::2]))
            rows.append(Row(result, tuple(crops), encode(photo.pixels), sha256(file.getvalue()).digest()))
    errors = {
        "id": {"type": "photo-damaged", "title": "Foto rusak", "detail": "Simpan ulang fotonya."},
        "en": {"type": "photo-damaged", "title": "The photo is damaged", "detail": "Save it anew."},
    }
    return [*rows, Row({"schema": 1, "name": "gagal.jpg", "error": errors["id"]}, errors=errors)]


@pytest.fixture(scope="session")
def contest() -> Name:
    """The name of the contest that the reports are headed with."""
    return Name("Pilkades <Suka> & Maju", "The village election of <Suka> & Maju")


@pytest.fixture(scope="session")
def reports(batch, contest, tmp_path_factory):
    """The folder with the batch's reports in Bahasa Indonesia."""
    folder = tmp_path_factory.mktemp("reports")
    write_reports(batch, folder, lang="id", batch="rapat", contest=contest)
    return folder
