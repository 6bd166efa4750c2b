import pytest

from gestures.codes import STRENGTHS
from gestures.contest import lists
from gestures.reading.fingers import LETTERS
from gestures.reading.poses import Reading, pose_key, pose_table

# Every pose that one hand makes and that is known by a count of its extended fingers.
COUNTED = {
    "one",
    "little_finger",
    "middle_finger",
    "peace",
    "two_up",
    "call",
    "three",
    "three_mrp",
    "three2",
    "three3",
    "four",
    "palm",
    "stop",
    "four2",
}


def test_all_poses_of_the_field_are_there():
    assert {
        *("one", "like", "dislike", "point", "mute", "little_finger", "middle_finger", "peace", "two_up", "thumb_index", "call"),
        *("finger_heart", "three_gun", "three", "three_mrp", "ok", "three2", "three3", "ily_metal", "rock", "four", "palm", "stop"),
        *("c_shape", "fist", "hand_heart", "holy", "handshake", "folded_arms", "two_thumbs"),
        *("xsign", "timeout", "grip", "grabbing", "take_picture"),
    } <= set(pose_table())


@pytest.mark.parametrize(
    ("name", "key"),
    [("peace_inverted", "peace"), ("two_up_inverted", "two_up"), ("stop_inverted", "stop"), ("hand_heart2", "hand_heart"), ("ok", "ok")],
)
def test_a_hand_turned_round_is_no_other_pose(name, key):
    assert pose_key(name) == key


def test_no_two_poses_share_a_name():
    names = [name for key, row in pose_table().items() for name in (key, *row.also)]
    assert len(set(names)) == len(names)


def test_rows_hold_together():
    names = set()
    for key, row in pose_table().items():
        assert row.name.id, key
        assert row.name.en, key
        names |= {row.name.id, row.name.en}
        for letters in (row.extended or "", row.either):
            assert set(letters) <= set(LETTERS), key
            assert "".join(sorted(letters, key=LETTERS.index)) == letters, key
        assert not set(row.extended or "") & set(row.either), key
        assert all(1 <= reading.number <= 99 for reading in row.readings), key
        assert len({reading.number for reading in row.readings}) == len(row.readings), f"{key} reads one number twice"
        strengths = [STRENGTHS.index(reading.strength) for reading in row.readings]
        assert strengths == sorted(strengths), f"{key}: the most usual reading comes first"
        assert all(pose_table()[part].hands == 1 for part in row.parts), key
        assert row.hands == 1 or row.extended is None, f"{key} takes two hands, and would be read from one"
        assert not row.parts or row.hands == 2, key
    assert len(names) == 2 * len(pose_table()), "two poses share a name"


def test_no_two_poses_ask_for_the_same_fingers():
    asked = [
        (row.extended, row.either, row.ring, row.crossed, row.apart, row.thumb)
        for row in pose_table().values()
        if row.hands == 1 and row.extended is not None
    ]
    assert len(set(asked)) == len(asked)


def test_the_base_reading_is_the_count_of_extended_fingers():
    for key in COUNTED:
        row = pose_table()[key]
        assert row.readings[0].number == len(row.extended), key


def test_the_exceptions_from_counting():
    table = pose_table()
    assert [table[key].readings[0].number for key in ("ok", "ily_metal", "rock", "finger_heart")] == [3, 3, 3, 2]
    assert Reading(7, "possible") in table["thumb_index"].readings
    assert table["two_thumbs"].readings == (Reading(1, "common"), Reading(2, "possible"))


def test_every_pose_that_an_agency_calls_safe_reads_as_no_number_or_is_disputed():
    for one in lists().values():
        for pose in one.safe:
            disputed = any(pose in other.avoid for other in lists().values())
            assert disputed or not pose_table()[pose].readings, (one.key, pose)


def test_every_official_reading_stands_on_a_list():
    avoided = {pose for one in lists().values() for pose in one.avoid}
    for key, row in pose_table().items():
        if any(reading.strength == "official" for reading in row.readings):
            assert key in avoided, key
