import pickle
import re
import subprocess
import sys
from datetime import date

import pytest

from gestures.contest import Contest, contests, lists, load_contest
from gestures.errors import InvalidContest, UnknownContest, error_text
from gestures.reading.poses import pose_table

NAME = 'name = { id = "Pilkada Kami", en = "Our election" }\n'


# The lists that the project began with; to add another takes its file alone.
FIELD = {
    *("nine-pose-2023", "bkn-2023", "bkn-2023-report", "kominfo-jateng", "pj-gubernur-jateng"),
    *("bawaslu-ntb", "bawaslu-maluku-2024", "bawaslu-sumedang", "kemenpanrb", "tanjab-barat"),
}


def test_the_lists_of_the_field_are_there():
    assert set(lists()) >= FIELD


def test_lists_say_where_they_are_from_and_say_something():
    for key, one in lists().items():
        assert one.key == key
        assert "pers" in one.source.id, key
        assert "press" in one.source.en, key
        assert one.avoid or one.safe, key
        assert len(set(one.avoid + one.safe)) == len(one.avoid + one.safe), key
        assert set(one.avoid + one.safe) <= set(pose_table()), key


@pytest.mark.parametrize(
    ("pose", "avoid", "safe"),
    [
        ("fist", 0, 7),
        ("palm", 7, 1),  # disputed
        ("four", 2, 0),
        ("c_shape", 1, 0),
        ("hand_heart", 0, 2),
        ("folded_arms", 0, 1),
        ("handshake", 0, 1),
        ("holy", 0, 1),
        ("stop", 0, 0),
        ("peace", 8, 0),
        ("ok", 7, 0),
    ],
)
def test_how_many_lists_carry_a_pose(pose, avoid, safe):
    assert sum(pose in lists()[key].avoid for key in FIELD) == avoid
    assert sum(pose in lists()[key].safe for key in FIELD) == safe


def test_the_default_is_neutral():
    default = load_contest("default")
    assert default.numbers == (1, 2, 3, 4, 5)
    assert set(default.lists) == set(lists())
    assert default.poses == ()


def test_contests_that_come_with_it():
    assert list(contests()) == ["default", "pilkada-contoh", "pilpres-2024"]
    assert contests()["pilpres-2024"].numbers == (1, 2, 3)
    for key, contest in contests().items():
        assert contest.key == key
        assert pickle.loads(pickle.dumps(contest)) == contest  # they travel to worker processes


def test_stages_follow_one_another():
    for contest in contests().values():
        days = [day for stage in contest.stages for day in (stage.first, stage.last)]
        assert days == sorted(days), contest.key
    pilpres = contests()["pilpres-2024"]
    assert pilpres.stage_on(date(2024, 2, 14)).name.en == "polling day"
    assert pilpres.stage_on(date(2024, 2, 10)).name.id == "masa kampanye"
    assert pilpres.stage_on(date(2024, 2, 15)) is None


def test_a_contest_of_ones_own(tmp_path):
    file = tmp_path / "kota-kami.toml"
    file.write_text(NAME + 'numbers = [1, 2]\nlists = ["bkn-2023"]\n[[poses]]\npose = "rock"\nnumber = 2\nstrength = "common"\n')
    for given in (file, str(file)):
        contest = load_contest(given)
        assert isinstance(contest, Contest)
        assert (contest.key, contest.numbers, contest.lists) == ("kota-kami", (1, 2), ("bkn-2023",))
        assert contest.poses[0].pose == "rock"


OWN_LIST = '[[own_lists]]\nkey = "dinas-kami"\nname = { id = "a", en = "b" }\nsource = { id = "a", en = "b" }\navoid = ["peace"]\n'


def test_an_agency_brings_its_own_list(tmp_path):
    file = tmp_path / "kota-kami.toml"
    file.write_text(NAME + 'numbers = [1]\nlists = ["bkn-2023"]\n' + OWN_LIST)
    contest = load_contest(file)
    assert contest.lists == ("dinas-kami", "bkn-2023")  # messages name the first few: the one to follow is among them
    own, bkn = contest.pose_lists
    assert bkn == lists()["bkn-2023"]
    assert (own.avoid, own.safe) == (("peace",), ())
    assert "dinas-kami" not in lists()
    assert pickle.loads(pickle.dumps(contest)).pose_lists == (own, bkn)  # they travel to worker processes


def test_a_pose_goes_by_any_of_its_names(tmp_path):
    file = tmp_path / "kota-kami.toml"
    own = '[[poses]]\npose = "peace_inverted"\nnumber = 1\nstrength = "common"\n'
    file.write_text(NAME + "numbers = [1]\nlists = []\n" + OWN_LIST.replace('"peace"', '"stop_inverted"') + own)
    contest = load_contest(file)
    assert (contest.own_lists[0].avoid, contest.poses[0].pose) == (("stop",), "peace")


def test_the_example_of_an_own_list_can_be_used(root, tmp_path):
    example = (root / "gestures/contests/pilkada-contoh.toml").read_text()
    file = tmp_path / "kota-kami.toml"
    file.write_text(re.sub(r"^# (?=\[\[own_lists|\w+ = )", "", example, flags=re.MULTILINE))
    assert load_contest(file).lists[0] == "dinas-kami"


@pytest.mark.parametrize("pose", ["fist", "handshake", "c_shape", "two_thumbs"])
def test_an_own_list_avoids_what_can_be_read_alone(tmp_path, pose):
    file = tmp_path / "kota-kami.toml"
    file.write_text(NAME + "numbers = [1]\nlists = []\n" + OWN_LIST.replace('"peace"', f'"peace", "{pose}"'))
    with pytest.raises(InvalidContest) as raised:
        load_contest(file)
    assert f"names the pose “{pose}”, which cannot be read" in error_text(raised.value, "en")[1]
    file.write_text(NAME + "numbers = [1]\nlists = []\n" + OWN_LIST + f'safe = ["{pose}"]\n')
    assert load_contest(file).own_lists[0].safe == (pose,)


def test_a_file_from_a_windows_editor(tmp_path):
    file = tmp_path / "bom.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (NAME + 'numbers = [1]\nlists = "all"\n').replace("\n", "\r\n").encode())
    assert load_contest(file).numbers == (1,)


def test_a_date_in_quotation_marks(tmp_path):
    file = tmp_path / "kami.toml"
    stage = '[[stages]]\nname = { id = "a", en = "b" }\nfirst = "2024-09-25"\nlast = 2024-11-23\n'
    file.write_text(NAME + 'numbers = [1]\nlists = "all"\n' + stage)
    assert load_contest(file).stages[0].first == date(2024, 9, 25)


@pytest.mark.parametrize("path", ["x" * 5000, "x" * 5000 + ".toml", "a\0b", "a\0.toml", "a.toml/", ""])
def test_a_path_that_no_file_can_have(path):
    with pytest.raises((UnknownContest, InvalidContest)):
        load_contest(path)


def test_what_is_handed_out_is_the_callers_own():
    contests().pop("default")
    lists().clear()
    assert load_contest("default").lists == tuple(lists())


def test_a_file_of_another_ending_and_one_named_as_a_contest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("kota-kami", "default"):
        (tmp_path / name).write_text(NAME + 'numbers = [99]\nlists = "all"\n')
    assert load_contest("kota-kami").numbers == load_contest(tmp_path / "default").numbers == (99,)
    assert load_contest("default") == contests()["default"]  # what a name means does not change with the folder


@pytest.mark.parametrize("pose", ["two_thumbs", "hand_heart"])
def test_a_contest_may_give_a_number_to_what_two_hands_make(tmp_path, pose):
    file = tmp_path / "kami.toml"
    file.write_text(NAME + f'numbers = [1]\nlists = "all"\nposes = [{{ pose = "{pose}", number = 1, strength = "official" }}]\n')
    assert load_contest(file).poses[0].pose == pose


def test_unknown_name():
    with pytest.raises(UnknownContest) as caught:
        load_contest("pilpres-2029")
    assert caught.value.params["name"] == "pilpres-2029"
    assert "pilpres-2024" in error_text(caught.value, "id")[1]


REST = 'lists = "all"\n'
WRONG = {
    "no such file": (None, "cannot be opened"),
    "a list of its own that is there already": (
        NAME + "numbers = [1]\nlists = []\n" + OWN_LIST.replace("dinas-kami", "bkn-2023"),
        "“own_lists” names “bkn-2023” twice",
    ),
    "a list of its own with an unknown pose": (
        NAME + "numbers = [1]\nlists = []\n" + OWN_LIST.replace("peace", "damai"),
        "“avoid” names the",
    ),
    "a list of its own without a name": (
        NAME + "numbers = [1]\nlists = []\n" + OWN_LIST.replace('name = { id = "a", en = "b" }\n', ""),
        "“own_lists, 1, name” is missing",
    ),
    "a list of its own in single brackets": (
        NAME + "numbers = [1]\nlists = []\n" + OWN_LIST.replace("[[own_lists]]", "[own_lists]"),
        "[[own_lists]]",
    ),
    "not TOML": ("numbers = [1,", "not valid TOML"),
    "not UTF-8": (b"name = '\xff'", "UTF-8"),
    "empty": ("", "“name” is missing"),
    "no English": ('name = { id = "a" }\nnumbers = [1]\n' + REST, "“name, en” is missing"),
    "name is text": ('name = "a"\nnumbers = [1]\n' + REST, "“name” must hold several fields"),
    "name is a number": ('name = { id = 1, en = "b" }\nnumbers = [1]\n' + REST, "“name, id” must be text"),
    "typing error": (NAME + "number = [1]\n" + REST, "“number"),
    "extra field": (NAME + 'numbers = [1]\ncolour = "red"\n' + REST, "“colour” is not a known field"),
    "own key": (NAME + 'numbers = [1]\nkey = "x"\n' + REST, "“key” is not a known field"),
    "no numbers": (NAME + "numbers = []\n" + REST, "at least one ballot number"),
    "a number twice": (NAME + "numbers = [1, 2, 1]\n" + REST, "none twice"),
    "zero": (NAME + "numbers = [0, 1]\n" + REST, "“numbers, 1” must be a whole number from 1 to 99, not 0"),
    "negative": (NAME + "numbers = [1, -2]\n" + REST, "“numbers, 2” must be a whole number from 1 to 99, not -2"),
    "three digits": (NAME + "numbers = [1, 100]\n" + REST, "“numbers, 2” must be a whole number from 1 to 99, not 100"),
    "number as text": (NAME + 'numbers = ["1"]\n' + REST, '“numbers, 1” must be a whole number from 1 to 99, not "1"'),
    "true is no number": (NAME + "numbers = [true]\n" + REST, "“numbers, 1” must be a whole number from 1 to 99, not true"),
    "nor is a date": (NAME + "numbers = [2024-11-27]\n" + REST, "“numbers, 1” must be a whole number from 1 to 99, not 2024-11-27"),
    "a long number": (
        NAME + f"numbers = [{'9' * 1000}]\n" + REST,
        f"from 1 to 99, not {'9' * 60}….",
    ),
    "a number too long to read": (NAME + f"numbers = [{'9' * 5000}]\n" + REST, "this is not valid TOML."),
    "numbers as on the ballot": (
        NAME + "numbers = [01, 02]\n" + REST,
        "line 2, column 13: ballot numbers are written without a leading zero",
    ),
    "number of a pose as on the ballot": (NAME + "numbers = [1]\n" + REST + '[[poses]]\npose = "ok"\nnumber = 01', "such as 1, not 01"),
    "no comma": (NAME + "numbers = [1 2]\n" + REST, "line 2, column 14: a list needs commas"),
    "no curly bracket": ('name = { id = "a", en = "b"\nnumbers = [1]\n' + REST, "a curly bracket } at the end"),
    "curly quotes": (
        "name = { id = “a b”, en = “c” }\nnumbers = [1]\n" + REST,
        "line 1, column 15: text is written between straight quotation marks",
    ),
    "no quotes": (NAME + "numbers = [1]\nlists = all\n", "line 3, column 9: text is written between straight quotation marks"),
    "a name twice": (NAME * 2 + "numbers = [1]\n" + REST, "this is written twice"),
    "no equals sign": (NAME + "numbers: [1]\n" + REST, "line 2, column 8: this is not valid TOML"),
    "empty name": ('name = { id = "a", en = " " }\nnumbers = [1]\n' + REST, "“name, en” must be text in quotation marks, and not empty"),
    "one number": (NAME + "numbers = 3\n" + REST, "“numbers” must be a list"),
    "unknown list": (NAME + 'numbers = [1]\nlists = ["bkn"]\n', "“bkn”, which is not known; there are: "),
    "all, as a list": (NAME + 'numbers = [1]\nlists = ["all"]\n', 'for all of them write lists = "all"'),
    "a list twice": (NAME + 'numbers = [1]\nlists = ["bkn-2023", "bkn-2023"]\n', "“lists” names “bkn-2023” twice"),
    "a reading twice": (
        NAME + "numbers = [1]\n" + REST + "poses = [" + '{ pose = "ok", number = 1, strength = "common" },' * 2 + "]",
        "“poses” names “ok = 1” twice",
    ),
    "lists misspelt": (NAME + 'numbers = [1]\nlists = "every"\n', '“lists” must be "all" for all lists, or names of lists'),
    "single brackets": (
        NAME + "numbers = [1]\n" + REST + '[poses]\npose = "ok"\nnumber = 1\nstrength = "common"',
        "write [[poses]], with two",
    ),
    "single brackets twice": (NAME + "numbers = [1]\n" + REST + "[stages]\n[stages]", "line 5, column 8: write [[stages]], with two"),
    "poses without fields": (NAME + "numbers = [1]\n" + REST + 'poses = ["rock"]', "write [[poses]], with two"),
    "unknown pose": (NAME + "numbers = [1]\n" + REST + 'poses = [{ pose = "piss", number = 1, strength = "common" }]', "“piss”"),
    "strength": (
        NAME + "numbers = [1]\n" + REST + 'poses = [{ pose = "ok", number = 1, strength = "sure" }]',
        'must be one of "official", "common", "possible", not "sure"',
    ),
    "a pose that no photo tells": (
        NAME + "numbers = [1]\n" + REST + 'poses = [{ pose = "fist", number = 1, strength = "official" }]',
        "“fist”, which cannot be read",
    ),
    "not on the ballot": (NAME + "numbers = [1]\n" + REST + 'poses = [{ pose = "ok", number = 2, strength = "common" }]', "number 2"),
    "date": (NAME + "numbers = [1]\n" + REST + 'stages = [{ name = { id = "a", en = "b" }, first = "x", last = 2024-01-01 }]', "a date"),
    "a number is no date": (
        NAME + "numbers = [1]\n" + REST + 'stages = [{ name = { id = "a", en = "b" }, first = 0, last = 2024-01-01 }]',
        "“stages, 1, first” must be a date",
    ),
    "day first": (
        NAME + "numbers = [1]\n" + REST + "[[stages]]\nfirst = 25-09-2024",
        "line 5, column 11: dates are written as year-month-day",
    ),
    "no such day": (NAME + "numbers = [1]\n" + REST + "[[stages]]\nfirst = 2024-09-31\n", "line 5, column 9: dates are written as"),
    "dates turned round": (
        NAME + "numbers = [1]\n" + REST + 'stages = [{ name = { id = "a", en = "b" }, first = 2024-02-01, last = 2024-01-01 }]',
        "in “stages, 1” the last day comes before the first",
    ),
}


def test_brackets_without_end_are_told_in_one_line_too(tmp_path):
    """In a process of its own: where Python runs out of stack in a long one, what comes next may do so too."""
    file = tmp_path / "kami.toml"
    file.write_text("numbers = " + "[" * 5000)
    ran = subprocess.run([sys.executable, "-m", "app.cli", "check", "--contest", file, "-"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[1:] == ["kami.toml: penulisan TOML belum benar."]


@pytest.mark.parametrize(("written", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_told_in_one_line(written, says, tmp_path):
    file = tmp_path / "kami.toml"
    if written is not None:
        file.write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(InvalidContest) as caught:
        load_contest(file)
    for lang in ("id", "en"):
        title, detail = error_text(caught.value, lang)
        assert title
        assert "kami.toml" in detail
        assert "\n" not in detail
        assert not re.search(r"{\w", detail)  # no placeholder left open
        assert not re.search(r"\bor\b|\bat line\b", error_text(caught.value, "id")[1])
    assert says in detail
    assert error_text(caught.value, "id")[1] != detail
    assert pickle.loads(pickle.dumps(caught.value)).params == caught.value.params
