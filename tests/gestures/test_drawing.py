import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from gestures import drawing
from gestures.advice import advise, clipped_box
from gestures.contest import contests
from gestures.drawing import FINE, FLAGGED, INK, REST, UNCLEAR, WEBP_SIDE, annotate, encode, redact
from gestures.findings import Findings
from gestures.hands.finder import shared_area
from gestures.hands.landmarker import LandmarkerFinder
from gestures.photo import Photo, open_photo
from gestures.reading.fingers import State
from gestures.reading.poses import pose_table


def plain(shade=255, width=640, height=480):
    return Photo(np.full((height, width, 3), shade, np.uint8))


def noisy(width=640, height=480):
    return Photo(np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8))


def advice_on(photo, posed, contest="default"):
    return advise(Findings(photo.width, photo.height, None, tuple(posed), "search", 0), contests()[contest])


def has(pixels, colour):
    return bool((pixels == colour).all(axis=2).any())


def changed(one, other):
    return (one != other).any(axis=2)


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_hand_is_marked_on_any_background(make_posed, shade, lang):
    photo = plain(shade)
    marked = annotate(photo, advice_on(photo, [make_posed("peace", x=300, y=250, size=120)]), lang)
    assert marked.shape == photo.pixels.shape
    assert marked.dtype == np.uint8
    assert (photo.pixels == shade).all()  # the photo itself stays as it was
    assert has(marked, FLAGGED)
    assert has(marked, INK)
    where = np.argwhere(changed(marked, photo.pixels))
    assert 120 < where[:, 0].min() < 190  # the label above the box
    assert 310 <= where[:, 0].max() < 320


@pytest.mark.parametrize(
    ("pose", "state", "colour"),
    [
        ("peace", State.POSING, FLAGGED),
        ("hand_heart", State.POSING, FINE),
        (None, State.UNCLEAR, UNCLEAR),
        ("peace", State.UNCLEAR, UNCLEAR),
    ],
)
def test_each_state_has_its_colour(make_posed, pose, state, colour):
    photo = plain()
    marked = annotate(photo, advice_on(photo, [make_posed(pose, state=state, x=300, y=250, size=120)]))
    assert [one for one in (FLAGGED, UNCLEAR, FINE) if has(marked, one)] == [colour]


def test_a_hand_at_rest_is_drawn_faintly(make_posed):
    photo = plain()
    rest, posing = (annotate(photo, advice_on(photo, [make_posed(pose, x=300, y=250, size=120)])) for pose in (None, "peace"))
    assert has(rest, REST)
    assert not has(rest, FINE)
    assert 0 < changed(rest, photo.pixels).sum() < changed(posing, photo.pixels).sum() / 5


def luminance(colour):
    """Relative luminance, WCAG 2."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [FLAGGED, UNCLEAR, FINE])
def test_labels_have_the_contrast_of_wcag_aa(colour):
    assert (luminance(colour) + 0.05) / (luminance(INK) + 0.05) >= 4.5


def test_the_font_has_every_letter_of_the_labels():
    font = drawing._font(20)
    missing = font.getmask("\ufffe").getbbox(), bytes(font.getmask("\ufffe"))
    assert (font.getmask("\u2192").getbbox(), bytes(font.getmask("\u2192"))) == missing  # an arrow, which it lacks
    letters = set("· ?0123456789").union(*(row.name.id + row.name.en for row in pose_table().values())) - {" "}
    for letter in letters:
        assert (font.getmask(letter).getbbox(), bytes(font.getmask(letter))) != missing, letter


def test_a_label_names_no_number_that_is_not_on_the_ballot(make_posed):
    (hand,) = advice_on(plain(), [make_posed("palm", x=300, y=250, size=120)]).hands
    assert drawing._words(hand, {5}, "en")[1] == "5"
    assert drawing._words(hand, {1, 2}, "en") == ("five fingers (open palm)", "!")
    (hand,) = advice_on(plain(), [make_posed("palm", state=State.UNCLEAR)]).hands
    assert drawing._words(hand, {5}, "en") == ("five fingers (open palm)? · 5?", "5?")
    (hand,) = advice_on(plain(), [make_posed("hand_heart")]).hands
    assert drawing._words(hand, {1, 2}, "en")[1] == "-"
    (hand,) = advice_on(plain(), [make_posed("dislike")]).hands
    assert drawing._words(hand, {1}, "en") == ("thumb down · 1?", "1?")  # but possibly read so


def test_a_label_names_the_number_that_two_hands_show_only_together(make_posed):
    thumbs = [make_posed("like", x=100, side="right"), make_posed("like", x=150, side="left")]
    own = replace(contests()["default"], numbers=(2,), lists=())
    hands = advise(Findings(640, 480, None, tuple(thumbs), "search", 0), own).hands
    assert [drawing._words(hand, own.numbers, "en") for hand in hands] == [("thumb up · 2?", "2?")] * 2


@pytest.fixture
def placed(monkeypatch):
    """The labels that are drawn."""
    labels = []
    real = drawing._placed
    monkeypatch.setattr(drawing, "_placed", lambda *args: labels.append(real(*args)) or labels[-1])
    return labels


@pytest.mark.parametrize(("contest", "words"), [("default", "OK sign · 3"), ("pilkada-contoh", "OK sign")])
def test_the_label_that_is_drawn_names_a_number_on_the_ballot_only(make_posed, placed, contest, words):
    photo = plain()
    advice = advice_on(photo, [make_posed("ok", x=300, y=250, size=120)], contest)
    assert [code.number for code in advice.codes] == [3]
    marked = annotate(photo, advice, "en")
    assert [label.words for label in placed] == [words]
    x, y, width, height = placed[0].place
    assert has(marked[[y + height // 2], x + 2 : x + width - 2], INK)  # between the outline's lines are the words


@pytest.mark.parametrize("order", [1, -1])
def test_a_flagged_hand_lies_on_top(make_posed, order):
    photo = plain()
    posed = [make_posed("peace", x=300, y=250, size=120), make_posed("hand_heart", x=300, y=250, size=120)]
    marked = annotate(photo, advice_on(photo, posed[::order]))
    assert marked[309, 270].tolist() == list(FLAGGED)  # the lower edge of both boxes


@pytest.mark.parametrize("order", [1, -1])
def test_a_hand_at_rest_covers_none_that_poses(make_posed, order):
    photo = plain()
    posed = [make_posed("hand_heart", x=300, y=250, size=120), make_posed(None, x=300, y=250, size=120)]
    marked = annotate(photo, advice_on(photo, posed[::order]))
    assert marked[309, 270].tolist() == list(FINE)


def test_labels_of_a_panorama_hide_no_hand(make_posed, placed):
    # As a phone makes them: twelve thousand pixels across, people standing side by side.
    photo = plain(90, 12_000, 1600)
    poses = ["peace", "one", "three_mrp", "palm"] * 11
    posed = [make_posed(pose, x=150 + 260 * place, y=500 + 300 * (place % 2), size=130) for place, pose in enumerate(poses)]
    annotate(photo, advice_on(photo, posed))
    boxes = [clipped_box(one.hand, photo.width, photo.height) for one in posed]
    assert len(placed) == len(posed)
    for label in placed:
        assert label.place[3] < 130
        assert not any(shared_area(label.place, box) for box in boxes)


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("size", [(1080, 8000), (300, 4000), (64, 92), (40, 58)])
def test_no_number_is_cut_off_a_narrow_photo(make_posed, placed, size, lang):
    photo = plain(90, *size)
    poses = ["three_gun", "peace", "ily_metal"]
    hand = min(size) / 2
    posed = [make_posed(pose, x=size[0] / 2, y=(1 + place) * size[1] / 4, size=hand) for place, pose in enumerate(poses)]
    annotate(photo, advice_on(photo, posed), lang)
    assert len(placed) == len(poses)
    for label in placed:
        assert label.words.rstrip("?")[-1] in "23"  # three fingers like a gun are but possibly a 3
        assert label.font.getlength(label.words) <= label.place[2]


def test_sixty_hands_keep_their_labels_apart(make_posed, placed):
    rng = np.random.default_rng(1)
    photo = plain(90, 4000, 3000)
    poses = [str(pose) for pose in rng.choice(["peace", "one", "three_mrp", "palm", "ok", "hand_heart"], 60)]
    posed = [
        make_posed(
            pose, x=200 + 380 * (place % 10) + int(rng.integers(-60, 60)), y=300 + 450 * (place // 10), size=float(rng.integers(40, 140))
        )
        for place, pose in enumerate(poses)
    ]
    started = time.perf_counter()
    marked = annotate(photo, advice_on(photo, posed))
    assert time.perf_counter() - started < 10
    assert has(marked, FLAGGED)
    assert len(placed) == 60
    rects = [(x, y, x + width, y + height) for x, y, width, height in (label.place for label in placed)]
    for place, (left, top, right, bottom) in enumerate(rects):
        assert 0 <= left < right <= 4000
        assert 0 <= top < bottom <= 3000
        for other in rects[:place]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        assert bottom - top >= 40  # still to be read when four thousand pixels are shown on a phone


@pytest.mark.parametrize(("x", "y"), [(0, 0), (640, 480), (0, 480), (640, 0), (-300, 200), (2000, 2000)])
def test_hands_at_the_edge_and_beyond(make_posed, x, y):
    photo = plain()
    advice = advice_on(photo, [make_posed("three_mrp", x=x, y=y, size=200)])
    assert annotate(photo, advice).shape == photo.pixels.shape
    assert redact(photo, advice).shape == photo.pixels.shape


@pytest.mark.parametrize("size", [(32, 32), (32, 2000), (2000, 32)])
def test_small_and_narrow_photos(make_posed, size):
    photo = noisy(*size)
    advice = advice_on(photo, [make_posed("three_mrp", x=16, y=16, size=14), make_posed(None, state=State.UNCLEAR, x=20, y=20, size=3)])
    assert annotate(photo, advice).shape == photo.pixels.shape
    assert redact(photo, advice).shape == photo.pixels.shape


def test_nothing_to_mark():
    photo = noisy()
    for draw in (annotate, redact):
        drawn = draw(photo, advice_on(photo, []))
        assert np.array_equal(drawn, photo.pixels)
        assert drawn is not photo.pixels


def test_only_hands_that_need_a_look_are_blurred(make_posed):
    photo = noisy()
    posed = [
        make_posed("peace", x=100, y=100, size=50),
        make_posed("hand_heart", x=300, y=100, size=50),
        make_posed(None, x=500, y=100, size=50),
        make_posed("peace", state=State.UNCLEAR, x=100, y=400, size=50),
    ]
    blurred = changed(redact(photo, advice_on(photo, posed)), photo.pixels)
    for y in (100, 400):
        assert blurred[y - 25 : y + 25, 75:125].mean() > 0.95
        blurred[y - 50 : y + 50, 50:150] = False  # the box and its margin
    assert not blurred.any()


def test_an_unclear_hand_that_needs_no_look_is_marked_as_fine_and_not_blurred(make_posed):
    photo = plain()
    # Five is not on this ballot, and the pose on none of its lists.
    advice = advice_on(photo, [make_posed("stop", state=State.UNCLEAR, x=300, y=250, size=120)], "pilkada-contoh")
    assert [one for one in (FLAGGED, UNCLEAR, FINE) if has(annotate(photo, advice), one)] == [FINE]
    photo = noisy()
    assert np.array_equal(redact(photo, advice), photo.pixels)


def test_small_hands_get_thin_lines_and_no_dots(make_posed):
    for size, has_dots in ((120, True), (18, False)):
        photo = plain(90, 4000, 3000)
        marked = annotate(photo, advice_on(photo, [make_posed("peace", x=300, y=250, size=size)]))
        assert has(marked, (255, 255, 255)) == has_dots
        assert np.argwhere(changed(marked, photo.pixels))[:, 0].max() < 250 + size / 2 + 5  # below its box


def test_hands_at_rest_make_no_crowd(make_posed, placed):
    photo = plain(90, 2000, 1500)
    rest = [make_posed(None, x=150 + 180 * place, y=1200, size=30) for place in range(10)]
    annotate(photo, advice_on(photo, [make_posed("three_mrp", x=900, y=500, size=30), *rest]), "en")
    assert [label.words for label in placed] == [f"{pose_table()['three_mrp'].name.en} · 3"]


def test_what_is_blurred_is_what_is_flagged_whether_it_reads_as_a_number_or_not(make_posed):
    photo = noisy()
    posed = [make_posed("c_shape", x=100, y=100, size=50), make_posed("stop", x=500, y=300, size=50)]
    for contest, flagged in (("default", [True, True]), ("pilkada-contoh", [False, False])):
        advice = advice_on(photo, posed, contest)
        assert [hand.flagged for hand in advice.hands] == flagged
        blurred = changed(redact(photo, advice), photo.pixels)
        assert [bool(blurred[100, 100]), bool(blurred[300, 500])] == flagged


def test_only_sixteen_mean_colours_remain(make_posed):
    # Box of 60 pixels and a margin of 18: a region of 96, four cells of 24. The same means, and so the same patch, whatever was there.
    photo = noisy()
    advice = advice_on(photo, [make_posed("peace", x=300, y=250, size=60)])
    region = (slice(202, 298), slice(252, 348))
    levelled = photo.pixels.copy()
    cells = levelled[region].reshape(4, 24, 4, 24, 3)
    levelled[region] = np.broadcast_to(cells.mean(axis=(1, 3), keepdims=True).round(), cells.shape).reshape(96, 96, 3)
    one, other = redact(photo, advice), redact(Photo(levelled), advice)
    assert not np.array_equal(photo.pixels[region], levelled[region])
    assert np.abs(one[region].astype(int) - other[region]).max() <= 2


def test_no_finder_sees_a_redacted_hand(shared, make_posed):
    """Real pictures, real networks: where a hand was found before, none is found after."""
    files = sorted((shared / "rendered" / "small").glob("*.jpg"))[::10]
    found = 0
    with LandmarkerFinder() as finder:
        for file in files:
            photo = open_photo(file.read_bytes())
            posed = [replace(make_posed("peace"), hand=hand) for hand in finder.find(photo)]
            found += len(posed)
            assert not finder.find(Photo(redact(photo, advice_on(photo, posed)))), file.name
    assert found >= len(files) * 0.8


@pytest.mark.parametrize("order", [1, -1])
def test_a_small_hand_shows_nothing_of_a_larger_one_around_it(make_posed, order):
    photo = noisy()
    large, small = make_posed("peace", x=300, y=250, size=200), make_posed("one", x=320, y=260, size=20)
    alone = redact(photo, advice_on(photo, [large]))
    together = redact(photo, advice_on(photo, [large, small][::order]))
    assert np.abs(alone.astype(int) - together).max() <= 2


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_copies_carry_no_metadata(make_posed, format):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kamera Rahasia"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (6.0, 10.0, 0.0)
    file = io.BytesIO()
    Image.fromarray(noisy().pixels).save(file, "JPEG", exif=exif, comment=b"Rahasia")
    assert b"Rahasia" in file.getvalue()
    photo = open_photo(file.getvalue())
    advice = advice_on(photo, [make_posed("peace")])
    for draw in (annotate, redact):
        data = encode(draw(photo, advice), format)
        assert b"Rahasia" not in data
        assert b"Exif" not in data
        assert b"EXIF" not in data
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == format.upper()
            assert image.size == (640, 480)
            assert not image.getexif()
            assert not {"exif", "icc_profile", "xmp", "comment", "photoshop"} & set(image.info)


def test_a_copy_of_a_wide_gamut_photo_keeps_its_colours(make_posed, samples, shared):
    with Image.open(shared / "badimages" / "pillow-heif" / "heif_other" / "pug.heic") as phone, Image.open(samples / "group.jpg") as image:
        display_p3 = phone.info["icc_profile"]
        seen = image.convert("RGB")
    stored = ImageCms.profileToProfile(seen, ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(display_p3)))
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=95, icc_profile=display_p3)
    photo = open_photo(file.getvalue())
    copy = encode(redact(photo, advice_on(photo, [make_posed("peace", x=300, y=250, size=60)])))
    with Image.open(io.BytesIO(copy)) as image:
        drawn = np.asarray(image).astype(int)
    differs = np.abs(drawn - seen)[400:].mean(axis=(0, 1))
    assert (differs < 2).all()
    assert (np.abs(np.asarray(stored).astype(int) - seen)[400:].mean(axis=(0, 1)) > 2).any()  # the photo has such colours


def test_quality_makes_the_file_larger():
    pixels = noisy().pixels
    assert len(encode(pixels, "jpeg", 40)) < len(encode(pixels, "jpeg", 95))


def test_webp_of_a_very_long_photo_is_made_smaller():
    data = encode(plain(width=18_000, height=40).pixels, "webp")
    with Image.open(io.BytesIO(data)) as image:
        assert image.width == WEBP_SIDE
