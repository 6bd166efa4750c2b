import io
import multiprocessing
import struct
import threading
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pytest
import simplejpeg
from PIL import ExifTags, Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

import gestures.photo
from gestures.errors import DamagedPhoto, EmptyPhoto, PhotoError, PhotoTooLarge, PhotoTooSmall, UnsupportedPhoto
from gestures.photo import MOST_PIXELS, Limits, Photo, open_photo


def picture(mode="RGB", size=(64, 48)):
    """A picture with four different corners, so that every turn and mirror of it is told apart."""
    image = Image.new("RGB", size, (200, 200, 200))
    for colour, corner in (((255, 0, 0), (0, 0)), ((0, 255, 0), (size[0] // 2, 0)), ((0, 0, 255), (0, size[1] // 2))):
        image.paste(colour, (*corner, corner[0] + size[0] // 2, corner[1] + size[1] // 2))
    return image.convert(mode)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def close(one, other):
    return np.abs(one.astype(int) - np.asarray(other).astype(int)).mean() < 6


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "MPO"])
def test_opens_what_phones_and_cameras_make(format):
    photo = open_photo(saved(picture(), format))
    assert (photo.width, photo.height) == (64, 48)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags["C_CONTIGUOUS"]
    assert photo.pixels.flags["WRITEABLE"]
    assert close(photo.pixels, picture())


@pytest.mark.parametrize(
    ("format", "options", "coarse"),
    [
        ("JPEG", {"quality": 50}, True),
        ("JPEG", {"quality": 75}, True),
        ("JPEG", {"quality": 85}, False),
        ("JPEG", {"quality": 70, "progressive": True}, True),
        ("MPO", {"quality": 60}, True),
        ("PNG", {}, False),
        ("WEBP", {"quality": 30}, False),
    ],
)
def test_a_coarse_jpeg_is_known_as_one(format, options, coarse):
    assert open_photo(saved(picture(), format, **options)).coarse == coarse


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_is_turned_upright(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = saved(picture(), "JPEG", exif=exif, quality=95, subsampling=0)
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    assert np.array_equal(open_photo(data).pixels, np.asarray(upright))


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_all_eight_orientations_give_the_same_picture(shape, shared):
    folder = shared / "badimages" / "exif-orientation"
    photos = [open_photo((folder / f"{shape}_{orientation}.jpg").read_bytes()) for orientation in range(1, 9)]
    small = [Image.fromarray(photo.pixels).resize((45, 45), Image.Resampling.BOX) for photo in photos]
    for photo, one in zip(photos, small, strict=True):
        assert photo.pixels.shape == photos[0].pixels.shape
        assert close(np.asarray(one), small[0])


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_heic_is_turned_once(orientation):
    # pillow-heif can encode; it writes the orientation as the container's own rotation and keeps the EXIF tag beside it, as phones do.
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2023:11:08 09:12:00"
    source = picture(size=(128, 96))
    file = io.BytesIO()
    pillow_heif.from_pillow(source).save(file, quality=95, exif=exif.tobytes())
    turned = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}[orientation]
    photo = open_photo(file.getvalue())
    assert photo.taken_at == datetime(2023, 11, 8, 9, 12)
    assert close(photo.pixels, source.transpose(turned))


@pytest.mark.parametrize(
    ("format", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("AVIF", {"quality": 95})],
)
def test_first_frame_of_an_animation(format, options):
    frames = [Image.new("RGB", (48, 48), "red"), Image.new("RGB", (48, 48), "blue")]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert close(open_photo(data).pixels, frames[0])


def test_a_picture_that_an_animation_leaves_out_is_not_looked_at():
    # Browsers show the frames only; the picture before them is for programs that know no animated PNG.
    still, frame = Image.new("RGB", (48, 48), "red"), picture(size=(48, 48))
    data = saved(still, "PNG", save_all=True, append_images=[frame, still], default_image=True)
    assert np.array_equal(open_photo(data).pixels, frame)


@pytest.mark.parametrize("blend", [0, 1])
def test_an_animation_begins_on_nothing(blend):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # Red, which no browser shows; then, in the middle, half-transparent blue.
    rows = [zlib.compress((b"\0" + bytes(colour) * side) * side) for colour, side in (((255, 0, 0, 255), 64), ((0, 0, 255, 128), 32))]
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 6, 0, 0, 0))
        + chunk(b"acTL", struct.pack(">II", 1, 0))
        + chunk(b"IDAT", rows[0])
        + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 32, 32, 16, 16, 1, 1, 0, blend))
        + chunk(b"fdAT", struct.pack(">I", 1) + rows[1])
        + chunk(b"IEND", b"")
    )
    shown = np.full((64, 64, 3), 255, np.uint8)
    shown[16:48, 16:48] = 127, 127, 255
    assert np.array_equal(open_photo(data).pixels, shown)


def test_a_text_makes_no_animation():
    info = PngInfo()
    info.add_text("default_image", "yes")
    assert close(open_photo(saved(picture(), "PNG", pnginfo=info)).pixels, picture())


@pytest.fixture(scope="session")
def display_p3(shared):
    """The profile of a phone's photo."""
    with Image.open(shared / "badimages" / "pillow-heif" / "heif_other" / "pug.heic") as image:
        return image.info["icc_profile"]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("stored", "meant"),
    [((234, 51, 35), (255, 0, 0)), ((117, 251, 76), (0, 255, 0)), ((0, 0, 245), (0, 0, 255)), ((90, 90, 90), (90, 90, 90))],
)
def test_wide_colours_become_those_that_are_meant(format, stored, meant, display_p3):
    # Higher than a strip.
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    pixels = open_photo(saved(Image.new("RGB", (40, 600), stored), format, icc_profile=display_p3, **options)).pixels
    assert np.abs(pixels.astype(int) - meant).max() <= 6


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA"])
def test_a_profile_holds_in_every_mode(mode, display_p3):
    plain = picture().point(lambda value: 60 + value // 2).convert(mode)
    pixels = open_photo(saved(plain, "PNG", icc_profile=display_p3)).pixels
    to_srgb = ImageCms.ImageCmsProfile(io.BytesIO(display_p3)), ImageCms.createProfile("sRGB")
    assert np.array_equal(pixels, ImageCms.profileToProfile(plain.convert("RGB"), *to_srgb))


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize("profile", ["sRGB", "LAB", "cut off", "garbage", "text"])
def test_other_profiles_leave_the_colours(format, profile, display_p3):
    options = {}
    if profile == "text":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("icc_profile", "sRGB")
    else:
        broken = {"cut off": display_p3[:200], "garbage": b"garbage" * 30}
        options["icc_profile"] = broken.get(profile) or ImageCms.ImageCmsProfile(ImageCms.createProfile(profile)).tobytes()
    assert np.array_equal(open_photo(saved(picture(), format, **options)).pixels, open_photo(saved(picture(), format)).pixels)


def test_a_bmp_without_any_opacity_is_seen():
    # A program that knows no transparency left it empty, and many a viewer ignores it. Pillow writes no BMP with a mask for it.
    image = picture("RGBA")
    image.putalpha(0)
    masks = struct.pack("<IIII", 0xFF << 16, 0xFF << 8, 0xFF, 0xFF << 24)
    header = struct.pack("<IiiHHIIiiII", 108, 64, -48, 1, 32, 3, 0, 0, 0, 0, 0) + masks + bytes(52)
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + len(header)) + header + image.tobytes("raw", "BGRA")
    assert np.array_equal(open_photo(data).pixels, picture())


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "RGBA"])
def test_every_mode_becomes_rgb(mode):
    image = picture(mode)
    photo = open_photo(saved(image, "JPEG" if mode == "CMYK" else "PNG"))
    assert photo.pixels.shape == (48, 64, 3)
    assert close(photo.pixels, image.convert("RGB"))


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("BMP", {})])
def test_every_row_of_a_tall_picture_is_where_it_was(format, options):
    # More rows than are converted at a time, and no multiple of them.
    noise = np.random.default_rng(0).integers(0, 255, (700, 40, 3), np.uint8)
    assert np.array_equal(open_photo(saved(Image.fromarray(noise), format, **options)).pixels, noise)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))
    photo = open_photo(saved(Image.fromarray(ramp), "PNG"))
    assert photo.pixels[0, :, 0].tolist() == (ramp[0] >> 8).tolist()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_transparent_becomes_white(mode):
    if mode in ("RGBA", "LA"):
        image = Image.new(mode, (40, 40), (0,) * len(mode))
        data = saved(image, "PNG")
    else:
        data = saved(Image.new(mode, (40, 40), 0), "PNG", transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert (open_photo(data).pixels == 255).all()


def test_half_transparent_is_mixed_with_white():
    pixels = open_photo(saved(Image.new("RGBA", (40, 40), (255, 0, 0, 128)), "PNG")).pixels
    assert pixels[0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize(
    ("written", "taken_at"),
    [
        ("2023:11:08 09:12:00", datetime(2023, 11, 8, 9, 12)),
        ("2023:11:08 09:12:00\0", datetime(2023, 11, 8, 9, 12)),
        ("2023-11-08T09:12:00.250+07:00", datetime(2023, 11, 8, 9, 12)),  # as some programs write it
        ("2023:11:08", None),
        ("2023:11:08 09:12:00 PM", None),
        ("10:01:02 03:04:05", None),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_time_taken(written, taken_at):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = written
    assert open_photo(saved(picture(), "JPEG", exif=exif)).taken_at == taken_at


@pytest.mark.parametrize("original", [None, "    :  :     :  :  ", "0000:00:00 00:00:00"])
def test_time_of_digitizing_stands_in_for_one_that_is_missing(original):
    exif = Image.Exif()
    if original:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = original
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeDigitized] = "2023:11:08 09:12:00"
    assert open_photo(saved(picture(), "JPEG", exif=exif)).taken_at == datetime(2023, 11, 8, 9, 12)


def test_when_it_was_taken_counts_before_when_it_was_digitized():
    exif = Image.Exif()
    for tag, year in ((ExifTags.Base.DateTimeOriginal, 2019), (ExifTags.Base.DateTimeDigitized, 2023)):
        exif.get_ifd(ExifTags.IFD.Exif)[tag] = f"{year}:11:08 09:12:00"
    assert open_photo(saved(picture(), "JPEG", exif=exif)).taken_at == datetime(2019, 11, 8, 9, 12)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_no_photo_is_turned_by_xmp(format_):
    # No browser does, so that the marks on the page would lie beside the hands.
    said = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", said.decode())
    data = saved(picture(), format_, xmp=said, pnginfo=info)
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[ExifTags.Base.Orientation] == 6  # it is there
    assert open_photo(data).pixels.shape == (48, 64, 3)


def test_time_without_exif_is_none():
    assert open_photo(saved(picture(), "JPEG")).taken_at is None


def test_malformed_exif_spoils_neither_photo_nor_turn():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2023:11:08 09:12:00"
    block = exif.tobytes()
    photo = open_photo(saved(picture(), "JPEG", exif=block[: len(block) - 30]))
    assert photo.pixels.shape == (64, 48, 3)
    assert photo.taken_at is None
    assert open_photo(saved(picture(), "JPEG", exif=b"Exif\0\0" + b"\xff" * 40)).pixels.shape == (48, 64, 3)


def test_no_bytes():
    with pytest.raises(EmptyPhoto):
        open_photo(b"")


@pytest.mark.parametrize(
    "data",
    [b"x", b"hello " * 100, b"%PDF-1.7\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\3\4" + bytes(60), bytes(1000)],
    ids=["one byte", "text", "pdf", "svg", "zip", "zeros"],
)
def test_not_a_photo(data):
    with pytest.raises(UnsupportedPhoto):
        open_photo(data)


def test_tiff_is_refused():
    # Camera raw files are TIFF inside: their first picture is a thumbnail, and checking that would be a false all-clear.
    with pytest.raises(UnsupportedPhoto):
        open_photo(saved(picture(), "TIFF"))


def test_a_jpeg_of_twelve_bits_is_another_kind():
    # Not a damaged one: to send it again would not help.
    data = bytearray(saved(picture(), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(UnsupportedPhoto):
        open_photo(bytes(data))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off(format, share):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))
    data = saved(noise, format)
    with pytest.raises(DamagedPhoto):
        open_photo(data[: int(len(data) * share)])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_ends_too_early_though_its_end_is_marked(mode, options):
    # As recovery tools make them: viewers show grey in place of what is lost, in which a hand may have been.
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)).convert(mode)
    data = saved(noise, "JPEG", **options)
    assert open_photo(data).width == 96
    with pytest.raises(DamagedPhoto):
        open_photo(data[: len(data) // 2] + data[-2:])


@pytest.mark.parametrize("format", ["JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "GIF"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_what_is_still_being_copied(format, share, samples):
    # As on a share: the file has its whole length at once, and the rest of it reads as zeros.
    data = (samples / ("three.heic" if format == "HEIF" else "peace.jpg")).read_bytes()
    if format not in ("JPEG", "HEIF"):
        with Image.open(io.BytesIO(data)) as image:
            data = saved(image, format)
    with pytest.raises(DamagedPhoto):
        open_photo(data[: int(len(data) * share)].ljust(len(data), b"\0"))


@pytest.mark.parametrize("format", ["JPEG", "MPO"])
def test_zeros_after_a_jpegs_end(format):
    data = saved(picture(), format)
    assert np.array_equal(open_photo(data.ljust(9999, b"\0")).pixels, open_photo(data).pixels)


def test_a_jpeg_of_which_the_middle_is_lost():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))
    data = saved(noise, "JPEG")
    with pytest.raises(DamagedPhoto):
        open_photo(data[: len(data) // 3] + data[len(data) // 2 :])


def test_a_jpeg_with_flaws_that_every_viewer_passes_over_is_opened():
    data = saved(picture(), "JPEG", quality=95)
    padded = data[:-2] + bytes(9) + data[-2:]
    with pytest.raises(ValueError, match="Corrupt"):
        simplejpeg.decode_jpeg(padded, "RGB")  # the decoder that is tried first does not take it
    assert np.array_equal(open_photo(padded).pixels, open_photo(data).pixels)


def test_memory_that_runs_out_is_not_called_damage(monkeypatch):
    def full(*args):
        raise MemoryError

    monkeypatch.setattr(simplejpeg, "decode_jpeg", full)
    with pytest.raises(MemoryError):
        open_photo(saved(picture(), "JPEG"))


def test_limits():
    data = saved(picture(), "PNG")
    assert open_photo(data, Limits(bytes=len(data), pixels=64 * 48, side=64, least_side=48)).width == 64
    for limits, error, what in (
        (Limits(bytes=len(data) - 1), PhotoTooLarge, {"what": "bytes", "size": len(data), "limit": len(data) - 1}),
        (Limits(pixels=64 * 48 - 1), PhotoTooLarge, {"what": "pixels", "size": 64 * 48, "limit": 64 * 48 - 1}),
        (Limits(side=63), PhotoTooLarge, {"what": "side", "size": 64, "limit": 63}),
        (Limits(least_side=49), PhotoTooSmall, {"width": 64, "height": 48, "limit": 49}),
    ):
        with pytest.raises(error) as caught:
            open_photo(data, limits)
        assert caught.value.params == what
    with pytest.raises(PhotoTooSmall):  # too narrow, however high
        open_photo(saved(picture(size=(31, 400)), "PNG"))


def announced(width, height):
    """A PNG whose header announces a size and whose pixels are those of another: past the header it cannot be read."""
    whole = saved(picture(), "PNG")
    start = whole.index(b"IHDR")
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return whole[:start] + chunk + struct.pack(">I", zlib.crc32(chunk)) + whole[start + 21 :]


@pytest.mark.parametrize(("width", "height"), [(19_000, 19_000), (10_000, 9_500), (1, 60_000), (60_000, 1)])
def test_bomb_is_refused_before_it_is_decoded(width, height):
    with pytest.raises(PhotoTooLarge):
        open_photo(announced(width, height))


@pytest.mark.parametrize(("limit", "told"), [(50_000_000, 50_000_000), (10**9, MOST_PIXELS)])
def test_the_limit_that_is_told_is_the_one_that_holds(limit, told):
    # Of a picture that Pillow refuses by itself, before we can ask for its size.
    with pytest.raises(PhotoTooLarge) as caught:
        open_photo(announced(19_000, 19_000), Limits(pixels=limit))
    assert caught.value.params["limit"] == told


def test_a_limit_above_pillows_own_warning_is_quiet():
    # Pillow warns from 89 megapixels on, and here warnings are errors.
    with pytest.raises(DamagedPhoto):
        open_photo(announced(9_500, 9_500), Limits(pixels=100_000_000))


def test_threads_leave_the_warnings_of_others_as_they_are(monkeypatch):
    waits = iter((0.05, 0.1))
    real = gestures.photo._is_coarse
    monkeypatch.setattr(gestures.photo, "_is_coarse", lambda image: time.sleep(next(waits)) or real(image))
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as threads:  # the first to begin is the first to end
        list(threads.map(open_photo, [saved(picture(), "PNG")] * 2))
    assert warnings.filters == before


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs a system that forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_forked_while_a_thread_opens_a_photo_opens_photos_too(monkeypatch):
    begun, data = threading.Event(), saved(picture(), "JPEG")
    real = gestures.photo._is_coarse
    monkeypatch.setattr(gestures.photo, "_is_coarse", lambda image: begun.set() or time.sleep(0.2) or real(image))
    with ThreadPoolExecutor(1) as threads:
        threads.submit(open_photo, data)
        begun.wait()
        process = multiprocessing.get_context("fork").Process(target=open_photo, args=[data])
        process.start()
    process.join(20)
    process.kill()
    assert process.exitcode == 0


def test_what_is_damaged_may_come_in_any_kind_of_bytes():
    cut = saved(picture(), "JPEG")[:300]
    for kind in (bytes, bytearray, memoryview):
        with pytest.raises(DamagedPhoto):
            open_photo(kind(cut))


def test_any_file_gives_a_photo_or_a_typed_error(shared):
    outcomes, slow = {}, {}
    for path in sorted(path for path in (shared / "badimages").rglob("*") if path.is_file()):
        started = time.process_time()  # the machine may have other work
        try:
            photo = open_photo(path.read_bytes())
        except PhotoError as error:
            outcome = type(error)
        else:
            outcome = Photo
            assert photo.pixels.ndim == 3
            assert photo.pixels.shape[2] == 3
            assert photo.pixels.dtype == np.uint8
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if time.process_time() - started > 5:
            slow[path.name] = time.process_time() - started
    assert not slow
    assert set(outcomes) == {Photo, EmptyPhoto, UnsupportedPhoto, DamagedPhoto, PhotoTooLarge, PhotoTooSmall}
    assert outcomes[Photo] > 600  # most of the corpus is odd, not broken


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((64, 64, 3)), np.zeros((64, 64, 3), np.uint16), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64), np.uint8)],
    ids=["float", "16 bit", "RGBA", "gray"],
)
def test_pixels_of_another_kind_are_refused(pixels):
    # Nothing would be found in them, and the photo be called clear.
    with pytest.raises(ValueError, match="uint8"):
        Photo(pixels)
