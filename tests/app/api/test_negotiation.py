import pytest

from app.api.negotiation import preferred


class TestPreferred:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("", "id"),
            ("en", "en"),
            ("en-US,en;q=0.9", "en"),
            ("id-ID,id;q=0.9,en;q=0.8", "id"),
            ("in-ID, en;q=0.5", "id"),
            ("fr, de", "id"),
            ("fr, en;q=0.1", "en"),
            ("*", "id"),
            ("id;q=0, *", "en"),
            ("en;q=0", "id"),
            ("en;q=nonsense, id;q=0.1", "id"),
            (",,;q=1,", "id"),
            ("en, id;q=0.9, en-US;q=0.8", "en"),
            ("en;q=1, id;q=0.9", "en"),
            ("en-GB;q=0.2, en;q=0.9, id;q=0.5", "en"),
        ],
    )
    def test_language(self, header, expected):
        assert preferred(header, ("id", "en")) == expected

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("", "image/jpeg"),
            ("image/*", "image/jpeg"),
            ("image/webp,*/*;q=0.8", "image/webp"),
            ("image/webp;q=0.3,*/*;q=0.8", "image/jpeg"),
            ("image/jpeg;q=0.1, image/*", "image/webp"),
            ("IMAGE/WEBP", "image/webp"),
        ],
    )
    def test_media_type(self, header, expected):
        assert preferred(header, ("image/jpeg", "image/webp")) == expected
