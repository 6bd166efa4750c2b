"""Which hands are probably of the same person. Palms of the hands here are 30 pixels long."""

from dataclasses import replace

import numpy as np
import pytest

from gestures.people import pairs


@pytest.fixture
def side_by_side(make_hand):
    def make(apart, sides=("right", "left"), size=60):
        return [make_hand(x=300, side=sides[0]), make_hand(x=300 + apart, side=sides[1], size=size)]

    return make


def tilted(hand, right):
    """The same hand with its wrist moved to the right, and so its forearm slanted."""
    landmarks = hand.landmarks.copy()
    landmarks[0, 0] += right
    return replace(hand, landmarks=landmarks)


@pytest.mark.parametrize("sides", [("right", "left"), ("left", "right")])  # a photo, and a mirrored selfie
def test_the_only_two_hands_are_of_one_person(side_by_side, sides):
    hands = side_by_side(120, sides)
    assert pairs(hands) == ((0, 1),)
    assert pairs(hands[::-1]) == ((1, 0),)


@pytest.mark.parametrize(
    ("apart", "sides", "size"),
    [
        (200, ("right", "left"), 60),  # too far apart
        (5, ("right", "left"), 60),  # one hand found twice
        (60, ("left", "left"), 60),
        (60, ("right", "left"), 120),  # one much nearer to the camera
    ],
)
def test_not_every_two_hands(side_by_side, apart, sides, size):
    assert pairs(side_by_side(apart, sides, size)) == ()


def test_small_ones_far_behind_do_not_count(side_by_side, make_hand):
    assert pairs([*side_by_side(120), make_hand(x=900, size=25)]) == ((0, 1),)
    assert pairs([*side_by_side(120), make_hand(x=900, size=40)]) == ()


def test_a_hand_that_is_hardly_one_has_no_other(side_by_side):
    left, right = side_by_side(60)
    assert pairs([left, replace(right, presence=0.6)]) == ()


def test_crossed_elbows_are_two_people(side_by_side):
    left, right = side_by_side(60)
    assert pairs([tilted(left, 10), tilted(right, -5)]) == ((0, 1),)
    assert pairs([tilted(left, 30), tilted(right, -30)]) == ()


def test_slanted_forearms_cross_further_down(side_by_side):
    left, right = side_by_side(60)
    assert pairs([tilted(left, 20), tilted(right, -20)]) == ()  # the wrists are still side by side
    assert pairs([tilted(left, 9), tilted(right, -9)]) == ()  # at the end of a forearm
    assert pairs([tilted(left, 8), tilted(right, -8)]) == ((0, 1),)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"apart": 11}, {"apart": 10}),
        ({"apart": 149}, {"apart": 151}),
        ({"apart": 60, "size": 93}, {"apart": 60, "size": 99}),
        ({"apart": 185, "size": 93}, {"apart": 187, "size": 93}),
        ({"apart": 60, "presence": 0.66}, {"apart": 60, "presence": 0.64}),
        ({"apart": 59, "third": {"x": 9000}}, {"apart": 61, "third": {"x": 9000}}),  # others are there
        ({"apart": 120, "third": {"x": 9000, "size": 28}}, {"apart": 120, "third": {"x": 9000, "size": 32}}),
        ({"apart": 120, "size": 90, "third": {"x": 9000, "size": 28}}, {"apart": 120, "size": 90, "third": {"x": 9000, "size": 36}}),
        ({"apart": 50, "third": {"x": 416}}, {"apart": 50, "third": {"x": 414}}),
    ],
)
def test_how_far_each_limit_goes(side_by_side, make_hand, within, beyond):
    """Literal on purpose: they were measured on photos, and none may move unnoticed."""

    def found(apart, size=60, presence=0.9, third=None):
        left, right = side_by_side(apart, size=size)
        return pairs([left, replace(right, presence=presence), *([make_hand(**third)] if third else [])])

    assert found(**within) == ((0, 1),)
    assert found(**beyond) == ()


def test_a_palm_that_points_at_the_camera_is_as_long_as_another(side_by_side):
    left, right = side_by_side(60)
    landmarks = right.landmarks.copy()
    landmarks[0] += np.array([0, -15, 26], np.float32)  # half as long in the picture
    assert pairs([left, replace(right, landmarks=landmarks)]) == ((0, 1),)


def test_one_hand_and_none(make_hand):
    assert pairs([]) == pairs([make_hand()]) == ()


def test_in_a_group_only_hands_close_together(make_hand):
    def row(apart):
        return [make_hand(x=400 * person + apart * k, side=side) for person in range(3) for k, side in enumerate(("right", "left"))]

    assert pairs(row(50)) == ((0, 1), (2, 3), (4, 5))
    assert pairs(row(100)) == ()  # as near as a neighbour's hand may be


@pytest.mark.parametrize(
    ("third", "expected"),
    [
        ({"x": 9000}, ((0, 1),)),
        ({"x": 410}, ()),  # about as near
        ({"x": 410, "size": 120}, ((0, 1),)),  # somebody's in front
    ],
)
def test_a_third_hand_about_as_near_makes_it_unsure(side_by_side, make_hand, third, expected):
    assert pairs([*side_by_side(50), make_hand(**third)]) == expected


def test_crossed_hands_of_a_group_stay_alone(side_by_side, make_hand):
    assert pairs([*side_by_side(50, ("left", "right")), make_hand(x=9000)]) == ()


def test_no_hand_has_two_others(make_hand):
    rng = np.random.default_rng(0)
    for _ in range(200):
        hands = [make_hand(*rng.uniform(0, 400, 2), side=str(rng.choice(["left", "right"]))) for _ in range(12)]
        used = [hand for pair in pairs(hands) for hand in pair]
        assert len(used) == len(set(used))
