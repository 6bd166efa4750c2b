"""Files that mean harm, or only look as if they did, through the HTTP door. All are made here; `test_photo.py` looks at decoding alone."""

import random
import struct
import zlib
from collections import Counter
from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from app.settings import Settings
from gestures.photo import open_photo


def saved(image, format, **options):
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def grey(mode="RGB", size=(64, 48)):
    return Image.new("RGB", size, (90, 120, 150)).convert(mode)


def noise(side=96):
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks, pixels=b""):
    """A PNG in RGB, put together by hand."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def segments(marker, head, data):
    """A JPEG's segments of 64 KiB each."""
    pieces = [data[start : start + 65_000] for start in range(0, len(data), 65_000)]
    return b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(head) + len(piece) + 2) + head + piece for piece in pieces)


def jpeg_with(extra):
    whole = saved(grey(), "JPEG")
    return whole[:2] + extra + whole[2:]


def bomb(width, height):
    """Announces all its pixels and has them, in next to no bytes: only looking at the size first keeps it from memory."""
    deflated = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    return png(width, height, pixels=b"".join([*(deflated.compress(row) for _ in range(height)), deflated.flush()]))


def frames(count):
    pictures = [Image.new("L", (40, 40), shade % 256) for shade in range(count)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:], loop=0)


def text_bomb():
    """A PNG whose comment is 20 MB when unpacked."""
    text = zlib.compressobj(9)
    packed = b"".join([*(text.compress(bytes(2**20)) for _ in range(20)), text.flush()])
    return png(64, 48, chunk(b"zTXt", b"Comment\0\0" + packed), pixels=zlib.compress(bytes(48 * (1 + 3 * 64))))


def profile_bomb():
    """A PNG whose colour profile is 20 MB when unpacked."""
    packed = zlib.compressobj(9)
    profile = b"".join([*(packed.compress(bytes(2**20)) for _ in range(20)), packed.flush()])
    return png(64, 48, chunk(b"iCCP", b"sRGB\0\0" + profile), pixels=zlib.compress(bytes(48 * (1 + 3 * 64))))


def commented(text):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text, zip=True)
    return saved(grey(), "PNG", pnginfo=info)


def exif_loop():
    """EXIF whose first directory names itself as the next one and as the camera's own."""
    entry = struct.pack("<HHII", ExifTags.IFD.Exif, 4, 1, 8)
    return saved(grey(), "JPEG", exif=b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><image href="file:///etc/passwd" width="64" height="64"/></svg>'
SCRIPT = b"<script>alert(1)</script>"

CHECKED = {
    "cmyk": lambda: saved(grey("CMYK"), "JPEG"),
    "grey": lambda: saved(grey("L"), "JPEG"),
    "one bit": lambda: saved(grey("1"), "PNG"),
    "palette": lambda: saved(grey("P"), "PNG", transparency=0),
    "alpha": lambda: saved(grey("RGBA"), "WEBP", lossless=True),
    "grey and alpha": lambda: saved(grey("LA"), "PNG"),
    "sixteen bits": lambda: saved(Image.fromarray(np.full((48, 64), 40_000, np.uint16)), "PNG"),
    "the smallest": lambda: saved(grey(size=(32, 32)), "PNG"),
    "a strip": lambda: saved(grey(size=(2000, 32)), "PNG"),
    "1,000 frames": lambda: frames(1000),
    "8 MB of EXIF": lambda: jpeg_with(segments(0xE1, b"Exif\0\0", b"II*\0" + bytes(8 * 2**20))),
    "8 MB of ICC": lambda: jpeg_with(segments(0xE2, b"ICC_PROFILE\0\1\1", bytes(8 * 2**20))),
    "EXIF in circles": exif_loop,
    "a picture and a ZIP": lambda: saved(grey(), "JPEG") + b"PK\5\6" + bytes(18),
    "a picture and a PDF": lambda: saved(grey(), "PNG") + b"%PDF-1.7\n" + bytes(1000),
    "a script in a comment": lambda: saved(grey(), "JPEG", comment=SCRIPT),
    "1 MB of text": lambda: commented("x" * 10**6),
}
REFUSED = {
    "empty": (lambda: b"", "photo-empty"),
    "one pixel": (lambda: saved(grey(size=(1, 1)), "PNG"), "photo-too-small"),
    "1 x 19,000": (lambda: saved(grey(size=(1, 19_000)), "PNG"), "photo-too-small"),
    "1 x 60,000": (lambda: saved(grey(size=(1, 60_000)), "PNG"), "photo-too-large"),
    "60,000 x 1": (lambda: saved(grey(size=(60_000, 1)), "PNG"), "photo-too-large"),
    "60 megapixels in 200 kB": (lambda: bomb(10_000, 6_000), "photo-too-large"),
    "4 billion x 4 billion": (lambda: png(2**31 - 1, 2**31 - 1), "photo-too-large"),
    "a text bomb": (text_bomb, "photo-damaged"),
    "a profile bomb": (profile_bomb, "photo-damaged"),
    "no pixels": (lambda: png(64, 48), "photo-damaged"),
    "cut off": (lambda: saved(noise(), "JPEG")[:-2000], "photo-damaged"),
    "half an AVIF": (lambda: saved(noise(), "AVIF")[:-1000], "photo-damaged"),
    "half a WebP": (lambda: saved(noise(), "WEBP")[:-1000], "photo-damaged"),
    "a head alone": (lambda: b"\xff\xd8\xff\xe1", "photo-damaged"),
    "HEIC of nothing": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "photo-damaged"),
    "HEIC that nests": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + (b"\0\0\xff\xffmeta\0\0\0\0") * 2000, "photo-damaged"),
    "PDF before a picture": (lambda: b"%PDF-1.7\n" + saved(grey(), "JPEG"), "photo-unsupported"),
    "TIFF": (lambda: saved(grey(), "TIFF"), "photo-unsupported"),
    "ICO": (lambda: saved(grey(), "ICO"), "photo-unsupported"),
    "PostScript": (lambda: saved(grey(), "EPS"), "photo-unsupported"),
    "SVG that reads files": (lambda: SVG, "photo-unsupported"),
    "a page": (lambda: b"<!doctype html>" + SCRIPT, "photo-unsupported"),
    "a pickle": (lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.", "photo-unsupported"),
}


def send(client, photo):
    return client.post("/v1/checks", files={"photo": ("x.jpg", photo, "image/jpeg")})


@pytest.mark.parametrize("name", CHECKED)
def test_odd_but_a_photo(client, lawful, name):
    assert lawful(send(client, CHECKED[name]())) in ("clear", "unclear")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(client, lawful, name):
    make, kind = REFUSED[name]
    data = make()
    assert len(data) < 2**20
    assert lawful(send(client, data)) == kind


def judge_all(client, lawful, paths):
    """Send files, and hold the service's word against the decoder's."""
    outcomes = Counter()
    for path in paths:
        data = path.read_bytes()
        outcome = lawful(send(client, data))
        if outcome in ("clear", "review", "unclear"):
            open_photo(data, Settings().limits)  # what was checked can be read
        outcomes[outcome] += 1
    return outcomes


@pytest.fixture(scope="session")
def corpus(shared):
    return sorted(path for path in (shared / "badimages").rglob("*") if path.is_file() and path.stat().st_size < 2**20)


def test_a_sample_of_the_corpus(client, lawful, corpus):
    small = [path for path in corpus if path.stat().st_size < 20_000]
    assert judge_all(client, lawful, random.Random(6).sample(small, 15)).total() == 15


@pytest.mark.deep
def test_the_corpus(quick_client, lawful, shared):
    paths = sorted(path for path in (shared / "badimages").rglob("*") if path.is_file())
    restarts = quick_client.app.state.service.pool.restarts
    outcomes = judge_all(quick_client, lawful, paths)
    print(f"\n{len(paths)} files of the corpus: {dict(outcomes.most_common())}; workers replaced: {dict(restarts)}")
    assert not restarts["lost"], "a decoder crashed"
