"""What the reading head learns from: hands as the finder meets them, and the label of each. Training itself takes minutes, and torch."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import copy

import cv2
import numpy as np
import pytest

from gestures.hands.finder import overlap
from gestures.hands.search import tiles_at
from gestures.reading import collect as collecting
from gestures.reading.collect import PASTED, RENDERED_GROUPS, RENDERS, TrainingHand, collect, collect_all, collect_groups
from gestures.reading.fingers import LETTERS
from gestures.reading.head import PARTS
from gestures.reading.label import VARIANTS, label, parts_of, rendered_parts, shape_of, table_shapes
from gestures.reading.poses import pose_table

SINGLE = [key for key, row in pose_table().items() if row.shape]
HEADER = "path,kind,pose,box"


@pytest.fixture(scope="module")
def photos(tmp_path_factory, samples):
    """A folder as the labelled photos' one: two people who pose, one at rest, and a street in which nobody is."""
    root = tmp_path_factory.mktemp("photos")
    for name, place in {"peace": "hagrid/peace", "four": "hagrid/four", "at_rest": "hagrid/no_gesture"}.items():
        (root / place).mkdir(parents=True)
        copy(samples / f"{name}.jpg", root / place)
    (root / "rest").mkdir()
    street = np.random.default_rng(0).integers(90, 160, (600, 900, 3)).astype(np.uint8)
    cv2.imwrite(str(root / "rest" / "street.jpg"), street)
    return root


@pytest.fixture(scope="module")
def met(photos):
    """The hands of the single people."""
    paths = sorted((photos / "hagrid").rglob("*.jpg"))
    return list(collect(photos, "hagrid", paths, tiles_at(1), 2))


class TestCollect:
    def test_each_hand_is_looked_at_again(self, met):
        assert [hand.photo for hand in met] == ["hagrid/four/four.jpg", "hagrid/no_gesture/at_rest.jpg", "hagrid/peace/peace.jpg"]
        for hand in met:
            assert hand.joints.shape == (4, 206)
            assert hand.embeddings.shape == (4, 1152)
            assert np.isfinite(hand.surroundings).all()
            assert len({look.tobytes() for look in hand.joints}) == 4

    def test_again_gives_the_same(self, photos, met):
        (again,) = collect(photos, "hagrid", [photos / met[0].photo], tiles_at(1), 2)
        np.testing.assert_array_equal(again.joints, met[0].joints)

    def test_a_crop_tells_nothing_of_what_is_around_the_hand(self, photos):
        folder = photos / "hagrid_crops" / "peace"
        folder.mkdir(parents=True, exist_ok=True)
        whole = cv2.imread(str(photos / "hagrid/peace/peace.jpg"))
        cv2.imwrite(str(folder / "crop.jpg"), cv2.resize(whole[120:700, 140:640], None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA))
        (hand,) = collect(photos, "hagrid_crops", [folder / "crop.jpg"], tiles_at(0.6, 1), 1)
        assert np.isnan(hand.surroundings).all()

    def test_hands_of_groups_put_together_know_whose_they_are(self, photos, met):
        grounds = replace(met[0], source="rest", photo="rest/street.jpg")
        hands = list(collect_groups(photos, [*met, grounds], 2))
        assert len(hands) > 4
        assert {hand.source for hand in hands} == {PASTED}
        assert {hand.origin for hand in hands} <= {"hagrid", "rest"}
        assert {hand.picture for hand in hands} == {"pasted 0", "pasted 1"}
        for one, other in pairwise(hands):
            assert one.picture != other.picture or overlap(one.box, other.box) < 0.5

    def test_what_lies_in_the_cache_is_not_collected_again(self, photos, met, tmp_path, monkeypatch):
        for source in ("hagrid", "hagrid_crops", "rest", "rest_events", "groups_events", "scenes", *RENDERS, PASTED):
            collecting._save(tmp_path / f"{source}.npz", [replace(met[0], source=source)])
        monkeypatch.setattr(collecting, "SearchFinder", None)
        hands = collect_all(photos, photos, tmp_path)
        assert len(hands) == 9
        for hand in hands:
            assert (hand.photo, hand.picture, hand.box) == (met[0].photo, met[0].picture, pytest.approx(met[0].box))
            np.testing.assert_array_equal(hand.embeddings, met[0].embeddings)


class TestParts:
    @pytest.mark.parametrize("pose", SINGLE)
    def test_a_pose_of_the_table_has_its_shape(self, pose):
        parts = parts_of(pose)
        row = pose_table()[pose]
        assert len(parts) == len(PARTS)
        assert "".join(letter for letter, state in zip(LETTERS, parts[1:6], strict=True) if state == 1) == row.extended
        if pose != "fist":
            assert parts[0] == 1
            assert table_shapes()[shape_of(parts) - 1] == row.shape

    @pytest.mark.parametrize(("variant", "pose"), VARIANTS.items())
    def test_a_variant_has_the_shape_of_what_it_varies(self, variant, pose):
        np.testing.assert_array_equal(parts_of(variant), parts_of(pose))

    def test_nobody_knows_what_the_fingers_of_a_hand_at_rest_do(self):
        parts = parts_of("no_gesture")
        assert parts[0] == 0
        assert np.isnan(parts[1:6]).all()
        assert shape_of(parts) == 0

    def test_a_shape_that_no_pose_has_is_none(self):
        parts = parts_of("peace")
        parts[1:6] = 0, 0, 1, 0, 1
        assert shape_of(parts) == -1

    def test_whether_a_fist_poses_is_open(self):
        assert np.isnan(parts_of("fist")[0])


TRUTH = {"pose": "four", "extended": [0, 1, 1, 1, 1], "ring": 0, "crossed": 0, "apart": None, "posing": 1}


class TestRenderedParts:
    def seen(self, met, off):
        """The truth of a hand whose landmarks are seen as they are, or the fingers' tips so many palms off."""
        hand = next(hand for hand in met if hand.photo.startswith("hagrid/four"))
        landmarks = 100 * hand.joints[0][:63].reshape(21, 3)[:, :2]
        landmarks[10:] += (0, 100 * off)
        landmarks[9] -= (0, 100 * off)
        return hand, [{**TRUTH, "landmarks": landmarks.tolist()}]

    def test_a_hand_that_is_seen_as_it_is_teaches_its_parts(self, met):
        parts = rendered_parts(*self.seen(met, 0))
        np.testing.assert_array_equal(parts, [1, 0, 1, 1, 1, 1, 0, 0, np.nan])

    def test_a_posing_hand_that_is_seen_wrong_teaches_nothing(self, met):
        assert rendered_parts(*self.seen(met, 1)) is None

    def test_one_at_rest_is_at_rest_however_it_is_seen(self, met):
        hand, (truth,) = self.seen(met, 1)
        parts = rendered_parts(hand, [truth | {"posing": 0, "pose": "rest"}])
        assert parts[0] == 0
        assert np.isnan(parts[1:6]).all()

    def test_a_fist_is_no_ring_and_no_heart_however_it_is_seen(self, met):
        hand, (truth,) = self.seen(met, 1)
        parts = rendered_parts(hand, [truth | {"pose": "fist"}])
        np.testing.assert_array_equal(parts[[6, 7]], [0, 0])
        assert np.isnan(parts[:6]).all()

    def test_in_a_group_the_hand_is_the_one_that_is_drawn_there(self, met):
        hand, (there,) = self.seen(met, 0)
        x, y, width, height = hand.box
        landmarks = np.array(there["landmarks"])
        low, high = landmarks.min(axis=0), landmarks.max(axis=0)
        there = there | {"landmarks": ((landmarks - low) / (high - low) * (width, height) + (x, y)).tolist()}
        beside = there | {"landmarks": [[x + width, y] for x, y in there["landmarks"]], "posing": 0, "pose": "rest"}
        of_group = replace(hand, source=RENDERED_GROUPS)
        assert rendered_parts(of_group, [beside, there])[0] == 1
        assert rendered_parts(of_group, [beside]) is None


def hand_at(x: float, photo: str = "hagrid/peace/a.jpg", source: str = "hagrid") -> TrainingHand:
    return TrainingHand(source, photo, photo, (x, 100.0, 60.0, 60.0), np.zeros(8, np.float32), np.zeros((2, 206)), np.zeros((2, 1152)))


class TestLabel:
    def labelled(self, folder: Path, rows: list[str], hands: list[TrainingHand], fits=None):
        (folder / "labels.csv").write_text("\n".join([HEADER, *rows]), encoding="utf-8")
        for source in RENDERS:
            (folder / source).mkdir()
            (folder / source / "labels.jsonl").touch()
        return label(hands, folder, folder, fits and {key: np.array(fits.get(key, [0.0] * len(hands))) for key in pose_table()})

    def test_the_hand_that_fits_best_is_the_one_meant(self, tmp_path):
        hands = [hand_at(0), hand_at(200), hand_at(400)]
        labels = self.labelled(tmp_path, ["hagrid/peace/a.jpg,posed,peace,"], hands, {"peace": [0.1, 0.9, 0.5]})
        np.testing.assert_array_equal(labels[1], parts_of("peace"))
        np.testing.assert_array_equal(labels[0], parts_of("rest"))
        assert labels[2] is None  # it fits as well: perhaps it poses, too

    def test_without_a_first_head_nobody_knows_which(self, tmp_path):
        assert self.labelled(tmp_path, ["hagrid/peace/a.jpg,posed,peace,"], [hand_at(0)]) == [None]

    def test_a_box_says_where(self, tmp_path):
        hands = [hand_at(0, "groups_events/g.jpg"), hand_at(200, "groups_events/g.jpg")]
        rows = ["groups_events/g.jpg,partial,four,195 95 70 70"]
        labels = self.labelled(tmp_path, rows, hands, {"four": [0.9, 0.2]})
        assert labels[0] is None
        np.testing.assert_array_equal(labels[1], parts_of("four"))

    def test_a_hand_turned_round_is_no_other_pose(self, tmp_path):
        hands = [hand_at(0, "hagrid/peace_inverted/a.jpg")]
        (parts,) = self.labelled(tmp_path, ["hagrid/peace_inverted/a.jpg,posed,peace_inverted,"], hands, {"peace": [0.9]})
        np.testing.assert_array_equal(parts, parts_of("peace"))

    def test_a_count_can_be_shown_in_several_ways(self, tmp_path):
        hands = [hand_at(0, "scenes/s.jpg", "scenes")]
        fits = {"three": [0.2], "three_mrp": [0.7], "peace": [0.9]}
        (parts,) = self.labelled(tmp_path, ["scenes/s.jpg,group,count_3,"], hands, fits)
        np.testing.assert_array_equal(parts, parts_of("three_mrp"))

    def test_hands_of_a_photo_in_which_nobody_poses_are_at_rest(self, tmp_path):
        hands = [hand_at(0, "rest/r.jpg", "rest"), hand_at(0, "rest/r.jpg", PASTED)]
        for parts in self.labelled(tmp_path, ["rest/r.jpg,rest,,"], hands):
            np.testing.assert_array_equal(parts, parts_of("rest"))

    def test_crops_and_pasted_people_show_what_their_folder_says(self, tmp_path):
        hands = [hand_at(0, "hagrid_crops/ok/c.jpg", "hagrid_crops"), hand_at(0, "hagrid/two_up_inverted/p.jpg", PASTED)]
        crop, pasted = self.labelled(tmp_path, [], hands)
        np.testing.assert_array_equal(crop, parts_of("ok"))
        np.testing.assert_array_equal(pasted, parts_of("two_up"))


class TestTrain:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--without", "pece"], "invalid choice: 'pece'"),
            (["--without", "peace", "--without-source", "rest"], "not allowed with"),
            (["--without", "four"], "no photo shows four"),
        ],
    )
    def test_poses_that_cannot_be_left_out_are_told(self, options, said, tmp_path, capsys, monkeypatch):
        pytest.importorskip("torch", reason="needs the extra train")
        from gestures.reading import train as training

        monkeypatch.setattr(training, "collect_all", lambda *_: [])
        monkeypatch.setattr(training, "train", lambda *_: None)
        monkeypatch.setattr(training, "label", lambda *_: [])
        monkeypatch.setattr(training, "_fits", lambda *_: None)
        with pytest.raises(SystemExit):
            training.main([*map(str, (tmp_path, tmp_path)), "--cache", str(tmp_path), *options])
        assert said in capsys.readouterr().err
