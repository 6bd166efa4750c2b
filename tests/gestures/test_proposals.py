"""Where hands are proposed, in which order tiles are looked at, and how the network's file is written."""

from dataclasses import replace
from pathlib import Path
from shutil import copy
from unittest.mock import patch

import cv2
import numpy as np
import pytest

from gestures import open_photo
from gestures.hands.litert import ModelWriter
from gestures.hands.networks import PALM_INPUT, SMALL_PALM_INPUT, Network, PalmDetector, Palms
from gestures.hands.proposals import (
    CLOSELY,
    GLANCE,
    MULTIPLE,
    PIECE,
    PIECE_OVERLAP,
    TILE_SIDES,
    Plan,
    ProposalNetwork,
    Proposals,
    _pieces,
    agreed,
)
from gestures.hands.pyramid import Pyramid, Region
from gestures.hands.search import EXHAUSTIVE, SMALL_TILES, SearchFinder, tile_count
from gestures.photo import Photo


def proposals(*rows: tuple[float, float, float, float]) -> Proposals:
    """x, y, size, chance of each."""
    columns = np.array(rows, np.float32).reshape(-1, 4)
    return Proposals(columns[:, :2], columns[:, 2], columns[:, 3])


def palms(*rows: tuple[float, float, float]) -> Palms:
    """x, y, width of each."""
    boxes = np.array([[x - width / 2, y - width / 2, x + width / 2, y + width / 2] for x, y, width in rows], np.float32).reshape(-1, 4)
    return Palms(boxes, np.zeros((len(boxes), 7, 2), np.float32), np.ones(len(boxes), np.float32))


class TestPlan:
    def test_nothing_proposed_is_nothing_to_look_at(self) -> None:
        assert Plan(proposals()).next(0.03) is None

    def test_a_hand_found_is_not_looked_for_again(self) -> None:
        plan = Plan(proposals((100, 100, 40, 0.9)))
        tile = plan.next(0.03)
        assert tile is not None
        assert abs(tile.x - 100) + abs(tile.y - 100) < 40
        assert 0.2 < 40 / tile.side < 1.2
        plan.saw(tile, SMALL_PALM_INPUT, palms((102, 110, 20)))
        assert plan.next(0.03) is None

    def test_a_likely_hand_not_found_is_looked_for_in_other_tiles_and_given_up_at_last(self) -> None:
        plan = Plan(proposals((100, 100, 40, 0.9)))
        places = []
        while tile := plan.next(0.03):
            places.append((tile.x, tile.y, tile.side))
            plan.saw(tile, SMALL_PALM_INPUT, palms((300, 300, 20), (100, 100, 200)))  # elsewhere, and far too large
        assert 1 < len(places) < 12
        assert len(set(places)) == len(places)

    def test_an_unlikely_hand_is_worth_no_tile_but_several_are(self) -> None:
        assert Plan(proposals((100, 100, 40, 0.02))).next(0.03) is None
        assert Plan(proposals(*((100 + 10 * i, 100, 40, 0.02) for i in range(5)))).next(0.03) is not None

    def test_hands_near_each_other_share_a_tile(self) -> None:
        plan = Plan(proposals((100, 100, 40, 0.8), (160, 100, 40, 0.8)))
        tile = plan.next(0.03)
        assert tile is not None
        plan.saw(tile, SMALL_PALM_INPUT, palms((100, 100, 20), (160, 100, 20)))
        assert plan.next(0.03) is None

    def test_a_hand_of_which_the_detector_is_not_sure_is_looked_for_again(self) -> None:
        plan = Plan(proposals((100, 100, 40, 0.9)))
        tile = plan.next(0.03)
        assert tile is not None
        plan.saw(tile, SMALL_PALM_INPUT, replace(palms((102, 110, 20)), scores=np.array([0.4], np.float32)))
        assert plan.next(0.03) is not None

    def test_many_pairs_of_tile_and_hand_are_weighed_in_parts_as_all_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As in a photo of a large group."""
        some = proposals(*((90 * place, 100, 30 + 5 * place, 0.5) for place in range(7)))

        def looked_at() -> list[Region | None]:
            plan = Plan(some)
            return [plan.next(0.03) for _ in range(9)]

        at_once = looked_at()
        monkeypatch.setattr("gestures.hands.proposals.PAIRS", 2 * 7 * len(TILE_SIDES))
        assert looked_at() == at_once


class TestAgreed:
    def test_a_hand_is_as_likely_as_both_looks_say(self) -> None:
        both = agreed(proposals((100, 100, 40, 0.8), (300, 100, 40, 0.7)), proposals((110, 95, 60, 0.2), (300, 100, 90, 0.9)), 0.01)
        assert both.chances.tolist() == pytest.approx([0.5, 0.098, 0.175], abs=0.001)  # another size is another hand
        assert both.centres.tolist() == [[100, 100], [300, 100], [300, 100]]

    def test_what_one_look_hardly_proposes_and_the_other_not_at_all_is_left_out(self) -> None:
        assert len(agreed(proposals((100, 100, 40, 0.015)), proposals(), 0.01)) == 0
        assert len(agreed(proposals(), proposals((100, 100, 40, 0.015)), 0.01)) == 0
        assert len(agreed(proposals(), proposals(), 0.01)) == 0

    def test_a_certain_hand_stays_one(self) -> None:
        assert agreed(proposals((100, 100, 40, 1)), proposals((100, 100, 40, 1)), 0.01).chances.tolist() == pytest.approx(
            [0.9999], abs=1e-4
        )


class TestNetwork:
    def test_proposes_a_hand_where_it_is(self, samples: Path) -> None:
        photo = open_photo((samples / "peace.jpg").read_bytes())
        with SearchFinder(settings=EXHAUSTIVE) as finder:
            hand = finder.find(photo)[0]
        found = ProposalNetwork().propose(Pyramid(photo.pixels), 1.5, 0.2)
        x, y, width, height = hand.box
        near = np.linalg.norm(found.centres - [x + width / 2, y + height / 2], axis=1) < hand.size / 2
        assert (near & (np.abs(np.log2(found.sizes / hand.size)) < 1.1)).any()

    def test_saves_most_of_the_tiles_and_no_sure_hand(self, samples: Path) -> None:
        photo = open_photo((samples / "group.jpg").read_bytes())
        with SearchFinder() as search, SearchFinder(settings=EXHAUSTIVE) as exhaustive:
            all_hands = exhaustive.find(photo)
            with patch.object(PalmDetector, "detect", autospec=True, side_effect=PalmDetector.detect) as detect:
                hands = search.find(photo)
        sure = [hand.landmarks for hand in all_hands if hand.presence > 0.9 and hand.size > 50]
        assert len(sure) >= 15
        for landmarks in sure:
            assert min(np.abs(landmarks - hand.landmarks).mean() for hand in hands) < 15
        looked = [call.args[0].side for call in detect.call_args_list]
        large = looked.count(PALM_INPUT)
        assert large + (len(looked) - large) / SMALL_TILES < tile_count(photo.width, photo.height, EXHAUSTIVE) / 2

    @pytest.mark.parametrize(
        ("size", "glance", "closely"),
        [
            ((200, 300), 1, 1),
            ((480, 640), 1.25, 1),
            ((1200, 1600), 3.125, 1.33),
            ((3000, 4000), 4, 2.5),
            ((4000, 6000), 4, 3.1),
            ((5774, 8660), 4, 4),
            ((3000, 16_000), 4, 4),
        ],
    )
    def test_looks_at_large_photos_reduced_and_more_closely_than_at_a_glance(
        self, size: tuple[int, int], glance: float, closely: float
    ) -> None:
        assert (GLANCE.shrink(*size), CLOSELY.shrink(*size)) == (pytest.approx(glance, abs=0.01), pytest.approx(closely, abs=0.01))

    @pytest.mark.parametrize(("longest", "times"), [(512, 1), (1600, 2)])
    def test_plans_again_only_after_a_closer_look(self, near_and_far: Photo, longest: int, times: int) -> None:
        """The search for a close-up goes over into one for small hands; no tile is looked at twice."""
        scale = longest / near_and_far.width
        photo = Photo(cv2.resize(near_and_far.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8))
        with (
            SearchFinder() as finder,
            patch("gestures.hands.search.Plan", side_effect=Plan) as planned,
            patch.object(PalmDetector, "detect", autospec=True, side_effect=PalmDetector.detect) as detect,
        ):
            finder.find(photo)
        assert planned.call_count == times
        shown = [call.args[1].tobytes() for call in detect.call_args_list]
        assert len(set(shown)) == len(shown)

    def test_sees_small_hands_in_a_wide_photo_when_it_looks_closely(self, samples: Path) -> None:
        """Our group, its hands some 30 to 70 pixels large, at the end of a wall four times as wide: at a glance, 15 of 19 are found."""
        small = cv2.resize(open_photo((samples / "group.jpg").read_bytes()).pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        wide = np.full((small.shape[0], small.shape[1] * 4, 3), small.mean(axis=(0, 1)), np.uint8)
        wide[:, : small.shape[1]] = small
        with SearchFinder() as finder:
            alone, beside = (finder.find(Photo(pixels)) for pixels in (small.astype(np.uint8), wide))
        assert len(alone) >= 18
        assert len(beside) >= len(alone) - 2

    @pytest.mark.parametrize("length", [64, 640, 704, 1472, 5056])
    def test_pieces_of_a_large_picture_tell_of_all_of_it(self, length: int) -> None:
        told = 0
        for start, stop, kept in _pieces(length):
            assert stop - start <= PIECE
            assert start % MULTIPLE == stop % MULTIPLE == kept.start % MULTIPLE == 0
            assert kept.start == told
            assert kept.start - start >= (PIECE_OVERLAP // 2 if start else 0)
            assert stop - kept.stop >= (PIECE_OVERLAP // 2 if stop < length else 0)
            told = kept.stop
        assert told == length

    def test_the_same_is_proposed_whether_in_one_piece_or_in_many(self, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        photo = open_photo((samples / "group.jpg").read_bytes())
        network, pyramid = ProposalNetwork(), Pyramid(photo.pixels)
        monkeypatch.setattr("gestures.hands.proposals.PIECE", 10_000)
        whole = network.propose(pyramid, 1.5, 0.3)
        monkeypatch.setattr("gestures.hands.proposals.PIECE", 320)
        pieces = network.propose(pyramid, 1.5, 0.1)
        assert len(whole) >= 10
        for centre in whole.centres:
            assert np.linalg.norm(pieces.centres - centre, axis=1).min() < 40

    @pytest.mark.parametrize("size", [(1, 1), (1, 900), (700, 3), (65, 64)])
    def test_takes_photos_of_any_shape(self, size: tuple[int, int]) -> None:
        found = ProposalNetwork().propose(Pyramid(np.full((*size, 3), 90, np.uint8)), 1, 0.001)
        assert found.centres.shape == (len(found), 2)


def test_a_model_is_written_as_it_is_meant() -> None:
    """Twice the sum of the channels, a stride of two with the padding to the right and below, and four channels as four pixels."""
    writer = ModelWriter(4, 4, 3)
    doubled = writer.convolution(writer.picture, np.full((1, 1, 1, 3), 2, np.float32), np.ones(1, np.float32))
    summed = writer.depthwise(doubled, np.ones((1, 3, 3, 1), np.float32), np.zeros(1, np.float32), stride=2, relu=True)
    four = writer.convolution(summed, np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1), np.zeros(4, np.float32))
    out = writer.convolution(
        writer.add(writer.widen(four), doubled), np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32), name="out"
    )
    network = Network(writer.write([out]))
    network.run(np.full((4, 4, 3), 255, np.uint8))
    sevens = np.array([[9, 6], [6, 4]]) * 7  # the padding is zero: 3×3, 3×2 and 2×2 pixels of 7
    expected = np.kron(sevens, np.array([[0, 1], [2, 3]])) + 7
    np.testing.assert_allclose(network.output("out")[..., 0], expected)
    network.take(8, 4)
    network.run(np.zeros((8, 4, 3), np.uint8))
    assert network.output("out").shape == (8, 4, 1)


def test_what_an_interrupted_search_found_is_not_taken_for_all(samples: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from gestures.hands.train_proposals import collect

    for name in ("peace", "fist"):
        (tmp_path / "hagrid" / name).mkdir(parents=True)
        copy(samples / f"{name}.jpg", tmp_path / "hagrid" / name)
    cache = tmp_path / "cache"
    with patch.object(SearchFinder, "find", side_effect=[[], KeyboardInterrupt]), pytest.raises(KeyboardInterrupt):
        collect(tmp_path, cache)
    with patch.object(SearchFinder, "find", return_value=[]):
        assert len(collect(tmp_path, cache)) == 2
