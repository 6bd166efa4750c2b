"""Hearts of two hands: real ones, and ones laid together from one hand and its mirror image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gestures import Checker, Hand, Level, open_photo
from gestures.hands.search import SearchFinder, tiles_at
from gestures.reading.fingers import State
from gestures.reading.reader import read_hands
from gestures.reading.two_hands import hearts


@pytest.fixture(scope="module")
def hands(samples: Path) -> dict[str, Hand]:
    with SearchFinder(settings=tiles_at(0.667, 1)) as finder:
        return {name: finder.find(open_photo((samples / f"{name}.jpg").read_bytes()))[0] for name in ("thumb_index", "ok")}


def across(hand: Hand, away: float = 0) -> Hand:
    """The hand in a mirror that stands on the tips of thumb and index finger, and so many pixels further away."""
    thumb, index = hand.landmarks[4, :2], hand.landmarks[8, :2]
    along = (index - thumb) / np.linalg.norm(index - thumb)
    points = hand.landmarks[:, :2] - thumb
    moved = hand.landmarks.copy()
    moved[:, :2] = thumb + 2 * np.outer(points @ along, along) - points
    outwards = moved[0, :2] - hand.landmarks[0, :2]
    moved[:, :2] += away * outwards / np.linalg.norm(outwards)
    return replace(hand, landmarks=moved, side="left" if hand.side == "right" else "right")


def test_tips_that_touch_make_a_heart(hands):
    one = hands["thumb_index"]
    assert hearts([one, across(one)]) == {0: one.presence, 1: one.presence}
    posed = read_hands([one, across(one)])
    assert [(hand.state, hand.pose) for hand in posed] == [(State.POSING, "hand_heart")] * 2


def test_two_hands_apart_make_none(hands):
    one = hands["thumb_index"]
    assert hearts([one, across(one, away=one.size)]) == {}
    assert [hand.pose for hand in read_hands([one, across(one, away=one.size)])] == ["thumb_index", "thumb_index"]


def test_rings_that_touch_make_none(hands):
    assert hearts([hands["ok"], across(hands["ok"])]) == {}


def test_what_is_hardly_a_hand_makes_none(hands):
    one = hands["thumb_index"]
    assert hearts([one, replace(across(one), presence=0.6)]) == {}


def made(thumbs=20, indexes=20, opening=60, wrists=290, other=100, presence=0.95):
    """Two hands, their palms 100 and `other` pixels long, and so many pixels between tips, in the opening, and between wrists."""
    hands = []
    for sign, palm, sure in ((-1, 100, 0.99), (1, other, presence)):
        landmarks = np.zeros((21, 3), np.float32)
        landmarks[0, :2] = sign * wrists / 2, 100
        landmarks[[5, 9, 17], :2] = landmarks[0, :2] + np.array([0.6, -0.8]) * palm * (-sign, 1)
        landmarks[4, :2], landmarks[8, :2] = (sign * thumbs / 2, 50), (sign * indexes / 2, 50 - opening)
        hands.append(Hand(landmarks, landmarks, "left" if sign > 0 else "right", sure))
    return hands


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"thumbs": 34}, {"thumbs": 36}),
        ({"indexes": 29}, {"indexes": 31}),
        ({"opening": 46}, {"opening": 44}),
        ({"wrists": 151}, {"wrists": 149}),  # folded hands
        ({"other": 149}, {"other": 151}),
        ({"presence": 0.91}, {"presence": 0.89}),
    ],
)
def test_how_far_each_limit_goes(within, beyond):
    """Literal on purpose: what is called a heart is called safe, whatever its hands would be read as."""
    assert set(hearts(made(**within))) == {0, 1}
    assert hearts(made(**beyond)) == {}


@pytest.mark.parametrize(("palm", "made_by"), [(20.5, {0, 1}), (19.5, set())])
def test_hands_too_small_to_say_where_they_touch_make_none(palm, made_by):
    small = [replace(hand, landmarks=hand.landmarks * palm / 100) for hand in made()]
    assert set(hearts(small)) == made_by


def test_a_hand_that_is_closed_makes_none():
    one, other = made(opening=46)
    other.landmarks[8, 1] = 20
    assert hearts([one, other]) == {}


def test_it_is_as_sure_as_the_less_sure_hand():
    assert hearts(made(presence=0.95)) == {0: 0.95, 1: 0.95}


def test_palms_seen_from_their_ends_are_measured_by_their_width():
    hands = made()
    for hand in hands:
        hand.landmarks[[5, 9, 17], :2] = hand.landmarks[0, :2] + np.array([[-50, -10], [0, -10], [50, -10]])
    assert set(hearts(hands)) == {0, 1}


@pytest.mark.parametrize("name", ["hand_heart", "hand_heart2"])
def test_photos_of_hearts_are_clear(shared: Path, name: str):
    with Checker() as checker:
        advice = checker.check((shared / "photos" / "hagrid_v2_reference" / f"{name}.png").read_bytes())
    assert [hand.posed.pose for hand in advice.hands] == ["hand_heart", "hand_heart"]
    assert advice.level is Level.CLEAR
    assert "telunjuk" in advice.hands[0].why.id
    assert {stance.stance for hand in advice.hands for stance in hand.lists} == {"safe"}
