import json
import re
import string
from dataclasses import replace
from datetime import datetime

import numpy as np
import polib
import pytest

from gestures import errors
from gestures.advice import Level, advise
from gestures.contest import ContestPose, contests, lists
from gestures.errors import error_text
from gestures.findings import Findings
from gestures.hands.finder import Hand
from gestures.reading.fingers import State
from gestures.reading.poses import Reading, pose_table
from gestures.words import LANGUAGES, Name, both, joined, long_date, text


def advice_on(posed, contest="default", taken_at=None):
    rules = contests()[contest] if isinstance(contest, str) else contest
    return advise(Findings(640, 480, taken_at, tuple(posed), "search", 412.4), rules, "rapat.jpg")


def keys(advice):
    return [message.key for message in advice.messages]


@pytest.fixture
def catalogues(root):
    folder = root / "gestures" / "locale"
    return {lang: polib.pofile(str(folder / lang / "LC_MESSAGES" / "gestures.po")) for lang in LANGUAGES}


def forms(entry):
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def placeholders(template):
    return {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}


class TestLevel:
    @pytest.mark.parametrize(
        ("hands", "contest", "level"),
        [
            ([], "default", Level.CLEAR),
            ([("peace", State.POSING)], "default", Level.REVIEW),
            ([("peace", State.REST)], "default", Level.CLEAR),
            ([("peace", State.UNCLEAR)], "default", Level.UNCLEAR),
            ([(None, State.UNCLEAR)], "default", Level.UNCLEAR),
            ([(None, State.UNCLEAR), ("ok", State.POSING)], "default", Level.REVIEW),
            ([("hand_heart", State.POSING), (None, State.UNCLEAR)], "default", Level.UNCLEAR),
            ([("hand_heart", State.POSING)], "default", Level.CLEAR),
            ([("stop", State.POSING)], "default", Level.REVIEW),  # on no list, but 5 is on the ballot
            ([("stop", State.POSING)], "pilkada-contoh", Level.CLEAR),  # neither
            ([("c_shape", State.POSING)], "default", Level.REVIEW),  # reads as no number, but stands on a list
            ([("palm", State.POSING)], "pilpres-2024", Level.REVIEW),
            ([("ok", State.POSING)], "pilkada-contoh", Level.REVIEW),  # 3 is not on the ballot, the list still applies
            ([("three", State.POSING)], "pilkada-contoh", Level.REVIEW),
            ([("three_mrp", State.POSING)], "pilkada-contoh", Level.CLEAR),
        ],
    )
    def test_level(self, make_posed, hands, contest, level):
        posed = [make_posed(pose, state=state, x=100 + 900 * place) for place, (pose, state) in enumerate(hands)]
        assert advice_on(posed, contest).level is level

    def test_hands_together(self, make_posed):
        # Five and three: eight, the only number on this ballot.
        contest = replace(contests()["pilkada-contoh"], numbers=(8,), lists=(), poses=())
        posed = [make_posed("stop", x=100, side="right"), make_posed("three_mrp", x=200, side="left")]
        advice = advice_on(posed, contest)
        assert [code.hands for code in advice.codes if code.on_ballot] == [(0, 1)]
        assert advice.level is Level.REVIEW
        assert [hand.flagged for hand in advice.hands] == [True, True]
        assert keys(advice)[:2] == ["two-hands-together", "hands-to-review"]

    def test_hands_together_beside_another_that_shows_the_number(self, make_posed):
        contest = replace(contests()["pilkada-contoh"], numbers=(2,), lists=(), poses=())
        posed = [make_posed("like", x=100, side="right"), make_posed("like", x=150, side="left"), make_posed("peace", x=2000)]
        advice = advice_on(posed, contest)
        assert [hand.flagged for hand in advice.hands] == [True, True, True]
        assert [hand.together for hand in advice.hands] == [(Reading(2, "possible"),)] * 2 + [()]  # the V beside them makes it no surer
        assert [hand["together"] for hand in advice.to_dict()["hands"]] == [[{"number": 2, "strength": "possible"}]] * 2 + [[]]
        assert keys(advice)[:3] == ["pose-read-as-number", "two-hands-together", "hands-to-review"]

    def test_a_hand_at_rest_shows_nothing(self, make_posed):
        (hand,) = advice_on([make_posed("peace", state=State.REST)]).hands
        assert (hand.readings, hand.lists, hand.flagged, hand.needs_look) == ((), (), False, False)

    def test_two_hands_of_which_one_is_unclear(self, make_posed):
        contest = replace(contests()["pilkada-contoh"], numbers=(2,), lists=(), poses=())
        thumbs = [make_posed("like", x=100, side="right"), make_posed("like", state=State.UNCLEAR, x=150, side="left")]
        advice = advice_on(thumbs, contest)
        assert (advice.level, [code.number for code in advice.codes if code.on_ballot]) == (Level.UNCLEAR, [])
        assert [hand.together for hand in advice.hands] == [(), ()]
        assert [(hand.flagged, hand.needs_look) for hand in advice.hands] == [(False, True)] * 2
        assert keys(advice) == ["hand-unclear", "unclear-together", "initial-advice"]
        assert "with another hand, be read as the ballot number 2." in advice.messages[1].text.en
        # Beside a V that is unclear too it is said once that they may be read as a 2.
        assert keys(advice_on([*thumbs, make_posed("peace", state=State.UNCLEAR, x=2000)], contest)) == [
            "hand-unclear",
            "unclear-read-as",
            "initial-advice",
        ]
        # A V beside them is surely a 2; that they show it together is no surer for that.
        beside = advice_on([*thumbs, make_posed("peace", x=2000)], contest)
        assert [hand.flagged for hand in beside.hands] == [False, False, True]
        assert beside.codes[0].hands == (2,)
        assert "two-hands-together" not in keys(beside)

    def test_what_two_hands_surely_show_is_not_said_of_an_unclear_one_beside_them(self, make_posed):
        contest = replace(contests()["pilkada-contoh"], numbers=(2,), lists=(), poses=())
        thumbs = [make_posed("like", x=100, side="right"), make_posed("like", x=150, side="left")]
        said = keys(advice_on([*thumbs, make_posed(None, state=State.UNCLEAR, x=2000)], contest))
        assert "hand-unclear" in said
        assert not {"unclear-read-as", "unclear-together"} & set(said)
        # Nor is it said to be read from a single hand, where another may show it alone.
        beside = advice_on([*thumbs, make_posed("peace", state=State.UNCLEAR, x=2000)], contest)
        assert keys(beside)[:2] == ["two-hands-together", "hands-to-review"]

    def test_an_unclear_hand_that_would_need_no_review_needs_no_look(self, make_posed):
        contest = replace(contests()["pilkada-contoh"], numbers=(1, 2), lists=(), poses=())
        advice = advice_on([make_posed("palm", state=State.UNCLEAR)], contest)
        assert (advice.level, advice.hands[0].needs_look) == (Level.CLEAR, False)
        assert keys(advice) == ["nothing-found"]

    def test_what_an_unclear_hand_seems_to_show_makes_no_review(self, make_posed):
        advice = advice_on([make_posed("peace", state=State.UNCLEAR)])
        (hand,) = advice.hands
        assert hand.readings == (Reading(2, "official"),)
        assert {stance.stance for stance in hand.lists} == {"avoid"}
        assert (hand.flagged, hand.needs_look) == (False, True)
        assert (advice.level, advice.codes) == (Level.UNCLEAR, ())


class TestMessages:
    def test_one_hand(self, make_posed):
        advice = advice_on([make_posed("peace")])
        assert keys(advice) == [
            "pose-read-as-number",
            "pose-on-list",
            "consider-another",
            "often-without-intent",
            "safe-poses",
            "initial-advice",
        ]
        assert "nomor urut 2." in advice.messages[0].text.id
        assert "ballot number 2." in advice.messages[0].text.en
        assert f"Ada {sum('peace' in one.avoid for one in lists().values())} daftar" in advice.messages[1].text.id
        assert pose_table()["peace"].name.id in advice.messages[1].text.id

    def test_several_numbers(self, make_posed):
        advice = advice_on([make_posed(pose, x=900 * place) for place, pose in enumerate(["ok", "one", "two_up"])])
        assert "nomor urut 1, 2, atau 3." in advice.messages[0].text.id
        assert advice.messages[0].text.en == "Hand poses in this photo may be read as the ballot number 1, 2 or 3."
        review = next(message for message in advice.messages if message.key == "hands-to-review")
        assert review.text.id.startswith("Ada 3 tangan yang ditandai")
        assert "nobody" in review.text.en

    def test_a_possible_number_is_called_possible(self, make_posed):
        assert keys(advice_on([make_posed("little_finger")]))[0] == "pose-possibly-read"
        assert keys(advice_on([make_posed("rock")]))[:2] == ["pose-read-as-number", "pose-possibly-read"]

    def test_several_numbers_of_one_hand_are_told_as_one_pose(self, make_posed):
        said = advice_on([make_posed("three_gun")]).messages[0].text
        assert "nomor urut 2 atau 3, walaupun tafsiran itu kurang lazim." in said.id
        assert said.en.endswith("a pose in this photo might be read as the ballot number 2 or 3.")

    def test_every_review_says_what_to_do(self, make_posed):
        for pose in ("peace", "dislike", "c_shape"):  # a number, a merely possible one, none but a list
            assert "consider-another" in keys(advice_on([make_posed(pose)]))

    def test_a_middle_finger_has_a_note(self, make_posed):
        (note,) = [message.text.id for message in advice_on([make_posed("middle_finger")]).messages if message.key == "pose-note"]
        assert "tidak sopan" in note
        twice = [make_posed("middle_finger"), make_posed("middle_finger", x=2000)]
        assert keys(advice_on(twice)).count("pose-note") == 1
        assert "pose-note" not in keys(advice_on([make_posed("middle_finger", state=State.UNCLEAR), make_posed("peace", x=2000)]))

    def test_two_hands(self, make_posed):
        advice = advice_on([make_posed("peace", x=100, side="right"), make_posed("peace", x=200, side="left")])
        message = next(message for message in advice.messages if message.key == "two-hands-together")
        assert "nomor urut 4" in message.text.id
        assert "tampaknya milik orang yang sama" in message.text.id
        assert "mungkin ditafsirkan" in message.text.id
        people = [make_posed("peace", x=x, side=side) for x, side in ((100, "right"), (140, "left"), (900, "right"), (940, "left"))]
        (message,) = [message for message in advice_on(people).messages if message.key == "two-hands-together"]
        assert "the ballot number 4" in message.text.en  # once, though two people show it

    def test_two_hands_are_told_as_sure_as_the_contest_is_of_them(self, make_posed):
        own = ContestPose(pose="two_thumbs", number=2, strength="official")
        contest = replace(contests()["pilkada-contoh"], numbers=(2,), lists=(), poses=(own,))
        thumbs = [make_posed("like", x=100, side="right"), make_posed("like", x=150, side="left")]
        message = advice_on(thumbs, contest).messages[0]
        assert message.key == "two-hands-read-as-number"
        assert "bila digabungkan dapat ditafsirkan" in message.text.id
        assert "may together be read as the ballot number 2." in message.text.en

    def test_numbers_that_are_not_on_the_ballot_are_not_named(self, make_posed):
        assert "pose-read-as-number" not in keys(advice_on([make_posed("ok")], "pilkada-contoh"))
        assert "nomor urut 1." in advice_on([make_posed("palm")], "pilpres-2024").messages[0].text.id

    def test_agencies_disagree_on_five(self, make_posed):
        advice = advice_on([make_posed("palm")])
        assert "lists-disagree" in keys(advice)
        # Of the example's three lists, none calls five safe.
        assert "lists-disagree" not in keys(advice_on([make_posed("palm")], "pilkada-contoh"))
        # In a group too, where other poses are more frequent.
        group = [make_posed(pose, x=2000 * place) for place, pose in enumerate(["one", "one", "peace", "peace", "three", "three", "palm"])]
        assert keys(advice_on(group)).count("lists-disagree") == 1
        assert keys(advice_on(group)).count("pose-on-list") == 3

    def test_lists_that_but_call_a_pose_safe(self, make_posed):
        contest = replace(contests()["default"], numbers=(5,), lists=("pj-gubernur-jateng",))
        advice = advice_on([make_posed("palm")], contest)
        assert keys(advice)[:3] == ["pose-read-as-number", "lists-safe", "consider-another"]
        assert f"menganggap pose “{pose_table()['palm'].name.id}” aman, tetapi" in advice.messages[1].text.id
        assert "One agency list calls the pose" in advice.messages[1].text.en
        assert "lists-safe" not in keys(advice_on([make_posed("palm")]))
        # Where its number is not on the ballot there is nothing to review.
        assert keys(advice_on([make_posed("palm")], replace(contest, numbers=(1, 2)))) == ["nothing-found"]

    def test_a_list_of_the_contests_own_is_named(self, make_posed):
        own = replace(lists()["bkn-2023"], key="dinas-kami", name=Name("Dinas Kami", "Our agency"), avoid=("stop",), safe=())
        contest = replace(contests()["pilkada-contoh"], lists=("dinas-kami",), own_lists=(own,))
        advice = advice_on([make_posed("stop")], contest)
        assert advice.level is Level.REVIEW
        assert advice.to_dict()["hands"][0]["lists"] == [
            {"list": "dinas-kami", "name": {"id": "Dinas Kami", "en": "Our agency"}, "stance": "avoid"}
        ]
        assert any("Our agency" in message.text.en for message in advice.messages if message.key == "pose-on-list")

    def test_many_poses_name_only_the_most_frequent(self, make_posed):
        shown = ["call", "ok", "ok", "one", "one", "peace", "peace", "like"]
        advice = advice_on([make_posed(pose, x=900 * place) for place, pose in enumerate(shown)])
        named = [message.text.en for message in advice.messages if message.key == "pose-on-list"]
        assert len(named) == 3
        assert not any("call me" in sentence for sentence in named)

    def test_why_a_hand_is_unclear(self, make_posed):
        unclear = make_posed(None, state=State.UNCLEAR)
        unread = replace(unclear, fingers=replace(unclear.fingers, extended=(0.97, 0.97, 0.97, 0.03, 0.97)))
        said = [hand.why.en for hand in advice_on([unclear, unread]).hands]
        assert said == ["this hand cannot be read clearly", "this hand seems to pose, but like none of the poses that are known here"]

    def test_what_an_unclear_hand_may_show(self, make_posed):
        advice = advice_on([make_posed("peace", state=State.UNCLEAR)])
        assert keys(advice) == ["hand-unclear", "unclear-read-as", "initial-advice"]
        assert advice.messages[1].text.en == "Should what is unclear be a pose, it might be read as the ballot number 2."
        (hand,) = advice.hands
        assert hand.why.id == "tampak berpose, tetapi belum pasti: telunjuk dan jari tengah terbuka dan renggang, jari lain terlipat"

    def test_what_unclear_hands_may_show_beside_others(self, make_posed):
        shown = [("one", State.POSING), ("ok", State.UNCLEAR), ("peace", State.UNCLEAR), (None, State.UNCLEAR)]
        advice = advice_on([make_posed(pose, state=state, x=900 * place) for place, (pose, state) in enumerate(shown)])
        said = {message.key: message.text.en for message in advice.messages}
        assert said["pose-read-as-number"].endswith("ballot number 1.")
        assert said["unclear-read-as"].endswith("ballot number 2 or 3.")
        assert said["hand-unclear"].startswith("3 hands")

    def test_a_number_that_is_not_on_the_ballot_is_not_said_of_unclear_hands(self, make_posed):
        listed = replace(contests()["pilkada-contoh"], numbers=(1, 2), lists=("bkn-2023",))
        assert keys(advice_on([make_posed("four", state=State.UNCLEAR)], listed)) == ["hand-unclear", "initial-advice"]

    def test_hands_are_counted_by_what_is_to_be_done(self, make_posed):
        shown = [("peace", State.POSING), ("one", State.POSING), (None, State.UNCLEAR), (None, State.UNCLEAR), (None, State.REST)]
        advice = advice_on([make_posed(pose, state=state, x=900 * place) for place, (pose, state) in enumerate(shown)])
        said = {message.key: message.text.en for message in advice.messages}
        assert said["hands-to-review"].startswith("2 hands are marked")
        assert said["hand-unclear"] == "2 hands are unclear. Please look at them in the photo yourself."

    def test_lists_are_counted_and_the_first_few_named(self, make_posed):
        said = {message.key: message.text.en for message in advice_on([make_posed("palm")]).messages}
        first = [lists()[key].name.en for key in contests()["default"].lists if "palm" in lists()[key].avoid][:3]
        assert said["pose-on-list"].startswith("7 agency lists advise against")
        assert said["pose-on-list"].endswith(f": {', '.join(first)} and 4 more.")
        assert "(lists that advise against it: 7; lists that call it safe: 1)" in said["lists-disagree"]

    @pytest.mark.parametrize("other", ["hand_heart", "stop"])
    def test_poses_that_are_safe_or_on_no_list_take_no_place_of_those_that_are_named(self, make_posed, other):
        shown = [other, other, "ok", "one", "peace"]
        advice = advice_on([make_posed(pose, x=900 * place) for place, pose in enumerate(shown)])
        assert keys(advice).count("pose-on-list") == 3

    def test_only_numbers_that_are_named_make_the_plural(self, make_posed):
        advice = advice_on([make_posed("peace"), make_posed("ok", x=2000)], "pilkada-contoh")
        assert advice.messages[0].text.en == "A hand pose in this photo may be read as the ballot number 2."

    def test_unclear(self, make_posed):
        advice = advice_on([make_posed(None, state=State.UNCLEAR)])
        assert keys(advice) == ["hand-unclear", "initial-advice"]

    def test_nothing_found_is_no_guarantee(self):
        advice = advice_on([])
        assert keys(advice) == ["nothing-found"]
        assert "bukan jaminan" in advice.messages[0].text.id
        assert "no guarantee" in advice.messages[0].text.en

    def test_a_safe_pose_gets_no_lecture(self, make_posed):
        assert keys(advice_on([make_posed("hand_heart")])) == ["nothing-found"]

    def test_date(self, make_posed):
        taken_at = datetime(2023, 11, 30, 9, 12)
        advice = advice_on([], taken_at=taken_at)
        assert keys(advice) == ["nothing-found", "photo-date"]
        assert "30 November 2023" in advice.messages[1].text.id
        advice = advice_on([make_posed("ok")], "pilpres-2024", taken_at)
        stage = next(message for message in advice.messages if message.key == "photo-date-stage")
        assert "masa kampanye" in stage.text.id

    def test_every_thing_that_may_be_said_can_be_said(self):
        for key in ("hand-unclear", "hands-to-review"):
            assert both(key, count=2).id
        for key in ("often-without-intent", "nothing-found", "initial-advice", "safe-poses", "for-guidance"):
            assert both(key).id != both(key).en


class TestWhy:
    @pytest.mark.parametrize(
        ("pose", "indonesian", "english"),
        [
            ("peace", "telunjuk dan jari tengah terbuka dan renggang, jari lain terlipat", "index finger and middle finger open and apart"),
            ("one", "telunjuk terbuka, jari lain terlipat", "index finger open, the other fingers folded"),
            (
                "three",
                "telunjuk, jari tengah, dan jari manis terbuka, jari lain terlipat",
                "index finger, middle finger and ring finger open",
            ),
            ("four", "telunjuk, jari tengah, jari manis, dan kelingking terbuka, jempol terlipat", "thumb folded"),
            ("palm", "kelima jari terbuka dan renggang", "all five fingers open and apart"),
            ("like", "jempol terbuka ke atas, jari lain terlipat", "thumb open and pointing up"),
            ("ok", "ujung jempol dan telunjuk membentuk lingkaran, jari lain terbuka", "ring"),
            ("zero", "jempol dan jari-jari lain membentuk lingkaran", "thumb and fingers in a circle"),
            ("finger_heart", "ujung jempol dan telunjuk bersilangan, jari lain terlipat", "crossed"),
            ("hand_heart", "ujung kedua jempol dan ujung kedua telunjuk saling bersentuhan", "both thumbs"),
            ("holy", "salam dua tangan (mengatupkan tangan)", "palms joined"),
        ],
    )
    def test_posing(self, make_posed, pose, indonesian, english):
        (hand,) = advice_on([make_posed(pose)]).hands
        assert hand.why.id == indonesian
        assert english in hand.why.en

    def test_every_pose_has_words(self, make_posed):
        for pose in pose_table():
            (hand,) = advice_on([make_posed(pose)]).hands
            assert hand.why.id
            assert hand.why.en
            assert "  " not in hand.why.id + hand.why.en

    def test_not_posing(self, make_posed):
        (unclear, rest) = advice_on([make_posed(None, state=State.UNCLEAR), make_posed(None)]).hands
        assert "tidak terbaca" in unclear.why.id
        assert "mengepal" in rest.why.id


class TestJson:
    def test_fields(self, make_posed):
        result = advice_on(
            [make_posed("peace", confidence=0.97123), make_posed(None, x=400.26)], taken_at=datetime(2023, 11, 8, 9, 12)
        ).to_dict()
        assert json.loads(json.dumps(result, allow_nan=False)) == result
        assert list(result) == [
            *("schema", "name", "width", "height", "taken_at", "level", "codes", "hands", "messages", "contest"),
            *("ballot", "finder", "elapsed_ms"),
        ]
        assert (result["schema"], result["name"], result["width"], result["height"]) == (1, "rapat.jpg", 640, 480)
        assert (result["taken_at"], result["level"], result["elapsed_ms"]) == ("2023-11-08T09:12:00", "review", 412)
        assert (result["contest"], result["ballot"], result["finder"]) == ("default", [1, 2, 3, 4, 5], "search")
        assert result["codes"] == [{"number": 2, "strength": "official", "confidence": 0.971, "hands": [0], "on_ballot": True}]
        posing, rest = result["hands"]
        assert posing["box"] == [70, 70, 60, 60]
        assert posing["side"] == "right"
        assert posing["confidence"] == 0.977
        assert posing["state"] == "posing"
        assert len(posing["landmarks"]) == 21
        assert all(len(point) == 3 and all(type(value) is float for value in point) for point in posing["landmarks"])
        assert rest["landmarks"][0] == [400.3, 130.0, 0.0]
        assert posing["fingers"] == {"thumb": 0.04, "index": 0.99, "middle": 0.98, "ring": 0.03, "little": 0.02}
        assert (posing["pose"], posing["pose_confidence"]) == ("peace", 0.971)
        assert posing["pose_name"] == {"id": "dua jari terbuka (V)", "en": "two fingers apart (V)"}
        assert posing["readings"] == [{"number": 2, "strength": "official"}]
        assert {
            "list": "bkn-2023",
            "name": {"id": lists()["bkn-2023"].name.id, "en": lists()["bkn-2023"].name.en},
            "stance": "avoid",
        } in posing["lists"]
        assert posing["flagged"] is True
        assert (rest["pose"], rest["pose_name"], rest["readings"], rest["lists"], rest["flagged"]) == (None, None, [], [], False)
        assert set(result["messages"][0]) == {"key", "text"}
        assert set(result["messages"][0]["text"]) == {"id", "en"}

    def test_a_hand_is_flagged_by_what_it_may_mean_here_not_by_having_a_reading(self, make_posed):
        def flagged(pose, contest):
            return advice_on([make_posed(pose)], contest).to_dict()["hands"][0]["flagged"]

        assert flagged("c_shape", "default")  # reads as no number, but stands on a list
        assert not flagged("stop", "pilkada-contoh")  # reads as five, which is not on the ballot

    def test_hands_of_one_person_share_a_number(self, make_posed):
        places = [("peace", 0, "right"), (None, 50, "left"), ("one", 400, "right"), ("one", 450, "left"), ("peace", 9000, "left")]
        hands = advice_on([make_posed(pose, x=x, side=side) for pose, x, side in places]).to_dict()["hands"]
        assert [hand["person"] for hand in hands] == [0, 0, 1, 1, None]
        assert [hand["side"] for hand in hands] == [side for _, _, side in places]

    def test_a_hand_at_rest_tells_what_it_comes_nearest_to(self, make_posed):
        rest = replace(make_posed(None, confidence=0.79), best_pose="peace", score=0.21)
        (hand,) = advice_on([rest]).to_dict()["hands"]
        assert (hand["pose"], hand["best_pose"], hand["pose_confidence"], hand["score"]) == (None, "peace", 0.79, 0.21)

    @pytest.mark.parametrize(
        ("x", "y", "box"),
        [
            (10, 10, [0, 0, 40, 40]),
            (630, 470, [600, 440, 40, 40]),
            (-500, -500, [0, 0, 1, 1]),
            (5000, 5000, [639, 479, 1, 1]),
            (100.4, 100.6, [70, 70, 61, 61]),  # all pixels that it touches
        ],
    )
    def test_boxes_lie_in_the_photo(self, make_posed, x, y, box):
        assert advice_on([make_posed("one", x=x, y=y)]).to_dict()["hands"][0]["box"] == box

    def test_box_of_a_point(self, make_posed, make_hand):
        still = Hand(np.full((21, 3), 7, np.float32), make_hand().world, "left", 0.5)
        posed = make_posed("one")
        advice = advice_on([replace(posed, hand=still)])
        assert advice.to_dict()["hands"][0]["box"] == [7, 7, 1, 1]

    def test_without_a_date(self):
        assert advice_on([]).to_dict()["taken_at"] is None


class TestErrors:
    SAMPLES = (
        errors.GesturesError(),
        errors.PhotoError(),
        errors.EmptyPhoto(),
        errors.UnsupportedPhoto(),
        errors.DamagedPhoto(),
        errors.PhotoTooLarge(what="bytes", size=30_000_000, limit=25 * 2**20),
        errors.PhotoTooLarge(what="pixels", size=60_000_000, limit=50_000_000),
        errors.PhotoTooLarge(what="side", size=30_000, limit=20_000),
        errors.PhotoTooSmall(width=3, height=4, limit=32),
        errors.ContestError(),
        errors.UnknownContest(name="x", known="default"),
        errors.InvalidContest(file="x.toml", problem=both("problem.not-utf8")),
        errors.ModelError(path="x.task", problem="-"),
        errors.FinderError(problem="-"),
    )

    @pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
    def test_every_error_has_words(self, error):
        shown = {lang: error_text(error, lang) for lang in LANGUAGES}
        assert shown["id"] != shown["en"]
        for title, detail in shown.values():
            assert title
            assert detail
            assert not title.endswith(".")
            assert detail.endswith(".")
            assert "{" not in title + detail
        assert str(error) == ": ".join(shown["en"])

    def test_none_is_forgotten(self):
        def all_of(kind):
            return {kind}.union(*(all_of(sub) for sub in kind.__subclasses__()))

        ours = {kind for kind in all_of(errors.GesturesError) if kind.__module__ == "gestures.errors"}
        assert ours == {type(error) for error in self.SAMPLES}

    def test_limits_in_words(self):
        assert "25 MB" in error_text(self.SAMPLES[5], "id")[1]
        assert "50 megapiksel" in error_text(self.SAMPLES[6], "id")[1]
        assert "20.000 piksel" in error_text(self.SAMPLES[7], "id")[1]
        small = errors.PhotoTooLarge(what="bytes", size=9, limit=2**19)
        assert "0,5 MB" in error_text(small, "id")[1]
        assert "0.5 MB" in error_text(small, "en")[1]


class TestCatalogues:
    def test_compiled_from_what_stands_there(self, root, catalogues):
        for lang, catalogue in catalogues.items():
            compiled = root / "gestures" / "locale" / lang / "LC_MESSAGES" / "gestures.mo"
            assert compiled.read_bytes() == catalogue.to_binary(), "run `make locale`"

    def test_same_keys_and_placeholders_in_both(self, catalogues):
        first, second = ({entry.msgid: entry for entry in catalogue} for catalogue in catalogues.values())
        assert first.keys() == second.keys()
        for key in first:
            assert first[key].msgid_plural == second[key].msgid_plural, key
            sets = [placeholders(form) for form in forms(first[key]) + forms(second[key])]
            everything = set().union(*sets)
            # A singular may leave out its count.
            assert all(found | {"count"} == everything | {"count"} for found in sets), key

    def test_all_translated(self, catalogues):
        for lang, catalogue in catalogues.items():
            assert not [entry.msgid for entry in catalogue if entry.fuzzy or not all(forms(entry))], lang
            assert not catalogue.obsolete_entries()

    def test_every_text_is_used(self, catalogues, root):
        source = "".join(file.read_text(encoding="utf-8") for file in (root / "gestures").rglob("*.py"))
        source += "".join(file.read_text(encoding="utf-8") for file in (root / "app").rglob("*.py"))
        built = [re.sub(r"\\{[^}]*\\}", r"[\\w.-]+", re.escape(one)) for one in re.findall(r'f"([\w-]+[.-]\{[^"]+)"', source)]
        for entry in catalogues["id"]:
            assert f'"{entry.msgid}"' in source or any(re.fullmatch(one, entry.msgid) for one in built), entry.msgid

    @pytest.mark.parametrize("lang", LANGUAGES)
    def test_advice_never_accuses_nor_excuses(self, catalogues, lang, accusing):
        shown = [form for entry in catalogues[lang] for form in forms(entry)]
        shown += [getattr(name, lang) for one in lists().values() for name in (one.name, one.source)]
        shown += [getattr(contest.name, lang) for contest in contests().values()]
        shown += [getattr(row.name, lang) for row in pose_table().values()]
        assert not [sentence for sentence in shown if accusing[lang].search(sentence)]

    def test_that_test_can_fail(self, accusing):
        assert accusing["id"].search("Dugaan pelanggaran")
        assert accusing["en"].search("A suspected violation")

    def test_text(self):
        assert text("hands-to-review", "en", count=1).startswith("1 hand is")
        assert text("hands-to-review", "en", count=2).startswith("2 hands are")
        with pytest.raises(KeyError):
            text("no-such-key", "en")
        with pytest.raises(ValueError, match="fr"):
            text("nothing-found", "fr")

    def test_joined(self):
        assert joined([]).id == ""
        assert joined(["1"]).id == "1"
        assert joined(["1", "2"]).id == "1 dan 2"
        assert joined(["1", "2", "3"]).id == "1, 2, dan 3"
        assert joined(["1", "2", "3"]).en == "1, 2 and 3"
        assert joined(["1", "2"], "or") == Name("1 atau 2", "1 or 2")
        assert joined(["1", "2", "3"], "or") == Name("1, 2, atau 3", "1, 2 or 3")

    def test_long_date(self):
        assert long_date(datetime(2024, 8, 5)).id == "5 Agustus 2024"
        assert long_date(datetime(2024, 8, 5)).en == "5 August 2024"
