import shutil
from pathlib import Path

import pytest

import gestures
from app.about import library_sha256


@pytest.mark.parametrize("file", ["advice.py", "reading/poses.toml", "reading/head.npz", "locale/id/LC_MESSAGES/gestures.mo"])
def test_the_librarys_hash_is_that_of_all_that_it_goes_by(file, tmp_path, monkeypatch):
    copy = tmp_path / "gestures"
    shutil.copytree(Path(gestures.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(gestures, "__file__", str(copy / "__init__.py"))
    library_sha256.cache_clear()
    try:
        copied = library_sha256()
        library_sha256.cache_clear()
        with (copy / file).open("ab") as changed:
            changed.write(b" ")
        assert library_sha256() != copied
    finally:
        library_sha256.cache_clear()
    monkeypatch.undo()
    assert library_sha256() == copied
