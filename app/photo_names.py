"""Which files are photos by their names, and how names are shown."""

from pathlib import PurePath

from app.batch import LEDGER, REPORTS

# Within a folder, only files with these endings are taken for photos. TIFF is not read yet: it stands here to be reported, not passed over.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif", ".heic", ".heif", ".hif", ".gif", ".bmp"}
)
SUFFIXES |= {".tif", ".tiff"}


def is_note(path: str) -> bool:
    """Whether macOS keeps its own notes on a file there, named like the file."""
    return PurePath(path).name.startswith("._")


def is_other(within: str) -> bool:
    """Whether a file that is no photo is neither hidden nor of a batch. within: its path in a folder, with a slash before it."""
    return "/." not in within and not PurePath(within).name.startswith((LEDGER, *REPORTS))


def shown(name: str) -> str:
    """Return a file's name as it is shown: bytes that are not UTF-8 as U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
