"""Both finders on the same pictures, the tiles of the search, and what must never pass for "no hands"."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import ExifTags, Image

from gestures import FinderError, Limits, ModelError, Photo, error_text, open_photo
from gestures.hands.bundle import load_bundle
from gestures.hands.finder import Hand
from gestures.hands.landmarker import LandmarkerFinder
from gestures.hands.networks import PalmDetector, Palms
from gestures.hands.pyramid import Pyramid, Region
from gestures.hands.search import EXHAUSTIVE, SearchFinder, SearchSettings, drop_duplicates, grid, suppress, tile_count, tiles_at
from gestures.photo import Pixels

SAMPLES = Path(__file__).parents[2] / "samples"
ONE_TILE = replace(tiles_at(1), palm_threshold=0.5)


@pytest.fixture(scope="module")
def thorough():
    """Searches close-ups for small hands as well."""
    with SearchFinder(settings=SearchSettings(close_ups=False)) as finder:
        yield finder


def sample(name: str) -> Photo:
    return open_photo((SAMPLES / name).read_bytes(), Limits())


def test_one_tile_agrees_with_mediapipe(shared: Path) -> None:
    """The driver's first look is MediaPipe's own where both look at the whole photo in one go: mean distance of a hand's landmarks."""
    files = sorted((shared / "photos" / "hagrid").glob("*/*.jpg"))[::6] + sorted((shared / "rendered").glob("*.jpg"))
    files += sorted((shared / "rendered" / "small").glob("*.jpg"))[::3]
    photos = [open_photo(path.read_bytes()) for path in files]
    errors, same_side = [], []
    with SearchFinder(settings=ONE_TILE) as search, LandmarkerFinder() as reference, ThreadPoolExecutor(1) as other:
        for found, theirs in zip(other.map(search.find, photos), map(reference.find, photos), strict=True):
            ours = [hand.looks[0] for hand in found]
            for hand in theirs:
                distances = [np.linalg.norm(hand.landmarks[:, :2] - one.landmarks[:, :2], axis=1).mean() / hand.size for one in ours]
                if distances and min(distances) < 0.5:
                    errors.append(min(distances))
                    same_side.append((ours[int(np.argmin(distances))].rightness >= 0.5) == (hand.side == "right"))
    assert len(errors) > 80
    median, high = np.percentile(errors, [50, 95])
    assert median < 0.02
    assert high < 0.05
    assert np.mean(same_side) > 0.95


def test_finds_every_hand_of_a_group_that_mediapipe_misses(search: SearchFinder) -> None:
    photo = sample("group.jpg")
    with LandmarkerFinder() as reference:
        assert len(search.find(photo)) >= 15 > len(reference.find(photo))


def test_hand_lies_where_it_is(search: SearchFinder) -> None:
    """The rendered V sign: its landmarks lie on it, its own side is told, and it is found once."""
    photo = sample("peace.jpg")
    (hand,) = [hand for hand in search.find(photo) if hand.size > 200]
    assert hand.landmarks.shape == hand.world.shape == (21, 3)
    assert 0.1 < np.linalg.norm(hand.world[0] - hand.world[12]) < 0.3  # metres from wrist to middle fingertip
    assert [look.embedding.shape for look in hand.looks] == [(1152,)] * 3
    assert 0.9 < hand.palm_score < 1  # 1 is that of a finder that does not tell
    # The mirrored look sees the same hand.
    assert np.abs(hand.looks[1].landmarks - hand.looks[2].landmarks)[:, :2].mean() < 0.05 * hand.size
    mirrored = Photo(np.ascontiguousarray(photo.pixels[:, ::-1]))
    (other,) = [hand for hand in search.find(mirrored) if hand.size > 200]
    assert (hand.side, other.side) == ("right", "left")
    assert np.abs(hand.landmarks[8, 0] - (photo.width - 1 - other.landmarks[8, 0])) < 0.05 * hand.size


@pytest.mark.parametrize("name", ["peace.jpg", "like.jpg", "two_thumbs.jpg", "fist.jpg", "sideways.jpg"])
def test_a_close_up_is_not_searched_for_small_hands(name: str, search: SearchFinder, thorough: SearchFinder) -> None:
    photo, found, tiles = sample(name), [], []
    for finder in (search, thorough):
        with patch.object(PalmDetector, "detect", autospec=True, side_effect=PalmDetector.detect) as detect:
            found.append(sorted(finder.find(photo), key=lambda hand: hand.landmarks[0, 0]))
        tiles.append(detect.call_count)
    assert tiles[0] < tiles[1] / 2
    assert len(found[0]) == len(found[1]) > 0
    for one, other in zip(*found, strict=True):
        assert np.abs(one.landmarks - other.landmarks).mean() < 0.02 * one.size


def test_a_hand_near_the_camera_hides_no_far_ones(search: SearchFinder, near_and_far: Photo) -> None:
    hands = search.find(near_and_far)
    assert hands[0].share > 0.15
    assert sum(hand.share < 0.1 for hand in hands) >= 15


@pytest.mark.parametrize("size", [(33, 33), (1, 400), (640, 480), (2000, 300)])
def test_exhaustive_tiles_cover_the_photo_at_every_zoom(size: tuple[int, int]) -> None:
    width, height = size
    assert tile_count(width, height, EXHAUSTIVE) == len(list(grid(width, height, EXHAUSTIVE)))
    for zoom in (0.5, 1, 2, 4):
        covered = np.zeros((height, width), bool)
        for tile in grid(width, height, replace(tiles_at(zoom), least_tile=1)):
            assert tile.side == max(size) / zoom
            x0, y0 = (round(value - tile.side / 2) for value in (tile.x, tile.y))
            x1, y1 = (round(value + tile.side / 2) for value in (tile.x, tile.y))
            covered[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
        assert covered.mean() > 0.99


def test_suppression_keeps_separate_palms() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]], np.float32)
    palms = Palms(boxes, np.zeros((3, 7, 2), np.float32), np.array([0.5, 0.9, 0.7], np.float32))
    kept = suppress(palms)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7])
    assert kept.boxes[0].tolist() == pytest.approx([9 / 14, 9 / 14, 10 + 9 / 14, 10 + 9 / 14], abs=1e-4)  # the mean, weighted by score


def test_a_hand_found_twice_is_one() -> None:
    points = np.random.default_rng(1).random((21, 3), np.float32) * 100
    one = Hand(points, points, "left", 0.9)
    again = Hand(points + 3, points, "left", 0.8)
    other = Hand(points + np.float32(200), points, "right", 0.7)
    assert drop_duplicates([again, one, other]) == [one, other]


def test_a_piece_of_a_hand_is_no_hand_but_a_hand_beside_one_is() -> None:
    points = np.random.default_rng(2).random((21, 3), np.float32) * 100
    whole = Hand(points, points, "left", 0.9)
    knuckle = Hand(points * np.float32(0.2) + 40, points, "left", 0.8)
    beside = Hand(points * np.float32(0.2) + 95, points, "left", 0.7)
    assert drop_duplicates([knuckle, whole, beside]) == [whole, beside]


def test_what_lies_across_two_hands_that_touch_is_a_piece_of_them() -> None:
    points = np.random.default_rng(2).random((21, 3), np.float32) * 100
    left, right = Hand(points, points, "left", 0.9), Hand(points + np.array([95, 0, 0], np.float32), points, "right", 0.9)
    tips = Hand(points * np.float32(0.3) + np.array([82, 30, 0], np.float32), points, "left", 0.8)
    assert drop_duplicates([left, tips, right]) == [left, right]
    assert drop_duplicates([left, tips]) == [left, tips]


def as_stored(pixels: Pixels, orientation: int) -> bytes:
    """The same photo, as a camera stores it in this EXIF orientation."""
    stored = (pixels, np.fliplr(pixels), pixels[::-1, ::-1], np.flipud(pixels), pixels.swapaxes(0, 1), np.rot90(pixels))
    stored += (pixels[::-1, ::-1].swapaxes(0, 1), np.rot90(pixels, -1))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = BytesIO()
    Image.fromarray(stored[orientation - 1]).save(file, "PNG", exif=exif, compress_level=1)
    return file.getvalue()


@cache
def slopes(orientation: int) -> Pixels:
    """Red grows with x and green with y, so that every pixel tells where it comes from; of a photo in this EXIF orientation."""
    rows, columns = np.mgrid[:601, :801]
    pixels = np.stack([columns / 4, rows / 4, np.full_like(rows, 200)], axis=2).astype(np.uint8)
    return open_photo(as_stored(pixels, orientation)).pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("shrink", "smooth"), [(1, False), (1.9, False), (2, False), (3.9, False), (4, False), (7, False), (9, False), (0.5, True), (1, True)]
)
@pytest.mark.parametrize("place", [(400, 300), (31, 577), (800, 600)])
def test_a_crop_shows_what_lies_there_at_every_reduction(shrink: float, smooth: bool, place: tuple[int, int], orientation: int) -> None:
    """Where it lies outside, it is black or as the photo's edge."""
    pyramid = Pyramid(slopes(orientation), smooth=25 * smooth)
    region = Region(*map(float, place), 64 * shrink, 0.4)
    crop = pyramid.crop(region.to_photo(), 64).astype(float)
    steps = (np.arange(64) + 0.5) / 64
    across, down = np.meshgrid(steps, steps)
    x, y = np.moveaxis(np.stack([across, down, np.ones_like(down)], axis=2) @ region.to_photo().T, 2, 0)
    inside = (x > 8) & (x < 793) & (y > 8) & (y < 593)
    np.testing.assert_allclose(crop[..., 0][inside], x[inside] / 4 - 0.5, atol=1.1)
    np.testing.assert_allclose(crop[..., 1][inside], y[inside] / 4 - 0.5, atol=1.1)
    assert not crop[(x < -8) | (x > 809) | (y < -8) | (y > 609)].any()
    continued = pyramid.crop(region.to_photo(), 64, continued=True).astype(float)
    np.testing.assert_allclose(continued[..., 0], x.clip(0, 800) / 4, atol=3)
    np.testing.assert_allclose(continued[..., 1], y.clip(0, 600) / 4, atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shrink", [1.0, 2.5, 4.0, 9.0])
def test_the_reduced_photo_is_upright(shrink: float, orientation: int) -> None:
    reduced = Pyramid(slopes(orientation)).reduced(shrink)
    assert reduced.shape == (round(601 / shrink), round(801 / shrink), 3)
    assert reduced.flags["C_CONTIGUOUS"]
    rows, columns = np.mgrid[: reduced.shape[0], : reduced.shape[1]]
    np.testing.assert_allclose(reduced[..., 0], columns * shrink / 4, atol=2.5)
    np.testing.assert_allclose(reduced[..., 1], rows * shrink / 4, atol=2.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_dark_places_are_lit_where_they_are(orientation: int) -> None:
    """A quarter of the photo lies in the dark, its top right; what is bright stays as it is."""
    pixels = np.full((600, 800, 3), 200, np.uint8)
    pixels[:300, 400:] = 30
    pyramid = Pyramid(open_photo(as_stored(pixels, orientation)).pixels).lit_up()
    assert pyramid is not None
    for lit in (pyramid.reduced(2), pyramid.crop(Region(400, 300, 800, 0).to_photo(), 400)[50:350]):
        assert lit[:100, 250:].min() > 100
        assert lit[200:].min() == lit[:, :170].min() == 200
    assert Pyramid(pixels).reduced(2)[:100, 250:].max() == 30


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photo_that_was_stored_lying_takes_no_more_memory(search: SearchFinder, orientation: int) -> None:
    """Phones store all that is taken upright so. To turn it would double what a photo takes."""
    pixels = np.kron(sample("peace.jpg").pixels, np.ones((4, 4, 1), np.uint8))
    data = as_stored(pixels, orientation)
    tracemalloc.start()
    found = search.find(open_photo(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 1
    assert peak < 1.5 * pixels.size


def test_crop_of_a_region_is_what_the_region_covers() -> None:
    """A region turned by 90 degrees clockwise shows the photo turned back by as much."""
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, 50:] = 255  # right half white
    upright = Pyramid(pixels).crop(Region(50, 50, 100, 0).to_photo(), 64)
    turned = Pyramid(pixels).crop(Region(50, 50, 100, np.pi / 2).to_photo(), 64)
    assert upright[:, 40:].mean() > 250 > 5 > upright[:, :24].mean()
    assert turned[:24].mean() > 250 > 5 > turned[40:].mean()


@pytest.mark.parametrize("finder", [SearchFinder, LandmarkerFinder])
def test_a_closed_finder_never_says_no_hands(finder: type[SearchFinder] | type[LandmarkerFinder]) -> None:
    closed = finder()
    closed.close()
    with pytest.raises(FinderError):
        closed.find(sample("peace.jpg"))


def test_a_landmarker_that_raised_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with LandmarkerFinder() as finder:
        photo = sample("peace.jpg")
        assert finder.find(photo)
        broken = finder._landmarker
        monkeypatch.setattr(broken, "detect", lambda image: (_ for _ in ()).throw(RuntimeError("graph error")))
        with pytest.raises(FinderError, match="graph error"):
            finder.find(photo)
        assert finder.find(photo)
        assert finder._landmarker is not broken


def test_a_network_that_fails_raises_rather_than_finds_nothing(search: SearchFinder) -> None:
    with pytest.raises(FinderError):
        search.palms.detect(np.zeros((10, 10, 3), np.uint8), 0.5)


def test_bundle_must_be_the_official_one(tmp_path: Path) -> None:
    other = tmp_path / "hand_landmarker.task"
    other.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="SHA-256") as caught:
        load_bundle(other)
    assert "bukan milik" in error_text(caught.value, "id")[1]
    with pytest.raises(ModelError):
        load_bundle(tmp_path / "missing.task")


def test_what_was_verified_is_what_is_used(tmp_path: Path) -> None:
    official = load_bundle()
    other = tmp_path / "hand_landmarker.task"
    other.write_bytes(b"put there after it was verified")
    with patch.object(Path, "read_bytes", return_value=official.data):
        assert load_bundle(other).palm_detector == official.palm_detector
