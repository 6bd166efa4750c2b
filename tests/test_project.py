"""The project's own files: what is promised in them stands."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from app.cli import cli
from app.settings import settings_table
from gestures.errors import UnsupportedPhoto, error_text

GUIDES = sorted(Path(__file__).parent.parent.glob("docs/*.md"))
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "MODEL_CARD.md", "samples/README.md", "samples/render/README.md"),
    *(f"docs/{path.name}" for path in GUIDES),
)
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")


@pytest.fixture(scope="module")
def tracked(root) -> list[Path]:
    """Every file of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ]+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_locks_carry_a_hash_for_everything_and_no_place(root, name):
    text = (root / name).read_text()
    for entry in re.split(r"\n(?=\w)", text.split("\n", 2)[2]):
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|--trusted-host|\+cpu", text)


def test_locks_hold_what_the_project_asks_for(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = {"requirements.txt": project["dependencies"], "requirements-dev.txt": project["optional-dependencies"]["dev"]}
    for name, requirements in wanted.items():
        for requirement in requirements:
            assert re.match(r"[\w-]+", requirement)[0] in locked(root / name), f"run `make lock`: {requirement} is not in {name}"
    runtime, development = locked(root / "requirements.txt"), locked(root / "requirements-dev.txt")
    assert runtime.items() <= development.items()


def test_the_notice_names_every_library_that_is_installed(root):
    notice = (root / "NOTICE").read_text()
    for name in locked(root / "requirements.txt").keys() - {"colorama"}:  # colorama comes on Windows only
        assert re.search(rf"\b{re.escape(name)}\b", notice), name


def test_the_readme_lists_the_settings_as_they_are(root):
    rows = re.findall(r"^\| `(JARI_\w+)` \| (?:`(.*)`)? ?\| (.*) \|$", (root / "README.md").read_text(), re.MULTILINE)
    assert rows == settings_table()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_and_links_in_the_documents_exist(root, name):
    text = (root / name).read_text()
    chores = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= chores
    for command in re.findall(r"(?:^\$ |`)(?:\.venv/bin/)?jari ([a-z]+)", text, re.MULTILINE):
        assert command in cli.commands
    assert not re.search(r"(?<!/)\bpython -m (app|gestures)\.|^    jari ", text, re.MULTILINE), "the libraries are in .venv"
    options = {option for command in cli.commands.values() for parameter in command.params for option in parameter.opts}
    for line in re.findall(r".*\bjari check.*", text):
        assert set(re.findall(r"--[a-z]+", line)) <= options
    for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text):
        assert ((root / name).parent / link).exists(), link


def test_make_evaluate_measures_on_photos_of_ones_own_too(root):
    chore = subprocess.run(["make", "--dry-run", "evaluate", "LABELS=own.csv"], cwd=root, check=True, capture_output=True, text=True)
    assert "jari evaluate own.csv " in chore.stdout


def test_the_readme_shows_results_as_they_are(root, monkeypatch, capsys):
    text = (root / "README.md").read_text()
    shown = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    monkeypatch.chdir(root)
    scope: dict = {}
    exec(example, scope)
    assert capsys.readouterr().out.startswith("review [2")
    real = scope["advice"].to_dict()
    assert shown.keys() == real.keys()
    assert [hand.keys() for hand in shown["hands"]] == [hand.keys() for hand in real["hands"][:1]]
    assert shown["hands"][0]["pose"] == real["hands"][0]["pose"]
    assert error_text(UnsupportedPhoto(), "en")[1] in text


INDONESIAN = (
    *("app/problems.toml", "app/terminal/words.toml", "gestures/locale/id/LC_MESSAGES/gestures.po"),
    *("app/web/static/texts.id.json", "app/batch/report/texts.id.json"),
)


@pytest.mark.parametrize("name", INDONESIAN)
def test_no_indonesian_sentence_begins_with_a_figure(root, name):
    """As the official spelling (EYD) has it; labels may."""
    sentences = re.findall(r'(?:": |id = |msgstr(?:\[\d\])? )"(.*?\.)"', (root / name).read_text(encoding="utf-8"))
    assert len(sentences) > 10
    assert not [one for one in sentences if re.match(r"{count}|\d", one)]


def test_the_page_offers_the_samples(root):
    for copy in (root / "app/web/static/samples").glob("*.jpg"):
        assert copy.read_bytes() == (root / "samples" / copy.name).read_bytes(), f"copy samples/{copy.name} to {copy.parent}"


def test_everything_that_runs_is_in_the_wheel(root, tracked, tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    wanted = {path.relative_to(root).as_posix() for path in tracked if path.relative_to(root).parts[0] in ("gestures", "app")}
    assert wanted <= packed
    assert not {name for name in packed if name.split("/")[0] not in ("gestures", "app") and ".dist-info/" not in name}


def test_no_path_of_one_machine_stands_in_a_file(tracked):
    for path in tracked:
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yaml", ".html", ".js", ".css", ".po", ""} and path.name != "LICENSE":
            found = re.search(r"(?<![\w.])/(work|home|root|Users)/\w+", path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{path}: {found[0]}"
