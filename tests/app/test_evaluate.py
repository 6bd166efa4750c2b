import csv
import json
import math
import random
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from app.cli import cli
from app.evaluate.labels import COLUMNS, Label, LabelledPhoto, choose, read_labels
from app.evaluate.measures import (
    by_size,
    confusion,
    figures,
    figures_by_set,
    hand_sizes,
    judge,
    misses,
    readings_judged,
    reliability,
    trade_off,
    wilson,
)
from gestures import load_contest

PEACE, FIST = Label("peace", frozenset({2})), Label("fist", frozenset())
NUMBERS = {"one": 1, "peace": 2, "two_up": 2, "three": 3, "four": 4, "palm": 5, "stop": 5}


def evaluate(*args: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, args), "--lang", "en"])


def hand(pose=None, box=(10, 10, 50, 80), confidence=0.9, state=None, **more):
    readings = [{"number": NUMBERS[pose], "strength": "official"}] if pose in NUMBERS else []
    state = state or ("posing" if pose else "rest")
    flagged = {"flagged": bool(readings)}
    return {"box": list(box), "pose": pose, "pose_confidence": confidence, "state": state, "readings": readings} | flagged | more


def result(name, *hands, level=None):
    level = level or ("review" if any(one["readings"] for one in hands) else "clear")
    return {"schema": 1, "name": name, "level": level, "hands": list(hands), "finder": "search"}


def photo(path, kind, *labels):
    return LabelledPhoto(path, kind, kind, labels)


def at(label, *box):
    return replace(label, box=box)


@pytest.fixture
def outcomes():
    """Nine photos and what was made of them; every kind, every way to be right or wrong."""
    photos = [
        photo("right.jpg", "posed", PEACE),
        photo("kin.jpg", "posed", PEACE),
        photo("wrong.jpg", "posed", PEACE),
        photo("fist.jpg", "posed", FIST),
        photo("group.jpg", "group", at(PEACE, 0, 0, 100, 100), at(FIST, 200, 0, 100, 100), at(PEACE, 400, 0, 100, 100)),
        photo("some.jpg", "partial", at(PEACE, 0, 0, 40, 40)),
        photo("alarm.jpg", "rest"),
        photo("doubt.jpg", "rest"),
        photo("lost.jpg", "rest"),
    ]
    results = [
        result("right.jpg", hand("peace", confidence=0.95)),
        result("kin.jpg", hand(), hand("two_up", confidence=0.85, state="unclear", flagged=False)),
        result("wrong.jpg", hand("three", confidence=0.75)),
        result("fist.jpg", hand("fist", confidence=0.65)),
        result(
            "group.jpg",
            hand("peace", (20, 20, 60, 60), 0.97),
            hand("one", (220, 20, 60, 60), 0.55),  # where a fist is
            hand("four", (700, 0, 30, 30), 0.45),  # where nothing is labelled
            hand(None, (800, 0, 30, 30)),
        ),
        result("some.jpg", hand("palm", (300, 0, 20, 20))),  # unknown, so neither right nor wrong
        result("alarm.jpg", hand("palm", confidence=0.91)),
        result("doubt.jpg", hand(state="unclear"), level="unclear"),
        {"schema": 1, "name": "lost.jpg", "error": {"type": "photo-damaged", "title": "", "detail": ""}},
    ]
    return judge(photos, results)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)]
)
def test_wilson_intervals_are_those_of_newcombe(hits, of, low, high):
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)
    assert wilson(of - hits, of) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_every_measure_counts_what_it_says(outcomes):
    measured = figures(outcomes)
    assert (measured.photos, measured.hands, measured.failed) == (9, 6, 1)
    assert (measured.seen.hits, measured.seen.of) == (4, 6)
    assert (measured.number.hits, measured.number.of) == (3, 6)
    assert (measured.sure.hits, measured.sure.of) == (2, 6)
    assert (measured.pose.hits, measured.pose.of) == (3, 6)
    assert (measured.quiet.hits, measured.quiet.of) == (1, 2)
    assert (measured.false_alarm.hits, measured.false_alarm.of) == (1, 3)
    assert (measured.doubt.hits, measured.doubt.of) == (1, 3)
    assert measured.extra == 1.0
    by_name = figures_by_set(outcomes)
    assert list(by_name) == ["posed", "group", "partial", "rest", "ALL"]
    assert by_name["posed"].false_alarm.value is None
    assert by_name["ALL"] == measured


def test_confusion_has_every_labelled_hand_once(outcomes):
    assert confusion(outcomes) == {
        "peace": {"peace": 3, "three": 1, "not seen": 2},
        "fist": {"fist": 1, "one": 1},
        "at rest": {"four": 1, "at rest": 1, "palm": 1, "unclear": 1},
    }


def test_sizes_come_from_what_was_seen_or_else_from_labels_scaled_alike(outcomes):
    sizes = hand_sizes([outcomes])
    assert sizes["right.jpg", 0] == 80
    assert sizes["group.jpg", 0] == 60
    assert sizes["group.jpg", 2] == 60  # not seen: its label is 100 px, and the set's seen hands take 0.6 of theirs
    assert sizes["some.jpg", 0] == 40
    bands = {row.low: row for row in by_size(outcomes, sizes) if row.seen.of}
    assert {low: (row.seen.hits, row.number.hits, row.number.of) for low, row in bands.items()} == {
        32: (0, 0, 1),
        48: (1, 1, 2),
        64: (3, 2, 3),
    }


def test_reliability_judges_readings_where_labels_can_tell(outcomes):
    judged = sorted(readings_judged(outcomes, load_contest("default")))
    assert judged == [(0.45, False), (0.55, False), (0.65, True), (0.75, False), (0.85, True), (0.91, False), (0.95, True), (0.97, True)]
    curve = reliability(judged)
    assert [(row.low, row.right.hits, row.right.of) for row in curve.bins] == [
        (0.4, 0, 1),
        (0.5, 0, 1),
        (0.6, 1, 1),
        (0.7, 0, 1),
        (0.8, 1, 1),
        (0.9, 2, 3),
    ]
    assert curve.error == pytest.approx((0.45 + 0.55 + 0.35 + 0.75 + 0.15 + (0.91 + 0.95 + 0.97 - 2)) / 8, abs=2e-4)


def test_sure_readings_that_are_right_have_no_calibration_error():
    assert reliability([(1.0, True)] * 5 + [(0.0, False)] * 5).error == 0
    assert reliability([]).error is None


def test_labels_that_name_a_count_are_judged_by_the_number():
    photos = [photo("three.jpg", "posed", Label("count_3", frozenset({3}))), photo("none.jpg", "posed", Label("count_0", frozenset()))]
    outcomes = judge(photos, [result("three.jpg", hand("three")), result("none.jpg", hand("fist", confidence=0.8))])
    assert list(readings_judged(outcomes, load_contest("default"))) == [(0.9, True), (0.8, True)]


def test_a_hand_at_two_labels_is_judged_once_and_right_if_it_fits_one():
    photos = [photo("close.jpg", "group", at(FIST, 0, 0, 100, 100), at(PEACE, 90, 0, 100, 100))]
    outcomes = judge(photos, [result("close.jpg", hand("peace", (80, 20, 40, 40)))])
    assert list(readings_judged(outcomes, load_contest("default"))) == [(0.9, True)]


def test_the_trade_off_moves_one_threshold_over_every_hand():
    photos = [
        photo("a", "posed", PEACE),
        photo("b", "posed", PEACE),
        photo("c", "rest"),
        photo("d", "rest"),
        photo("e", "group", at(FIST, 0, 0, 9, 9)),
    ]
    results = [
        result("a", hand("peace", score=0.9, best_pose="peace")),
        result("b", hand(score=0.3, best_pose="two_up"), hand(score=0.8, best_pose="fist")),
        result("c", hand(score=0.5, best_pose="palm")),
        result("d", hand(score=0.9, best_pose="fist")),
        result("e", hand(score=0.6, best_pose="one", box=(50, 50, 9, 9))),
    ]
    points = trade_off(judge(photos, results), load_contest("default"))
    assert points is not None
    by_score = {point.score: (point.number, point.false_alarm, point.extra) for point in points}
    assert by_score[0.0] == (1.0, 0.5, 1.0)
    assert by_score[0.3] == (1.0, 0.5, 1.0)
    assert by_score[0.5] == (0.5, 0.5, 1.0)
    assert by_score[0.7] == (0.5, 0.0, 0.0)
    assert by_score[1.0] == (0.0, 0.0, 0.0)


def test_without_scores_there_is_no_trade_off(outcomes):
    assert trade_off(outcomes, load_contest("default")) is None


def test_the_worst_misses_come_first(outcomes):
    found = [(miss.kind, miss.photo.path, miss.expected, miss.read) for miss in misses(outcomes)]
    assert found == [
        ("false alarm", "alarm.jpg", "at rest", "palm"),
        ("misread", "wrong.jpg", "peace", "three"),
        ("not quiet", "group.jpg", "fist", "one"),
        ("extra", "group.jpg", "at rest", "four"),
        ("not seen", "group.jpg", "peace", "not seen"),
        ("not seen", "some.jpg", "peace", "not seen"),
    ]


def test_results_are_found_by_path_by_its_end_and_by_file_name():
    photos = [photo("set/a.jpg", "rest"), photo("set/b.jpg", "rest"), photo("set/c.jpg", "rest"), photo("set/d.jpg", "rest")]
    results = [result("./set/a.jpg"), result("C:\\photos\\set\\b.jpg"), result("elsewhere/c.jpg")]
    assert [outcome.level for outcome in judge(photos, results)] == ["clear", "clear", "clear", "failed"]


def score(shared: Path, labels: Path, results: Path) -> dict:
    command = [sys.executable, shared / "tools/score.py", labels, results, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def our_figures(figures_of: dict) -> dict:
    """What the scoring script has as well."""
    return {name: {key: value for key, value in some.items() if key not in ("sure", "intervals")} for name, some in figures_of.items()}


def test_figures_equal_those_of_the_scoring_script(shared, tmp_path):
    """On all labels, with made-up results: hands at, near and far from the labels, lost photos, odd names."""
    chance = random.Random(7)
    labels = shared / "photos/labels.csv"
    photos = read_labels(labels)
    made_up = []
    for one in photos:
        hands = [
            hand(chance.choice([*NUMBERS, "fist", None, None]), (x + chance.uniform(-w, w), y + chance.uniform(-h, h), w, h))
            for x, y, w, h in [label.box or (0, 0, 100, 100) for label in one.labels] + [(500, 500, 60, 60)]
            if chance.random() < 0.8
        ]
        level = chance.choice(["clear", "review", "unclear"])
        name = chance.choice([one.path, f"./{one.path}", f"somewhere/{one.path}", one.path.replace("/", "\\")])
        fate = chance.random()
        if fate < 0.9:
            made_up.append(result(name, *hands, level=level))
        elif fate < 0.95:
            made_up.append({"schema": 1, "name": name, "error": {}})
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in made_up))
    assert len(photos) > 500
    ours = {name: some.to_dict() for name, some in figures_by_set(judge(photos, made_up)).items()}
    assert our_figures(ours) == score(shared, labels, file)


def test_the_real_line_on_real_photos_scores_as_the_scoring_script_says(shared, tmp_path):
    chosen = choose(read_labels(shared / "photos/labels.csv"), ["hagrid", "scenes"], 5)
    paths = {one.path for one in chosen}
    with (shared / "photos/labels.csv").open(encoding="utf-8", newline="") as stream:
        kept = [row for row in csv.DictReader(stream) if row["path"] in paths]
    for row in kept:
        row["path"] = str(shared.resolve() / "photos" / row["path"])
    labels = tmp_path / "labels.csv"
    write_labels(labels, kept)
    report = tmp_path / "report"
    said = evaluate(labels, "--finder", "mediapipe", "--report", report)
    assert said.exit_code == 0, said.output
    written = json.loads((report / "figures.json").read_text())
    ours = our_figures(written["mediapipe"]["sets"])
    assert ours == score(shared, labels, report / "results-mediapipe.jsonl")
    assert ours["ALL"]["photos"] == len(chosen) == 10
    assert ours["ALL"]["failed"] == 0
    assert ours["hagrid"]["seen"] > 0.5


def write_labels(file: Path, rows, columns=COLUMNS):
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return file


def row(path="a.png", **more):
    return dict.fromkeys(COLUMNS, "") | {"path": path, "set": "ours", "kind": "posed", "pose": "peace", "numbers": "2"} | more


@pytest.fixture
def labelled(tmp_path):
    """Two photos with labels, and results for them."""
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "a.png")
    Image.new("RGB", (300, 200), "tan").save(tmp_path / "b.png")
    labels = write_labels(
        tmp_path / "labels.csv", [row(pose="peace $^$"), row("b.png", set="<b>rest</b> $^$", kind="rest", pose="", numbers="")]
    )
    results = tmp_path / "kept.jsonl"
    some = [
        result("a.png", hand("three", score=0.7, best_pose="three")),
        result("b.png", hand("palm", (250, 150, 90, 90), score=0.8, best_pose="palm")),
    ]
    results.write_text("".join(json.dumps(one) + "\n" for one in some))
    return labels, results


def test_sets_are_chosen_and_thinned_out_evenly(tmp_path):
    photos = [LabelledPhoto(f"{name}/{index}", name, "rest") for name in ("first", "second") for index in range(10)]
    assert [one.path for one in choose(photos, ["second"], 3)] == ["second/0", "second/3", "second/6"]
    assert choose(photos, [], None) == photos
    assert len(choose(photos, [], 50)) == 20


def test_the_table_shows_rates_with_intervals(labelled):
    labels, results = labelled
    said = evaluate(labels, "--results", results)
    assert said.exit_code == 0
    lines = [line.split() for line in said.stdout.splitlines()]
    assert ["ours", "search", "1", "1", "100.0", "0.0", "0.0", "0.0", "–", "–", "–", "–", "0"] in lines
    assert ["21–100", "0–79", "0–79", "0–79"] in lines
    assert said.stderr == ""


def test_files_of_results_stand_side_by_side(labelled, tmp_path):
    labels, results = labelled
    other = tmp_path / "before.jsonl"
    other.write_text(results.read_text().replace('"number": 3', '"number": 2'))
    said = evaluate(labels, "--results", results, "--results", other)
    assert [line.split()[-12:-7] for line in said.stdout.splitlines() if "kept" in line or "before" in line][:2] == [
        ["kept", "1", "1", "100.0", "0.0"],
        ["before", "1", "1", "100.0", "100.0"],
    ]


class Page(HTMLParser):
    """Collects addresses, and tells whether all that opens also closes."""

    EMPTY = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_report_is_one_whole_page_that_loads_nothing(labelled, tmp_path):
    labels, results = labelled
    said = evaluate(labels, "--results", results, "--report", tmp_path / "report")
    assert said.exit_code == 0, said.output
    text = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "<b>rest</b> $^$" in page.text  # a set's name is text, not markup
    assert "url(" not in text
    assert "@import" not in text
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    pictures = [address.split(";base64,") for address in page.addresses]
    assert [kind for kind, _ in pictures] == ["data:image/svg+xml"] * 6 + ["data:image/jpeg"] * 2
    for kind, data in pictures:
        if kind == "data:image/jpeg":
            assert max(Image.open(BytesIO(b64decode(data))).size) <= 150
        else:
            assert ElementTree.fromstring(b64decode(data)).tag == "{http://www.w3.org/2000/svg}svg"
    assert "peace $^$ → three 0.90" in page.text
    written = json.loads((tmp_path / "report/figures.json").read_text())["search"]
    assert written["sets"]["ours"]["intervals"]["seen"] == [0.2065, 1.0]
    assert len(written["trade_off"]) == 51


def test_the_same_results_give_the_same_report(labelled, tmp_path):
    labels, results = labelled
    for name in ("one", "two"):
        evaluate(labels, "--results", results, "--report", tmp_path / name)
    for file in ("index.html", "figures.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_report_without_scores_photos_or_readings_is_written_all_the_same(tmp_path):
    labels = write_labels(tmp_path / "labels.csv", [row("gone.png")])
    (tmp_path / "kept.jsonl").write_text(json.dumps(result("gone.png")))
    said = evaluate(labels, "--results", tmp_path / "kept.jsonl", "--report", tmp_path / "report")
    assert said.exit_code == 0, said.output
    text = Page((tmp_path / "report/index.html").read_text(encoding="utf-8")).text
    assert "no curve to draw" in text
    assert "the photo is not here" in text


def test_without_matplotlib_the_table_is_printed_and_the_report_says_what_it_lacks(labelled, tmp_path, monkeypatch):
    labels, results = labelled
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("app.evaluate.report.find_spec", lambda name: None)
    assert evaluate(labels, "--results", results).exit_code == 0
    said = evaluate(labels, "--results", results, "--report", tmp_path / "report")
    assert said.exit_code == 2
    assert "`evaluate`" in said.stderr
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ([row()], ("path", "set", "kind"), "pose, numbers, box"),
        ([], COLUMNS, "no row"),
        ([row(path="")], COLUMNS, "labels.csv, 2: column path"),
        ([row(), row(kind="many")], COLUMNS, 'labels.csv, 3: column kind says "many"'),
        ([row(numbers="two")], COLUMNS, 'column numbers says "two"'),
        ([row(box="1 2 3")], COLUMNS, 'column box says "1 2 3"'),
        ([row(box="1 2 0 4")], COLUMNS, 'column box says "1 2 0 4"'),
        ([row(box="nan 2 3 4")], COLUMNS, 'column box says "nan 2 3 4"'),
        ([row(box="1 2 inf 4")], COLUMNS, 'column box says "1 2 inf 4"'),
        ([row(), row("b.png")], COLUMNS, "Photos that are not in"),
    ],
)
def test_labels_that_cannot_be_used_are_told_with_status_2(tmp_path, rows, columns, expected):
    said = evaluate(write_labels(tmp_path / "labels.csv", rows, columns))
    assert said.exit_code == 2
    assert expected in said.stderr
    assert "Traceback" not in said.output


def test_files_and_options_that_cannot_be_used_are_told_with_status_2(labelled, tmp_path):
    labels, results = labelled
    (tmp_path / "bad.jsonl").write_text('{"name": "a.png"}\n{"name": \n')
    (tmp_path / "list.jsonl").write_text("[1]\n")
    for name, one in {"box": hand(box=("1", "2", "3", "4")), "nan": hand(box=(1, 2, math.nan, 4)), "readings": hand(readings=[2])}.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(result("a.png") | {"hands": [one]}))
    (tmp_path / "failed.jsonl").write_text(json.dumps({"schema": 1, "name": "a.png", "error": {}}))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xd8\xff")
    for args, expected in [
        ((tmp_path / "none.csv",), "none.csv: No such file"),
        ((tmp_path / "binary.csv",), "binary.csv: 'utf-8'"),
        ((labels, "--sets", "ours,theirs"), "theirs is not in the labels"),
        ((labels, "--results", tmp_path / "none.jsonl"), "none.jsonl: No such file"),
        ((labels, "--results", tmp_path / "bad.jsonl"), "bad.jsonl, 2: "),
        ((labels, "--results", tmp_path / "list.jsonl"), "list.jsonl, 1: not a checked photo"),
        *(((labels, "--results", tmp_path / f"{name}.jsonl"), "1: not a checked photo") for name in ("box", "nan", "readings")),
        ((labels, "--results", tmp_path / "failed.jsonl"), "Not one photo could be checked"),
        ((labels, "--results", results, "--finder", "search"), "give one of the two"),
        ((labels, "--results", results, "--contest", "nowhere"), "nowhere"),
        ((labels, "--results", results, "--report", results), "kept.jsonl: File exists"),
    ]:
        said = evaluate(*args)
        assert said.exit_code == 2, args
        assert expected in said.stderr, said.stderr


def test_a_model_that_is_missing_is_no_bad_score(labelled, tmp_path, monkeypatch):
    monkeypatch.setenv("JARI_MODEL", str(tmp_path / "none.task"))
    said = evaluate(labelled[0])
    assert said.exit_code == 2
    assert "Not one photo could be checked" in said.stderr
    assert "none.task" in said.stderr
