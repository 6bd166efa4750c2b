import io
import re

from app.terminal.results import TableWriter
from gestures import advise, load_contest
from gestures.findings import Findings


def test_what_two_hands_show_together_is_no_surer_for_another_that_shows_it(make_posed):
    posed = [make_posed("like", x=100, side="right"), make_posed("like", x=150, side="left"), make_posed("peace", x=2000)]
    result = advise(Findings(3000, 2000, None, tuple(posed), "search", 0.0), load_contest("default"), "a.jpg").to_dict()
    out = io.StringIO()
    TableWriter(out, "en", [result["name"]]).write(result)
    assert re.search(r"^\s+2\s+two fingers apart", out.getvalue(), re.MULTILINE)
    assert re.search(r"^\s+2\?\s+two hands together", out.getvalue(), re.MULTILINE)
