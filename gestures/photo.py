"""A photo's bytes → an upright RGB `Photo` within limits, or a `PhotoError` that says why not."""

import os
import re
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray
from pi_heif import register_heif_opener  # type: ignore[import-untyped]  # ships no types
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from gestures.errors import DamagedPhoto, EmptyPhoto, PhotoError, PhotoTooLarge, PhotoTooSmall, UnsupportedPhoto

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB

register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

# Told by content, never by name. JPEG takes MPO along. AVIF stands before HEIF because both claim the brand "mif1" and only Pillow's
# AVIF opener hands on what it cannot read. TIFF is left out on purpose: camera raw files open as TIFF and show their thumbnail only,
# and of a scan with many pages just the first would be looked at.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP")

# Most zeros at the end of a photo that is whole. A file that is being copied to a share often has its whole length at once, and what is yet
# to come reads as zeros, of which these formats' decoders make picture. Those of PNG and GIF notice, and a BMP may be black at its end.
_MOST_ZEROS = 1024
_FILLED = ("JPEG", "MPO", "WEBP", "AVIF", "HEIF")

# How to turn pixels upright, by EXIF orientation. ImageOps.exif_transpose has the same table, but it also writes the EXIF block anew,
# and a camera's malformed block would then cost the turn.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: np.fliplr,
    3: lambda pixels: pixels[::-1, ::-1],
    4: np.flipud,
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}

# EXIF's way to write a time, and those of programs that take another; of a zone and parts of seconds nothing is kept.
_TIME = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")

# A JPEG is stored coarsely from this mean of its finest table on, that of the standard's quality 78: as messaging apps send it.
COARSE = 25

# Rows converted at a time. Pillow keeps four bytes a pixel, and whole copies beside that made a photo of 50 megapixels take 800 MB.
_STRIP = 256

# A profile that moves none of these colours, all through RGB, by more than rounding does is that of sRGB, whatever it is called.
_COLOURS = (17 * np.indices((16, 16, 16), np.uint8)).T.reshape(64, 64, 3)
_ROUNDING = 2
_SRGB = ImageCms.createProfile("sRGB")

# Pillow opens no photo of more pixels, whatever the limit.
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a photo may be at most and at least. Pixels are checked before anything is decoded."""

    bytes: int = 25 * 2**20
    pixels: int = 50_000_000
    side: int = 20_000
    least_side: int = 32


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An upright photo.

    pixels: (height, width, 3) uint8, sRGB, EXIF orientation applied; where that turns or mirrors the picture, a view of it as stored.
    taken_at: the camera's local time from EXIF, without a zone, or None.
    coarse: whether it was stored as a JPEG of low quality, so that the edges in it have echoes.
    """

    pixels: Pixels
    taken_at: datetime | None = None
    coarse: bool = False

    def __post_init__(self) -> None:
        """Raise `ValueError` for other pixels: of floats from 0 to 1, say, nothing would be seen, and the photo be called clear."""
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(f"pixels are (height, width, 3) uint8, not {self.pixels.shape} {self.pixels.dtype}")

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])


_QUIET = threading.RLock()  # two threads that silence warnings at once may leave the process silent
if hasattr(os, "register_at_fork"):  # a process forked while a thread holds it would wait for ever, since that thread is not in it
    os.register_at_fork(before=_QUIET.acquire, after_in_child=_QUIET.release, after_in_parent=_QUIET.release)


def open_photo(data: bytes, limits: Limits = Limits()) -> Photo:
    """Decode a photo: JPEG, PNG, WebP, AVIF, HEIC/HEIF, MPO, BMP, or the first frame of an animation.

    Raises a `PhotoError` for other bytes, and whatever the decoders make of them, `TypeError` for what is not bytes. `MemoryError` passes
    through. Silences Python warnings while it runs, which is process-wide: threads open their photos one after another.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data are a photo's bytes, as of Path(…).read_bytes(), not {type(data).__name__}; pixels: check_photo(Photo(…))")
    if not data:
        raise EmptyPhoto
    if len(data) > limits.bytes:
        raise PhotoTooLarge(what="bytes", size=len(data), limit=limits.bytes)
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                _check_size(image, limits)
                if image.format in _FILLED and not _has_come(data):
                    raise DamagedPhoto
                pixels = _jpeg(data, image)
                if pixels is None:
                    box = _load(image)
                    _check_size(image, limits)  # a HEIC may turn out another size than its header said
                    pixels = _pixels(image, box or (0, 0, *image.size))
                _to_srgb(pixels, image.info.get("icc_profile"))
                orientation, taken_at = _exif(image)
                coarse = _is_coarse(image)
        except (PhotoError, MemoryError):
            raise
        except Image.DecompressionBombError:
            # Pillow refuses such a size while opening, before we can ask for it.
            raise PhotoTooLarge(what="pixels", size=MOST_PIXELS, limit=min(limits.pixels, MOST_PIXELS)) from None
        except Exception as error:  # decoders raise every kind: OSError, SyntaxError, ValueError, struct.error, zlib.error, …
            raise (DamagedPhoto if _is_known(data, error) else UnsupportedPhoto) from error
    if orientation in _UPRIGHT:
        pixels = _UPRIGHT[orientation](pixels)
    return Photo(pixels=pixels, taken_at=taken_at, coarse=coarse)


def _check_size(image: Image.Image, limits: Limits) -> None:
    width, height = image.size
    if max(width, height) > limits.side:
        raise PhotoTooLarge(what="side", size=max(width, height), limit=limits.side)
    if width * height > limits.pixels:
        raise PhotoTooLarge(what="pixels", size=width * height, limit=limits.pixels)
    if min(width, height) < limits.least_side:
        raise PhotoTooSmall(width=width, height=height, limit=limits.least_side)


def _has_come(data: bytes) -> bool:
    """Whether the bytes do not end in zeros, or only in those that cameras write after a JPEG's end."""
    return any(data[-_MOST_ZEROS:]) or bytes(data).rstrip(b"\0").endswith(b"\xff\xd9")


def _is_known(data: bytes, error: Exception) -> bool:
    """Whether the first bytes are those of a format that we read, and the file of a kind that its decoder knows."""
    if isinstance(error, UnidentifiedImageError):
        with suppress(ValueError):
            simplejpeg.decode_jpeg_header(data)
            return False  # a JPEG of twelve bits a colour, as scanners make: its header is whole, but nothing here decodes it
    return any(accept is not None and accept(bytes(data[:16])) for _, accept in (Image.OPEN[name] for name in FORMATS))


def _exif(image: Image.Image) -> tuple[int, datetime | None]:
    """Return orientation and time taken; 1 and None where EXIF lacks them or is malformed, which spoils no photo.

    The orientation is not that of `Image.getexif`, which takes one from XMP too: no browser turns a photo by that, so that marks would lie
    beside the hands.
    HEIC and AVIF: the libraries have turned, or report, the container's own rotation, so that no picture is turned twice.
    """
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1, None
    return orientation if orientation in range(1, 9) else 1, _taken_at(image)


def _taken_at(image: Image.Image) -> datetime | None:
    try:
        times = image.getexif().get_ifd(ExifTags.IFD.Exif)
    except Exception:
        return None
    for tag in (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized):
        if found := _TIME.fullmatch(str(times.get(tag)).strip("\0 ")):
            with suppress(ValueError):
                return datetime(*map(int, found.groups()))  # type: ignore[arg-type]
    return None


def _is_coarse(image: Image.Image) -> bool:
    tables: dict[int, list[int]] = getattr(image, "quantization", {})  # of a JPEG only
    return bool(tables) and min(float(np.mean(table)) for table in tables.values()) >= COARSE


def _jpeg(data: bytes, image: Image.Image) -> Pixels | None:
    """Decode a JPEG straight to three bytes a pixel: the same pixels as Pillow's, in less than half the memory and time.

    None where the picture is no JPEG, or has colours or flaws that Pillow is to judge. Raises `DamagedPhoto` where its data end before the
    picture does: Pillow fills the rest with grey if an end is but marked, in which hands may be missing.
    """
    if image.format not in ("JPEG", "MPO"):
        return None
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "CMYK" if image.mode == "CMYK" else "RGB")
    except ValueError as flaw:
        if "premature end" in str(flaw):
            raise DamagedPhoto from flaw
        return None
    return pixels if pixels.shape == (image.height, image.width, 3) else None


def _load(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Decode what a browser shows first. Returns left, top, right and bottom of it, or None where it is the whole picture."""
    box = None
    # By True itself: a text of that name in the file is no sign.
    if isinstance(image, PngImagePlugin.PngImageFile) and image.default_image is True:
        # The first picture is for programs that know no animated PNG; the animation begins on nothing, not on that one.
        image.seek(1)
        image.blend_op = PngImagePlugin.Blend.OP_SOURCE
        box = image.info["bbox"]
    image.load()
    if image.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getbbox() is None:
        image.putalpha(255)  # left empty by a program that knows no transparency, and many a viewer ignores it
    return box


def _pixels(image: Image.Image, box: tuple[int, int, int, int]) -> Pixels:
    """What is in the box of a picture, on white, as (height, width, 3) uint8, converted strip by strip."""
    pixels = np.full((image.height, image.width, 3), 255, np.uint8)
    left, first, right, last = box
    for top in range(first, last, _STRIP):
        bottom = min(top + _STRIP, last)
        pixels[top:bottom, left:right] = np.asarray(_rgb(image.crop((left, top, right, bottom))))
    return pixels


def _to_srgb(pixels: Pixels, profile: bytes | None) -> None:
    """Convert colours in place, strip by strip, from those of a profile, such as a phone's Display P3, to sRGB.

    A profile that is broken, or not of RGB, changes nothing: of CMYK and greys the pixels have become RGB without it.
    """
    if not isinstance(profile, bytes):  # in a PNG it may be a text of that name
        return
    try:
        transform = ImageCms.buildTransform(ImageCms.getOpenProfile(BytesIO(profile)), _SRGB, "RGB", "RGB")
    except ImageCms.PyCMSError:
        return
    if np.allclose(_converted(_COLOURS, transform), _COLOURS, rtol=0, atol=_ROUNDING):
        return
    for top in range(0, len(pixels), _STRIP):
        strip = pixels[top : top + _STRIP]
        strip[:] = _converted(strip, transform)


def _converted(pixels: Pixels, transform: ImageCms.ImageCmsTransform) -> Pixels:
    return np.asarray(transform.apply(Image.fromarray(pixels)))


def _rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: 16-bit greys scaled, transparency laid on white."""
    if image.mode.startswith("I"):  # 16-bit PNG; Pillow's own conversion would clip at 255
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
