"""Photos with bytes changed at random, and requests made up from the OpenAPI document, against a running service."""

import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from io import BytesIO

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from gestures import PhotoError
from gestures.photo import open_photo

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5000"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "300"))
ANYHOW = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "HEIF")
SIGNATURE = 12  # the bytes by which a format is told; without them nothing behind them is looked at
NUMBERS = (b"\0\0", b"\xff\xff", b"\x7f\xff", b"\x80\0", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1\0\0", b"\1\0\0\0")


@pytest.fixture(scope="module")
def whole(samples):
    """One of our samples, small, in every format."""
    image = Image.open(samples / "peace.jpg").convert("RGB").resize((96, 96))
    made = {}
    for format in FORMATS:
        file = BytesIO()
        if format == "HEIF":
            pytest.importorskip("pillow_heif").from_pillow(image).save(file, quality=60)
        else:
            image.save(file, format)
        made[format] = file.getvalue()
    return made


@pytest.fixture(scope="module")
def outcomes():
    """What came of how many."""
    counted = Counter()
    yield counted
    print(f"\n{counted.total()} changed photos: {dict(counted.most_common())}")


@st.composite
def edits(draw):
    """Some changes to a file, each at a share of its length; heads are where decoders decide, so they are hit more often."""
    where = st.one_of(st.floats(0, 1), st.floats(0, 0.1), st.floats(0, 0.01))
    kind = st.sampled_from(("flip", "number", "cut", "drop", "repeat", "noise", "swap"))
    one = st.tuples(kind, where, st.integers(1, 64), st.binary(min_size=1, max_size=16))
    return draw(st.lists(one, min_size=1, max_size=8))


def changed(data, changes, other):
    data = bytearray(data)
    for kind, share, length, noise in changes:
        at = min(SIGNATURE + int(share * len(data)), max(0, len(data) - 1))
        match kind:
            case "flip" if data:
                data[at] ^= noise[0] or 1
            case "number":
                number = NUMBERS[noise[0] % len(NUMBERS)]
                data[at : at + len(number)] = number
            case "cut":
                del data[at + 1 :]
            case "drop":
                del data[at : at + length]
            case "repeat":
                data[at:at] = data[at : at + length] * (1 + noise[0])
            case "noise":
                data[at:at] = noise
            case "swap":
                data[at : at + length] = other[at : at + length]
    return bytes(data)


def expected(data):
    """What a decoder in this process makes of it."""
    try:
        open_photo(data)
    except PhotoError as error:
        return (error.type,)
    return ("clear", "review", "unclear")


def hold(client, lawful, whole, outcomes, format, other, changes):
    data = changed(whole[format], changes, whole[other])
    answer = client.post("/v1/checks", files={"photo": ("x", data)})
    outcome = lawful(answer)
    outcomes[outcome] += 1
    assert outcome in expected(data)  # what cannot be read is never called clear


class TestChangedPhotos:
    @settings(ANYHOW, max_examples=25)
    @given(st.sampled_from(FORMATS), st.sampled_from(FORMATS), edits())
    def test_some(self, client, lawful, whole, outcomes, format, other, changes):
        hold(client, lawful, whole, outcomes, format, other, changes)

    @pytest.mark.deep
    @settings(ANYHOW, max_examples=EXAMPLES)
    @given(st.sampled_from(FORMATS), st.sampled_from(FORMATS), edits())
    def test_many(self, quick_client, lawful, whole, outcomes, format, other, changes):
        hold(quick_client, lawful, whole, outcomes, format, other, changes)

    @settings(ANYHOW, max_examples=100)
    @given(st.sampled_from(FORMATS), st.floats(0, 1))
    def test_what_is_cut_off_is_told_or_lost_nothing(self, whole, format, share):
        data = whole[format]
        try:
            cut = open_photo(data[: int(share * len(data))])
        except PhotoError:
            return
        assert (cut.pixels == open_photo(data).pixels).all()


def schemathesis(address, folder, *options):
    """Run it apart from these tests, which it would otherwise plug itself into."""
    if not find_spec("schemathesis"):
        pytest.skip("needs schemathesis: make setup")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{address}openapi.json",
        "--checks",
        checks,
        "--no-color",
        "--request-timeout",
        "120",
    ]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, timeout=SECONDS + 600)


class TestMadeUpRequests:
    def test_some(self, server, tmp_path):
        ran = schemathesis(server, tmp_path, "--phases", "coverage", "--exclude-path-regex", "annotated|redacted", "--workers", "4")
        assert ran.returncode == 0, ran.stdout[-5000:]

    @pytest.mark.deep
    def test_many(self, server, tmp_path):
        ran = schemathesis(server, tmp_path, "--phases", "examples,coverage,fuzzing,stateful", "--max-time", str(SECONDS))
        print(ran.stdout[-2500:])
        assert ran.returncode == 0
