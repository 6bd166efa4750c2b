"""Copies of labelled photos: the labels lie where the hands do, and what is written can be evaluated."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from app.evaluate.copies import KINDS, copy, main
from app.evaluate.labels import Label, LabelledPhoto, read_labels, write_labels
from gestures import open_photo
from gestures.drawing import encode

BOX = (300.0, 80.0, 60.0, 90.0)
PHOTO = LabelledPhoto("some/photo.png", "some", "partial", (Label("peace", frozenset({2}), BOX), Label("", frozenset())))


@pytest.fixture(scope="module")
def data():
    """A dim picture, off the middle of which a bright box stands out."""
    pixels = np.full((400, 500, 3), 40, np.uint8)
    x, y, width, height = (int(value) for value in BOX)
    pixels[y : y + height, x : x + width] = 220
    return encode(pixels, quality=95)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_label_lies_on_its_hand(kind, data):
    copied, written = copy(PHOTO, data, kind, "7/0-photo.jpg")
    assert (copied.path, copied.set, copied.kind) == ("7/0-photo.jpg", f"{kind.name}: some", "partial")
    seen = open_photo(written).pixels.mean(axis=2)
    if "framed" in kind.name:  # the frame is brighter than all
        seen = np.where(np.pad(np.ones(np.subtract(seen.shape, 60)), 30), seen, np.median(seen))
    bright = seen > np.median(seen) + (seen.max() - np.median(seen)) / 2
    rows, columns = np.nonzero(bright)
    x, y, width, height = copied.labels[0].box
    np.testing.assert_allclose([columns.min(), rows.min(), columns.max(), rows.max()], [x, y, x + width, y + height], atol=6)
    assert copied.labels[1].box is None


def test_the_same_photo_gives_the_same_copy(data):
    noisy = next(kind for kind in KINDS if "noise" in kind.name)
    assert copy(PHOTO, data, noisy, "0.jpg") == copy(PHOTO, data, noisy, "0.jpg")


def test_each_kind_has_a_name_of_its_own_that_can_be_told_from_others_by_comma():
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert not any("," in kind.name for kind in KINDS)


def test_what_is_written_can_be_evaluated(tmp_path, data):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "photo.png").write_bytes(data)
    rest = LabelledPhoto("rest.png", "rest", "rest")
    (tmp_path / "rest.png").write_bytes(data)
    write_labels([PHOTO, rest], tmp_path / "labels.csv")
    assert read_labels(tmp_path / "labels.csv") == [PHOTO, rest]
    done = CliRunner().invoke(
        main, [str(tmp_path / "labels.csv"), str(tmp_path / "copies"), "--kinds", "mirrored, quality 20,", "--sets", "some, "]
    )
    assert done.exit_code == 0, done.output
    copies = read_labels(tmp_path / "copies" / "labels.csv")
    assert [photo.set for photo in copies] == ["JPEG of quality 20: some", "mirrored: some"]
    for photo in copies:
        assert open_photo((tmp_path / "copies" / photo.path).read_bytes()).width == 500


def test_each_photo_has_a_copy_of_its_own(tmp_path, data):
    (tmp_path / "some").mkdir()
    photos = [replace(PHOTO, path=path) for path in ("some/photo.png", "some-photo.png", "some/photo.jpg", "photo", "other")]
    for photo in photos:
        (tmp_path / photo.path).write_bytes(data)
    write_labels(photos, tmp_path / "labels.csv")
    done = CliRunner().invoke(main, [str(tmp_path / "labels.csv"), str(tmp_path / "copies"), "--kinds", "mirrored"])
    assert done.exit_code == 0, done.output
    copies = read_labels(tmp_path / "copies" / "labels.csv")
    assert len(copies) == len(set((tmp_path / "copies").rglob("*.jpg"))) == len(photos)


def test_what_is_wrong_is_said(tmp_path):
    write_labels([PHOTO], tmp_path / "labels.csv")
    said = CliRunner().invoke(main, [str(tmp_path / "labels.csv"), str(tmp_path / "copies"), "--lang", "en"])
    assert isinstance(said.exception, SystemExit)
    assert said.exit_code == 2
    assert "some/photo.png" in said.output
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "photo.png").write_bytes(b"no photo")
    for options, expected in [((), "photo.png: This file is not a photo"), (("--kinds", "mirrored,upright"), "upright in its name")]:
        said = CliRunner().invoke(main, [str(tmp_path / "labels.csv"), str(tmp_path / "copies"), "--lang", "en", *options])
        assert said.exit_code == 2
        assert expected in " ".join(said.output.split())
