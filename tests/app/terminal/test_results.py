import io
import re

from app.terminal.results import TableWriter, photo_cells
from gestures import advise, load_contest
from gestures.findings import Findings
from gestures.reading.fingers import State


def result(posed, contest="default"):
    return advise(Findings(3000, 2000, None, tuple(posed), "search", 0.0), load_contest(contest), "a.jpg").to_dict()


def table(result):
    out = io.StringIO()
    TableWriter(out, "en", [result["name"]]).write(result)
    return out.getvalue()


def test_what_two_hands_show_together_is_no_surer_for_another_that_shows_it(make_posed):
    posed = [make_posed("like", x=100, side="right"), make_posed("like", x=150, side="left"), make_posed("peace", x=2000)]
    written = table(result(posed))
    assert re.search(r"^\s+2\s+two fingers apart", written, re.MULTILINE)
    assert re.search(r"^\s+2\?\s+two hands together", written, re.MULTILINE)


def test_the_number_of_an_unclear_hand_has_a_question_mark(make_posed):
    assert " 2? " in table(result([make_posed("peace", state=State.UNCLEAR)]))


def test_codes_are_numbers_on_the_ballot(make_posed):
    found = result([make_posed("palm"), make_posed("one", x=2000)], "pilpres-2024")
    assert [code["number"] for code in found["codes"] if not code["on_ballot"]] == [5]
    assert photo_cells(found)["codes"] == "1"
