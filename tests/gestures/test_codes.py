import numpy as np
import pytest

from gestures.codes import Code, codes, joint_codes, readings_of
from gestures.contest import Contest, ContestPose, contests
from gestures.people import pairs
from gestures.reading.fingers import State
from gestures.reading.poses import Reading
from gestures.words import Name


def codes_of(posed, contest):
    return codes(posed, tuple(joint_codes(posed, pairs([one.hand for one in posed]), contest)), contest)


def ballot(*numbers, poses=()):
    return Contest("test", Name("uji", "test"), numbers, (), poses)


@pytest.mark.parametrize(
    ("pose", "contest", "numbers"),
    [
        ("peace", "default", [2]),
        ("thumb_index", "default", [2]),  # 7 is possible only where a pair has that number
        ("rock", "default", [3, 2]),
        ("four", "default", [4]),
        ("fist", "default", []),
        ("c_shape", "default", []),
        ("palm", "pilpres-2024", [1, 5]),  # the pair's own sign first; 5 is official, though not on the ballot
        ("stop", "pilpres-2024", [1]),
        ("four", "pilpres-2024", [1, 3, 4]),
        ("ok", "pilpres-2024", [3]),
        ("rock", "pilkada-contoh", [2, 3]),
        ("three", "pilkada-contoh", [3]),
    ],
)
def test_readings_of_a_pose(pose, contest, numbers):
    assert [reading.number for reading in readings_of(pose, contests()[contest])] == numbers


def test_seven_where_a_pair_has_it():
    assert readings_of("thumb_index", ballot(1, 2, 7)) == (Reading(2, "official"), Reading(7, "possible"))


def test_a_number_on_the_ballot_comes_before_a_better_established_one_that_is_not():
    assert readings_of("rock", ballot(1, 2)) == (Reading(2, "possible"), Reading(3, "common"))


def test_what_the_contest_says_replaces_the_table():
    contest = ballot(1, 2, 3, poses=(ContestPose("rock", 2, "official"),))
    assert readings_of("rock", contest) == (Reading(2, "official"), Reading(3, "common"))


def test_a_code_is_as_strong_as_its_best_hand(make_posed):
    posed = [make_posed("three2", confidence=0.95, x=0), make_posed("ok", confidence=0.7, x=900), make_posed("ok", confidence=0.8, x=1800)]
    assert codes_of(posed, contests()["default"]) == (Code(3, "official", 0.8, (0, 1, 2), True),)


def test_codes_come_on_the_ballot_first_then_by_strength_then_by_confidence(make_posed):
    contest = ballot(1, 2, 3)
    posed = [
        make_posed(pose, confidence=confidence, x=900 * place)
        for place, (pose, confidence) in enumerate([("four", 0.99), ("two_up", 0.9), ("one", 0.7), ("ok", 0.8)])
    ]
    assert [(code.number, code.on_ballot) for code in codes_of(posed, contest)] == [(3, True), (1, True), (2, True), (4, False)]
    alike = [make_posed("peace"), make_posed("one", x=900)]
    assert [code.number for code in codes_of(alike, contest)] == [1, 2]  # whichever hand is the larger


@pytest.mark.parametrize("state", [State.REST, State.UNCLEAR])
def test_only_posing_hands_have_codes(make_posed, state):
    assert codes_of([make_posed("peace", state=state)], contests()["default"]) == ()


def test_nothing_at_all():
    assert codes_of([], contests()["default"]) == ()


def both_hands(make_posed, left, right):
    """Two hands of one person, as they stand in the photo."""
    return [make_posed(left, x=100, side="right"), make_posed(right, x=150, side="left")]


@pytest.mark.parametrize(
    ("left", "right", "numbers", "together"),
    [
        ("peace", "peace", (1, 2, 3, 4), {4}),  # the two-handed two that was argued to be a four
        ("palm", "three", (3, 5, 8), {8}),
        ("palm", "three", (3, 5), set()),
        ("one", "peace", (1, 2, 12, 21), {12}),
        ("peace", "one", (1, 2, 12, 21), {21}),
        ("one", "peace", (1, 2, 3), {3}),
        ("one", "one", (1, 2, 11), {2, 11}),
        ("one", "zero", (1, 2, 10), {10}),
        ("zero", "one", (1, 2, 10), set()),
        ("one", "c_shape", (1, 2), set()),
        ("c_shape", "one", (1, 2), set()),
    ],
)
def test_two_hands_together(make_posed, left, right, numbers, together):
    found = codes_of(both_hands(make_posed, left, right), ballot(*numbers))
    sums = {code.number: code for code in found if len(code.hands) == 2 and code.strength == "possible"}
    assert set(sums) == together
    for code in sums.values():
        assert code.confidence == pytest.approx(0.81)  # both poses must be right
        assert code.on_ballot


def test_two_thumbs(make_posed):
    found = codes_of(both_hands(make_posed, "like", "like"), contests()["default"])
    assert found == (Code(1, "official", 0.9, (0, 1), True), Code(2, "possible", pytest.approx(0.81), (0, 1), True))


def test_two_thumbs_as_the_contest_says(make_posed):
    contest = ballot(1, 2, poses=(ContestPose("two_thumbs", 2, "official"),))
    found = codes_of(both_hands(make_posed, "like", "like"), contest)
    assert (2, "official") in {(code.number, code.strength) for code in found}


def test_digits_and_sums_as_the_contest_says(make_posed):
    contest = ballot(7, 25, poses=(ContestPose("rock", 2, "official"),))  # metal horns are its 2, not the table's 3
    found = codes_of(both_hands(make_posed, "rock", "palm"), contest)
    assert {code.number for code in found if code.on_ballot} == {7, 25}


@pytest.mark.parametrize(
    ("left", "right", "signs", "numbers", "together"),
    [
        ("palm", "palm", {"palm": 1}, (1, 2, 3), set()),  # as in 2024: who waves with both hands shows no 2
        ("palm", "palm", {"palm": 3}, (3, 6, 10), {10}),
        ("palm", "three", {"palm": 1}, (1, 4, 8), {8}),
        ("hand_heart", "hand_heart", {"hand_heart": 2}, (2, 4), set()),
    ],
)
def test_a_pairs_own_sign_counts_nothing(make_posed, left, right, signs, numbers, together):
    contest = ballot(*numbers, poses=tuple(ContestPose(pose, number, "common") for pose, number in signs.items()))
    found = codes_of(both_hands(make_posed, left, right), contest)
    assert {code.number for code in found if code.on_ballot} - set(signs.values()) == together


def test_two_hands_count_beside_another_that_shows_the_number(make_posed):
    posed = [*both_hands(make_posed, "like", "like"), make_posed("peace", x=2000)]
    assert codes_of(posed, ballot(2)) == (Code(2, "official", 0.9, (0, 1, 2), True), Code(1, "official", 0.9, (0, 1), False))


@pytest.mark.parametrize("shown", [("like", "zero"), ("zero", "like")])
def test_two_hands_do_not_repeat_what_one_of_them_shows(make_posed, shown):
    posed = both_hands(make_posed, *shown)  # 1 and 0 side by side, but also 1 + 0
    assert codes_of(posed, ballot(1, 10))[0] == Code(1, "official", 0.9, (shown.index("like"),), True)


def test_a_hand_at_rest_adds_nothing(make_posed):
    posed = [make_posed("peace", x=100, side="right"), make_posed(None, x=150, side="left")]
    assert [code.number for code in codes_of(posed, contests()["default"])] == [2]


def test_a_crowd_of_fingers_makes_few_sums(make_posed):
    # Forty people with one hand up each, three hand lengths apart or more: nobody's hand is taken for the neighbour's.
    rng = np.random.default_rng(0)
    posed = [
        make_posed(
            str(rng.choice(["one", "peace"])),
            x=100 + 400 * (place % 10),
            y=100 + 500 * (place // 10),
            side=str(rng.choice(["left", "right"])),
        )
        for place in range(40)
    ]
    assert {code.number for code in codes_of(posed, contests()["default"])} == {1, 2}
