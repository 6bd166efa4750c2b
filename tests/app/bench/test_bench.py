"""The benchmark runs for real, on its smallest scene, and its own arithmetic is right."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click import Command
from click.testing import CliRunner

from app.bench import batch, memory, recall
from app.bench.memory import POINTS, Memory, measure
from app.bench.recall import bins, table, which_found
from app.bench.report import END, START, Report, markdown, write_markdown
from app.bench.scenes import compose
from app.cli import cli
from gestures import open_photo
from gestures.hands.finder import overlap
from gestures.hands.search import SMALL_TILES


def test_a_seed_gives_one_scene_with_hands_of_the_sizes_asked_for() -> None:
    one, same, other = (compose(1, 3, (40, 120), seed, photos=False) for seed in (1, 1, 2))
    assert one == same
    assert one.data != other.data
    photo = open_photo(one.data)
    assert photo.width * photo.height == pytest.approx(1e6, rel=0.01)
    assert len(one.hands) == 3
    for hand in one.hands:
        x, y, width, height = hand.box
        assert 39 <= hand.size <= 121
        assert x >= -1
        assert y >= -1
        assert x + width <= photo.width + 1
        assert y + height <= photo.height + 1


def test_no_pasted_hand_covers_another() -> None:
    hands = compose(2, 12, (30, 100), 3, photos=False).hands
    assert all(overlap(one.box, other.box) == 0 for i, one in enumerate(hands) for other in hands[:i])


def test_a_found_hand_counts_once_and_for_the_best_match() -> None:
    truth = [(0.0, 0.0, 10.0, 10.0), (4.0, 0.0, 10.0, 10.0), (100.0, 0.0, 10.0, 10.0)]
    assert which_found(truth, [(3.0, 0.0, 10.0, 10.0)]) == [False, True, False]
    assert which_found(truth, [(3.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 9.0)]) == [True, True, False]
    assert which_found(truth, [(106.0, 0.0, 10.0, 10.0)]) == [False, False, False]  # overlaps by 0.25


def test_recall_is_told_by_size_and_beside_exhaustive_tiling() -> None:
    hits = [
        (30.0, {"search": False, "exhaustive": False}),
        (50.0, {"search": True, "exhaustive": False}),
        (300.0, {"search": True, "exhaustive": True}),
        (200.0, {"search": False, "exhaustive": True}),
    ]
    rows = table(bins(hits, ["search", "exhaustive"]))
    assert rows[1] == ["25–35", "1", "0.000", "0.000"]
    assert rows[3] == ["45–60", "1", "1.000", "0.000"]
    assert rows[6] == ["150–300", "2", "0.500 (0.500)", "1.000"]
    assert rows[7] == ["25–300", "4", "0.500 (0.500)", "0.500"]


def test_memory_is_that_of_a_process_of_its_own() -> None:
    ballast = np.ones(300 * 2**20 // 8)  # ours, and none of its business
    memory = measure([compose(0.3, 1, (140, 220), 0, photos=False).data], times=2)
    assert ballast.sum()
    assert 50 < memory.loaded <= memory.peak < 300
    assert memory.photos == 2
    assert len(memory.run) == 2


def test_growth_is_per_thousand_photos_after_a_fifth_of_the_run() -> None:
    run = [100.0] * 4 + [200.0 + i for i in range(POINTS - 4)]
    assert Memory(90, 230, 2000, run).growth == pytest.approx(15 * 1000 / 1600)


def test_the_command_times_both_finders_and_renews_the_tables(tmp_path: Path) -> None:
    figures, page = tmp_path / "bench.json", tmp_path / "performance.md"
    page.write_text(f"Before\n\n{START}\nold\n{END}\n\nAfter\n", encoding="utf-8")
    options = ["--part", "timing", "--most", "0.5", "--rounds", "1", "--json", str(figures), "--markdown", str(page)]
    result = CliRunner().invoke(cli, ["bench", *options])
    assert result.exit_code == 0, result.output
    report = json.loads(figures.read_text(encoding="utf-8"))
    (timing,), (memory,) = report["timings"], report["memory"]
    assert timing["hands"] == timing["search_recall"] == timing["mediapipe_recall"] == 1
    assert timing["ratio"] == pytest.approx(timing["search_ms"] / timing["mediapipe_ms"], abs=0.01)
    assert sum(timing["steps"].values()) == pytest.approx(1, abs=0.001)
    assert timing["tiles"] >= 1
    assert timing["small_tiles"] <= SMALL_TILES * timing["tiles_possible"]
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Before")
    assert text.endswith("After\n")
    assert "old" not in text
    assert report["machine"] in text
    assert f"{memory['peak']:.0f}" in text


def test_a_batch_is_timed_against_the_plain_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "KINDS", tuple(replace(kind, count=4) for kind in batch.KINDS))
    figures, page = tmp_path / "bench.json", tmp_path / "performance.md"
    page.write_text(f"{START}\n{END}", encoding="utf-8")
    options = ["--part", "batch", "--most", "0.3", "--rounds", "1", "--json", str(figures), "--markdown", str(page)]
    result = CliRunner().invoke(cli, ["bench", *options])
    assert result.exit_code == 0, result.output
    (timed,) = json.loads(figures.read_text(encoding="utf-8"))["batches"]
    assert (timed["name"], timed["photos"]) == ("close-up", 4)
    assert timed["hands"] >= 1
    parts = timed["worker_ms"] + timed["command_ms"] + timed["reports_ms"]
    assert timed["overhead_ms"] == pytest.approx(parts - timed["plain_ms"], abs=0.01)
    assert timed["overhead"] == pytest.approx(timed["overhead_ms"] / timed["plain_ms"], abs=0.001)
    assert timed["worker_ms"] > max(timed["command_ms"], timed["reports_ms"])
    assert min(timed["command_ms"], timed["reports_ms"], timed["plain"], timed["one"], timed["two"]) > 0
    for figure in (f"{timed['overhead'] * 100:.1f}", f"{timed['two']:g}"):
        assert figure in result.output
        assert figure in page.read_text(encoding="utf-8")


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Mine", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        write_markdown(Report("a machine", "2026-01-01"), page)
    assert page.read_text(encoding="utf-8") == "Mine"


@pytest.mark.parametrize(("option", "file"), [("--markdown", "page.md"), ("--json", "nowhere/figures.json")])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path, option: str, file: str) -> None:
    (tmp_path / "page.md").write_text("Mine", encoding="utf-8")
    started = time.monotonic()
    result = CliRunner().invoke(cli, ["bench", option, str(tmp_path / file)])
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (2, True)
    assert file in result.output
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [(memory.main, ["nope.jpg"], "'nope.jpg' does not exist"), (recall.main, ["--finder", "foo"], "'foo' is not one of")],
)
def test_photos_and_finders_that_there_are_not_are_told(command: Command, options: list[str], said: str) -> None:
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_tables_stay_where_nothing_was_measured(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{START}\nold\n{END}", encoding="utf-8")
    result = CliRunner().invoke(cli, ["bench", "--part", "recall", "--most", "1", "--markdown", str(page)], env={"JARI_LANG": "en"})
    assert result.exit_code == 2, result.output
    assert "Nothing was measured" in result.output
    assert "old" in page.read_text(encoding="utf-8")


def test_markdown_without_figures_says_where_and_when() -> None:
    assert markdown(Report("a machine", "2026-01-01")) == "Measured on 2026-01-01 on a machine."
