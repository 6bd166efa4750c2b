import csv
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from app.cli import cli
from app.terminal.results import HAND_COLUMNS, PHOTO_COLUMNS
from app.workers import close_here

JARI = [sys.executable, "-m", "app.cli"]


@pytest.fixture(scope="module", autouse=True)
def _one_checker():
    """Keeps the Checker of this process from command to command, for making one takes longer than checking a photo."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.terminal.checking.close_here", lambda: None)
        yield
    close_here()


def jari(*args: str | Path, **options) -> Result:
    """Run a command in this process: the networks are loaded once."""
    return CliRunner().invoke(cli, [str(arg) for arg in args], **options)


def lines(result: Result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="session")
def posing(samples, tmp_path_factory) -> Path:
    """A photo of one V sign."""
    path = tmp_path_factory.mktemp("posing") / "posing.jpg"
    Image.open(samples / "peace.jpg").resize((384, 384)).save(path, quality=92)
    return path


@pytest.fixture(scope="session")
def plain(tmp_path_factory) -> Path:
    """A photo without any hand."""
    path = tmp_path_factory.mktemp("plain") / "plain.png"
    row = np.linspace(60, 200, 200, dtype=np.uint8)
    Image.fromarray(np.stack([np.tile(row, (150, 1))] * 3, axis=2)).save(path)
    return path


@pytest.fixture
def folder(tmp_path, posing, plain) -> Path:
    """Photos at two depths, a damaged one, and files that are no photos, one of them named like one."""
    place = tmp_path / "rapat"
    (place / "hari 2").mkdir(parents=True)
    (place / "b.JPG").write_bytes(posing.read_bytes())
    (place / "a.png").write_bytes(plain.read_bytes())
    (place / "hari 2" / "c.jpg").write_bytes(posing.read_bytes()[:2000])
    (place / "catatan.txt").write_text("no photo")
    (place / "d.CR2").write_bytes(b"II*\0")  # a camera's, which cannot be read yet
    (place / ".DS_Store").write_bytes(b"")
    (place / "._b.JPG").write_bytes(b"\0\5\26\7")  # macOS's notes on b.JPG
    return place


def test_a_folder_gives_a_result_for_every_photo_in_a_stable_order(folder):
    result = jari("check", folder, "--format", "jsonl")
    assert [line["name"] for line in lines(result)] == ["a.png", "b.JPG", "hari 2/c.jpg"]
    assert [line.get("level") for line in lines(result)] == ["clear", "review", None]
    assert lines(result)[2]["error"]["type"] == "photo-damaged"
    assert set(lines(result)[2]) == {"schema", "name", "error"}
    assert result.exit_code == 2


@pytest.mark.parametrize(("names", "status"), [(["plain"], 0), (["plain", "posing"], 1), (["posing", "missing", "plain"], 2)])
def test_the_exit_status_gates_a_post(names, status, posing, plain, tmp_path):
    paths = {"plain": plain, "posing": posing, "missing": tmp_path / "missing.jpg"}
    result = jari("check", *(paths[name] for name in names), "--format", "jsonl")
    assert result.exit_code == status
    assert [line["name"] for line in lines(result)] == [str(paths[name]) for name in names]


def test_a_file_that_is_named_is_always_tried(posing, tmp_path):
    unnamed = tmp_path / "photo without ending"
    unnamed.write_bytes(posing.read_bytes())
    assert jari("check", unnamed, "--format", "jsonl").exit_code == 1
    text = tmp_path / "notes.txt"
    text.write_text("no photo")
    result = jari("check", text, "--format", "jsonl")
    assert (lines(result)[0]["error"]["type"], result.exit_code) == ("photo-unsupported", 2)


def test_standard_input_is_a_dash(posing):
    result = jari("check", "-", "--format", "jsonl", input=posing.read_bytes())
    assert [(line["name"], line["level"]) for line in lines(result)] == [("-", "review")]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda place: None, "file-missing"),
        (lambda place: place.mkdir(), "folder-empty"),
        (lambda place: place.write_bytes(b""), "photo-empty"),
        (lambda place: place.write_bytes(b"\xff\xd8\xff" + bytes(26 * 2**20)), "photo-too-large"),
        (lambda place: place.symlink_to(place), "file-unreadable"),
    ],
)
@pytest.mark.parametrize("lang", ["id", "en"])
def test_what_cannot_be_checked_is_said_in_words_and_nothing_else_is_lost(make, kind, lang, plain, tmp_path):
    make(tmp_path / "it")
    result = jari("check", tmp_path / "it", plain, "--format", "jsonl", "--lang", lang)
    failed, checked = lines(result)
    assert (failed["error"]["type"], checked["level"], result.exit_code) == (kind, "clear", 2)
    assert failed["error"]["title"]
    assert re.fullmatch(r"[^{}]+", failed["error"]["detail"])


def test_a_folder_that_may_not_be_read_is_told(folder, unprivileged):
    (folder / "hari 2").chmod(0)
    result = jari("check", folder, "--format", "jsonl")
    (folder / "hari 2").chmod(0o755)
    assert lines(result)[0]["error"]["type"] == "folder-unreadable"
    assert result.exit_code == 2


def test_several_jobs_give_the_same_as_one(folder, posing, tmp_path):
    one, two = (lines(jari("check", folder, posing, tmp_path / "missing", "--format", "jsonl", "--jobs", jobs)) for jobs in ("1", "2"))
    for line in one + two:
        line.pop("elapsed_ms", None)
    assert one == two
    assert len(one) == 5


def test_csv_has_a_row_a_hand_and_one_for_other_photos(folder):
    result = jari("check", folder, "--format", "csv", "--lang", "en")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert tuple(rows[0]) == PHOTO_COLUMNS + HAND_COLUMNS
    by_name = {row["name"]: row for row in rows}
    assert (by_name["a.png"]["level"], by_name["a.png"]["hand"]) == ("clear", "")
    assert (by_name["hari 2/c.jpg"]["level"], by_name["hari 2/c.jpg"]["error"]) == ("", "photo-damaged")
    hand = next(row for row in rows if row["name"] == "b.JPG" and row["number"] == "2")
    assert (hand["pose"], hand["strength"], hand["state"]) == ("peace", "official", "posing")
    assert "bkn-2023 avoid" in hand["lists"]
    assert all(float(hand[column]) >= 0 for column in ("x", "y", "width", "height"))


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_no_name_breaks_its_row(end, tmp_path):
    names = [f"a{end}b{end}.jpg", "c.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(b"no photo")
    ran = subprocess.run([*JARI, "check", tmp_path, "--format", "csv"], capture_output=True, timeout=60)
    assert [row["name"] for row in csv.DictReader(io.StringIO(ran.stdout.decode(), newline=""))] == names
    assert ran.stdout.count(b"\r") == 2 * end.count("\r")  # no row ends so


def test_no_name_in_an_error_plays_tricks_on_the_terminal(side_by_side, tmp_path, plain):
    def run(args):
        return subprocess.run([*JARI, "check", *args], capture_output=True, cwd=tmp_path, timeout=60)

    name = "\x1b]0;x\x07\x1b[2J\x1b[31m\x9b1mred"
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.jpg").write_bytes(plain.read_bytes())
    for ran in side_by_side(run, (["in", "--annotate", "out"], ["in", "--annotate", "in"], [f"--{name}"])):
        said = ran.stderr.decode()
        assert (ran.returncode, ran.stdout) == (2, b"")
        assert "red" in said
        assert "\n" in said
        assert all(line.isprintable() for line in said.split("\n")), said


@pytest.mark.parametrize(
    ("lang", "words"),
    [("id", ["perlu ditinjau", "dua jari", "nihil", "gagal diperiksa", "3 foto:", "Ini saran awal", "Ada 2 berkas lain"]),
     ("en", ["to review", "two fingers", "nothing found", "not checked", "Photos: 3.", "This is initial", "Other files in folders: 2."])],
)  # fmt: skip
def test_the_table_is_for_people(folder, lang, words):
    result = jari("check", folder, "--lang", lang, env={"COLUMNS": "140"})
    *said, passed = words
    for word in said:
        assert word in result.stdout
    assert result.stderr.startswith(passed)
    assert result.stderr.count("\n") == 1


def test_other_files_in_folders_are_counted_once_and_not_where_they_were_checked(tmp_path):
    for name in ("a.jpg", "IMG.CR2", "sub/n.txt", ".cache/d.NEF", "hasil/report.html", "hasil/ledger.sqlite-wal"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no photo")
    result = jari("check", tmp_path, tmp_path / "sub", tmp_path / "sub/../IMG.CR2", "--lang", "en")
    assert result.stderr.startswith("Other files in folders: 1.")  # as a batch counts them


def test_the_table_names_no_number_that_is_not_on_the_ballot(samples):
    result = jari("check", samples / "palm.jpg", "--contest", "pilkada-contoh")  # five is not, but a list carries the palm
    assert result.exit_code == 1
    assert not re.search(r"^\s+5", result.stdout, re.MULTILINE)


def test_two_hands_together_gate_a_post_too(samples, tmp_path):
    (tmp_path / "dua.toml").write_text('name = { id = "Dua", en = "Two" }\nnumbers = [2]\nlists = []\n')
    result = jari("check", samples / "two_thumbs.jpg", "--contest", tmp_path / "dua.toml")
    assert result.exit_code == 1
    assert re.search(r"^\s+2\?", result.stdout, re.MULTILINE)


def test_the_readme_shows_what_is_printed(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    command, shown = re.search(r"\$ \.venv/bin/jari (check [^\n]*)\n(.*?)```", readme, re.DOTALL).groups()
    ran = subprocess.run(
        [*JARI, *command.split()], capture_output=True, text=True, cwd=root, env=os.environ | {"COLUMNS": "100"}, timeout=60
    )
    assert [line.rstrip() for line in ran.stdout.splitlines()] == shown.splitlines()


def test_the_table_takes_no_orders_from_file_names(plain, tmp_path):
    evil = tmp_path / "\x1b[2J[red]x.png"
    evil.write_bytes(plain.read_bytes())
    result = jari("check", tmp_path)
    assert "\x1b" not in result.stdout
    assert "[red]x.png" in result.stdout


def test_a_contest_is_a_name_or_a_file(posing, tmp_path):
    assert lines(jari("check", posing, "--format", "jsonl", "--contest", "pilpres-2024"))[0]["contest"] == "pilpres-2024"
    own = tmp_path / "desa.toml"
    own.write_text('name = { id = "Desa", en = "Village" }\nnumbers = [1]\nlists = []\n')
    result = lines(jari("check", posing, "--format", "jsonl", "--contest", own))[0]
    assert result["contest"] == "desa"
    assert not any(code["on_ballot"] for code in result["codes"] if code["number"] == 2)


@pytest.mark.parametrize(("contest", "said"), [("nowhere", "pilpres-2024"), ("broken.toml", "broken.toml")])
def test_a_wrong_contest_is_refused_with_a_reason(contest, said, posing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("broken.toml").write_text("numbers = 3")
    ran = subprocess.run([*JARI, "check", posing, "--contest", contest, "--lang", "en"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_annotated_copies_lie_as_the_photos_do(folder, posing, tmp_path):
    out = tmp_path / "salinan"
    other = tmp_path / "b.webp"
    Image.open(posing).save(other, exif=Image.Exif())
    jari("check", folder, posing, other, "--annotate", out, "--format", "jsonl")
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "a.jpg",
        "b-2.jpg",
        "b.jpg",
        "posing.jpg",
    ]
    with Image.open(out / "posing.jpg") as copy, Image.open(posing) as original:
        assert (copy.format, copy.size) == ("JPEG", original.size)
        assert not copy.getexif()
        difference = np.abs(np.asarray(copy, np.int16) - np.asarray(original.convert("RGB"), np.int16)).max(axis=2)
    assert (difference > 60).sum() > 100, "the hand is marked"


def test_a_photo_that_is_named_twice_has_one_copy(posing, tmp_path):
    jari("check", posing, posing, "--annotate", tmp_path / "salinan")
    assert [path.name for path in (tmp_path / "salinan").iterdir()] == ["posing.jpg"]


def test_a_copy_never_replaces_a_photo(side_by_side, posing, tmp_path):
    def run(places):
        given, out = places
        return subprocess.run([*JARI, "check", given, "--annotate", out], capture_output=True, text=True, timeout=60)

    photo = tmp_path / "photo.jpg"
    photo.write_bytes(posing.read_bytes())
    (tmp_path / "x").mkdir()
    for ran in side_by_side(run, ((photo, tmp_path), (tmp_path, tmp_path / "." / "x" / ".."))):
        assert ran.returncode == 2
        assert "--annotate" in ran.stderr
        assert ran.stdout == ""
    assert photo.read_bytes() == posing.read_bytes()
    assert set(tmp_path.iterdir()) == {photo, tmp_path / "x"}


def test_a_copy_replaces_an_earlier_one_but_no_other_file(posing, tmp_path):
    out = tmp_path / "salinan"
    for _ in range(2):
        assert jari("check", posing, "--annotate", out).exit_code == 1
    with Image.open(out / "posing.jpg") as copy:
        assert copy.info["comment"] == b"Jari Netral"
    (out / "posing.jpg").write_bytes(posing.read_bytes())
    result = jari("check", posing, "--annotate", out, "--lang", "en")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not a copy made by" in result.output
    assert (out / "posing.jpg").read_bytes() == posing.read_bytes()


def test_copies_that_lie_among_the_photos_are_none_of_them(folder):
    out = folder / "salinan"
    out.mkdir()
    (out / "d.png").write_bytes((folder / "a.png").read_bytes())  # a photo, wherever it lies
    for _ in range(2):
        checked = lines(jari("check", folder, "--annotate", out, "--format", "jsonl"))
        assert [one["name"] for one in checked] == ["a.png", "b.JPG", "hari 2/c.jpg", "salinan/d.png"]


def test_a_copy_has_a_name_as_long_as_its_photo_s(posing, tmp_path):
    photo = tmp_path / f"{'n' * 251}.jpg"
    photo.write_bytes(posing.read_bytes())
    jari("check", photo, "--annotate", tmp_path / "salinan")
    assert [path.name for path in (tmp_path / "salinan").iterdir()] == [photo.name]


def test_a_copy_that_does_not_fit_leaves_nothing(posing, tmp_path, monkeypatch):
    def full(path, data):
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    result = jari("check", posing, "--annotate", tmp_path / "salinan", "--lang", "en")
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)
    assert list((tmp_path / "salinan").iterdir()) == []


def test_a_copy_that_cannot_be_written_is_told(posing, tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    ran = subprocess.run(
        [*JARI, "check", posing, "--annotate", tmp_path / "taken", "--lang", "en"], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, "cannot be written" in ran.stderr, "Traceback" in ran.stderr) == (2, True, False)


@pytest.mark.parametrize("finder", ["search", "mediapipe"])
def test_standard_error_is_silent_where_nobody_watches(finder, posing):
    ran = subprocess.run(
        [*JARI, "check", posing, posing, "--finder", finder, "--format", "jsonl"], capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == ""
    assert [json.loads(line)["finder"] for line in ran.stdout.splitlines()] == [finder, finder]


def test_progress_goes_to_standard_error_where_a_person_watches(posing, plain, watch):
    seen, out = watch(partial(subprocess.Popen, [*JARI, "check", posing, plain, "--format", "jsonl"]))
    assert b"Memeriksa" in seen
    assert b"2/2" in seen
    assert len([json.loads(line) for line in out.splitlines()]) == 2


def test_names_that_are_not_utf8_are_shown_as_well_as_can_be(side_by_side, plain, tmp_path):
    def run(format_):
        return subprocess.run([*JARI, "check", tmp_path, "--format", format_], capture_output=True, timeout=60)

    odd = os.fsencode(tmp_path) + b"/foto \xff.png"
    Path(os.fsdecode(odd)).write_bytes(plain.read_bytes())
    for ran in side_by_side(run, ("jsonl", "csv", "table")):
        assert ran.returncode == 0, ran.stderr
        assert "foto \N{REPLACEMENT CHARACTER}.png" in ran.stdout.decode()


def test_output_is_utf8_in_any_locale(side_by_side, folder):
    def run(format_):
        env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        return subprocess.run([*JARI, "check", folder, "--format", format_], capture_output=True, env=env, timeout=60)

    for ran in side_by_side(run, ("jsonl", "table")):
        assert (ran.returncode, ran.stderr.count(b"\n")) == (2, 1), ran.stderr  # that there are other files


def test_a_pipe_in_a_folder_is_not_waited_for(plain, tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.png").write_bytes(plain.read_bytes())
    odd, fine = lines(jari("check", tmp_path, "--format", "jsonl"))
    assert (odd["error"]["type"], fine["level"]) == ("file-odd", "clear")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", [("check", "{}"), ("check", "{}", "--format", "jsonl"), ("poses",)])
def test_a_full_disk_is_told(command, plain):
    args = [one.format(plain) for one in command]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([*JARI, *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stderr.startswith("Hasil tidak dapat ditulis")
    assert "Error" not in ran.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux")
def test_a_worker_s_memory_is_limited(posing):
    ran = subprocess.run(
        [*JARI, "check", posing, "--jobs", "2", "--format", "jsonl"],
        env=os.environ | {"JARI_WORKER_MEMORY": "100"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["error"]["type"] in ("worker-lost", "out-of-memory")


@pytest.mark.parametrize("format_", ["table", "jsonl"])
def test_a_closed_standard_output_keeps_the_exit_status(format_, plain):
    ran = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', *JARI, "check", plain, "--format", format_], stderr=subprocess.PIPE, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize("streams", ["<&- 2>&-", "<&- >&- 2>&-", "2>&-"])
def test_closed_streams_keep_the_exit_status(streams, plain, tmp_path):
    ran = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {streams}', *JARI, "check", plain, "--format", "jsonl"], capture_output=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert bool(ran.stdout) == (">&- 2" not in streams)


def test_a_closed_standard_input_is_told():
    ran = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&-', *JARI, "check", "-", "--format", "jsonl"], capture_output=True, timeout=60)
    assert (ran.returncode, json.loads(ran.stdout)["error"]["type"]) == (2, "file-unreadable")


def test_a_closed_pipe_is_quiet(plain):
    with subprocess.Popen([*JARI, "check", *[plain] * 40, "--format", "jsonl"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout.readline()
        run.stdout.close()
        assert run.wait(60) == 141
        assert run.stderr.read() == b""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_quietly(posing, jobs):
    with subprocess.Popen(
        [*JARI, "check", *[posing] * 200, "--format", "jsonl", "--jobs", jobs],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True,
    ) as run:  # fmt: skip
        assert run.stdout.readline()
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, err.strip()) == (130, b"")
    for line in out.splitlines():
        json.loads(line)


def test_help_and_tables_answer(tmp_path, monkeypatch):
    assert "jari-netral" not in jari("--help").output
    assert re.fullmatch(r"jari \d+\.\d+\.\d+\n", jari("--version").output)
    (tmp_path / "desa.toml").write_text('name = { id = "Desa kami", en = "Our village" }\nnumbers = [2]\nlists = []\n')
    monkeypatch.chdir(tmp_path)
    known = jari("contests", env={"COLUMNS": "200", "JARI_CONTEST": "desa.toml"}).output
    assert "pilpres-2024" in known
    assert "desa.toml" in known  # the one that a check takes by itself, as it can be given
    assert "salam metal" in jari("poses").output
    assert "finger heart" in jari("poses", "--lang", "en").output


def test_wrong_usage_has_status_2(posing):
    assert jari("check").exit_code == 2
    assert jari("check", posing, "--format", "xml").exit_code == 2
    ran = subprocess.run([*JARI, "chekc"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, "Traceback" in ran.stderr) == (2, False)


@pytest.mark.parametrize("written", [None, "no JSON", "[]", "{}"])
def test_a_wrong_bill_of_materials_is_told(written, tmp_path):
    file = tmp_path / "sbom.json"
    if written is not None:
        file.write_text(written)
    result = jari("licences", "--sbom", file)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (2, True)
    assert "sbom.json" in result.output


def test_a_wrong_setting_is_named(posing):
    ran = subprocess.run([*JARI, "check", posing], capture_output=True, text=True, env=os.environ | {"JARI_MAX_BYTES": "lots"}, timeout=60)
    assert (ran.returncode, "JARI_MAX_BYTES" in ran.stderr, "Traceback" in ran.stderr) == (2, True, False)


@pytest.mark.parametrize(
    ("variable", "value", "indonesian", "english"),
    [
        ("PORT", "abc", "harus berupa angka", "must be a number"),
        ("PORT", "99999", "harus ≤ 65535", "must be ≤ 65535"),
        ("MAX_BYTES", "9" * 20, "harus ≤ 1099511627776", "must be ≤ 1099511627776"),
        ("FINDER", "x", "salah satu dari 'search', 'mediapipe'", "one of 'search', 'mediapipe'"),
        ("METRICS", "perhaps", "harus true atau false", "must be true or false"),
        ("API_KEYS", "x", "NAME:SHA256", "NAME:SHA256"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_in_the_language(variable, value, indonesian, english, plain):
    for lang, words in (("id", indonesian), ("en", english)):
        result = jari("check", plain, "--lang", lang, env={f"JARI_{variable}": value})
        assert result.exit_code == 2
        assert words in result.output


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process ignores stands in /proc")
@pytest.mark.parametrize(
    ("command", "status"),
    [("check", 2), ("batch", 2), ("serve", 2), ("contests", 2), ("licences", 2), ("key", 2), ("bench", 2), ("doctor", 1)],
)
def test_a_system_library_that_is_missing_is_told(side_by_side, command, status, plain, tmp_path):
    """OpenCV wants one that a bare server lacks. No photo was looked at, so none needs a look."""

    def run(lang):
        env = os.environ | {"PYTHONPATH": str(tmp_path), "JARI_LANG": lang}
        return subprocess.run([*JARI, command, *given.get(command, [])], capture_output=True, text=True, env=env)

    (tmp_path / "cv2.py").write_text('raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")')
    given = {"check": [plain], "batch": [plain, "--out", tmp_path / "out"], "key": ["new", "intranet"], "serve": ["--port", "0"]}
    told = {"id": "Pustaka sistem berikut belum terpasang: libGL.so.1", "en": "A library of this system is missing: libGL.so.1"}
    for said, ran in zip(told.values(), side_by_side(run, told), strict=True):
        assert (ran.returncode, ran.stdout) == (status, "")
        assert ran.stderr.splitlines()[0] == said
        assert ran.stderr.splitlines()[1].endswith(": apt-get install libgl1 libglib2.0-0")
        assert len(ran.stderr.splitlines()) == 2


def test_a_reload_does_not_end_a_service_that_is_starting():
    command = [*JARI, "serve", "--port", "0", "--workers", "1"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        try:
            os.set_blocking(run.stdout.fileno(), False)
            status = Path(f"/proc/{run.pid}/status")
            while not int(re.search(r"SigIgn:\s+(\w+)", status.read_text())[1], 16) & 1 << signal.SIGHUP - 1:
                assert run.stdout.read() is None, "it has its address before it ignores the signal"
                time.sleep(0.01)
            run.send_signal(signal.SIGHUP)
            os.set_blocking(run.stdout.fileno(), True)
            assert b"http://127.0.0.1" in run.stdout.readline()
        finally:
            run.terminate()


def test_a_contest_that_is_nested_without_end_is_told(plain, tmp_path):
    (tmp_path / "kami.toml").write_text("x = " + "[" * 5000)
    ran = subprocess.run([*JARI, "check", plain, "--contest", tmp_path / "kami.toml"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, "kami.toml" in ran.stderr, "Traceback" in ran.stderr) == (2, True, False)


def test_an_address_is_named_only_where_the_service_starts(tmp_path):
    (tmp_path / "kami.toml").write_text("numbers = []")
    env = os.environ | {"JARI_CONTEST": str(tmp_path / "kami.toml")}
    ran = subprocess.run([*JARI, "serve", "--port", "0", "--workers", "1"], env=env, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "kami.toml" in ran.stderr


def test_serve_says_where_to_open_it_and_ends_on_ctrl_c():
    with subprocess.Popen(
        [*JARI, "serve", "--port", "0", "--workers", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/", run.stdout.readline())[0]
            with urllib.request.urlopen(address + "healthz", timeout=60) as answer:
                assert answer.status == 200
            place = urlsplit(address).netloc
            taken = subprocess.run([*JARI, "serve", "--port", place.split(":")[1]], capture_output=True, text=True, timeout=60)
            assert (taken.returncode, f"{place} tidak dapat dibuka" in taken.stderr) == (2, True)
        finally:
            run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in out + err
