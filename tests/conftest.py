"""What several tests share. Photos of others are never part of the project: tests that want them look beside the repository."""

import os
import shutil
from pathlib import Path

import pytest

# Services that tests start keep no batches in the user's folder; a test that wants some names a folder of its own.
os.environ["JARI_SPOOL"] = "off"

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def samples(root: Path) -> Path:
    """Our own rendered pictures."""
    return root / "samples"


@pytest.fixture(scope="session")
def shared(root: Path) -> Path:
    """The folder of photos beside the repository; tests that use it are skipped where it is absent."""
    folder = root.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared, which is not here")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of an installed Chromium; tests that use it are skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser(chromium):
    """A running Chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api")
    # No sandbox, because tests often run as root; nothing that would look for updates.
    args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=args)
        yield browser
        browser.close()
