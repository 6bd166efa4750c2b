"""Labels of rendered hands: what `jari evaluate` gets of them."""

import json

import pytest
from click.testing import CliRunner

from app.evaluate.labels import Label, LabelledPhoto, read_labels
from app.evaluate.renders import BY, main

LANDMARKS = [[100.0, 200.0], [150.0, 40.0], [130.0, 90.0]]


def entry(file, pose, kind=None, posing=1, tone="dark"):
    return {"file": file, "pose": pose, "kind": kind or pose, "posing": posing, "tone": tone, "view": "palm", "landmarks": LANDMARKS}


@pytest.fixture
def write(tmp_path):
    def write(*entries):
        (tmp_path / "labels.jsonl").write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
        for one in entries:
            (tmp_path / one["file"]).touch()
        return tmp_path

    return write


def run(folder, *options):
    return CliRunner().invoke(main, [str(folder), "--lang", "en", *options])


def test_a_hand_is_labelled_with_its_numbers_and_its_box(write):
    folder = write(entry("0.jpg", "peace"), entry("1.jpg", "fist", tone="pale"), entry("2.jpg", "rest", "play", posing=0))
    assert run(folder).exit_code == 0
    box = (100, 40, 50, 160)
    assert read_labels(folder / "labels.csv") == [
        LabelledPhoto("0.jpg", "tone dark", "posed", (Label("peace", frozenset({2}), box),)),
        LabelledPhoto("1.jpg", "tone pale", "posed", (Label("fist", frozenset(), box),)),
        LabelledPhoto("2.jpg", "tone dark", "rest"),
    ]


@pytest.mark.parametrize("by", BY)
def test_pictures_are_parted_by(write, by):
    folder = write(entry("0.jpg", "like"), entry("1.jpg", "rest", "face", posing=0))
    assert run(folder, "--by", by).exit_code == 0
    values = {"kind": ["like", "face"], "pose": ["like", "rest"], "tone": ["dark", "dark"], "view": ["palm", "palm"]}
    assert [photo.set for photo in read_labels(folder / "labels.csv")] == [f"{by} {value}" for value in values[by]]


def test_fingers_that_no_pose_has_are_left_out(write):
    folder = write(entry("0.jpg", "combo"), entry("1.jpg", "one"))
    assert run(folder).exit_code == 0
    assert [photo.path for photo in read_labels(folder / "labels.csv")] == ["1.jpg"]


@pytest.mark.parametrize("text", [None, "", "{", '{"file": "0.jpg"}', "[]"])
def test_what_is_wrong_is_said(tmp_path, text):
    if text is not None:
        (tmp_path / "labels.jsonl").write_text(text, encoding="utf-8")
    said = run(tmp_path)
    assert isinstance(said.exception, SystemExit)
    assert said.exit_code == 2
    assert "labels.jsonl" in said.output


def test_groups_are_told_from_pictures_of_one_hand(write):
    said = run(write(entry("0.jpg", "peace"), entry("0.jpg", "fist")))
    assert said.exit_code == 2
    assert "0.jpg shows several hands" in said.output


def test_a_picture_that_is_not_there_is_said(write):
    folder = write(entry("0.jpg", "peace"))
    (folder / "0.jpg").unlink()
    said = run(folder)
    assert said.exit_code == 2
    assert "0.jpg" in said.output
