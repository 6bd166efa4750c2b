"""What several tests share. Photos of others are never part of the project: tests that want them look beside the repository."""

import os
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from gestures.hands.finder import Hand
from gestures.reading.fingers import Fingers, PosedHand, State

# Services that tests start keep no batches in the user's folder; a test that wants some names a folder of its own.
os.environ["JARI_SPOOL"] = "off"

# A shell lets what it starts in the background ignore Ctrl+C, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Beginnings of words that would make a finding out of advice, or would excuse or promise.
ACCUSING = {
    "id": r"melanggar|pelanggar|langgar|terbukti|pelaku|dugaan|diduga|menduga|terduga|terindikasi|indikasi|bersalah|kesalahan|sanksi|hukum|"
    r"larang|dilarang|terlarang|tersangka|tuduh|dituduh|curang|kecurangan|ilegal|bukti|tertangkap|pidana|wajib|SKB|"
    r"pasti aman|dijamin|tidak masalah|bebas dari",
    "en": r"violat|guilt|offen[cds]|proven|proof|prove|suspect|accus|culprit|perpetrat|breach|illegal|unlawful|forbid|forbidden|prohibit|"
    r"banned|punish|sanction|misconduct|infring|penalt|caught|crime|criminal|evidence|"
    r"guaranteed|certainly safe|is innocent|no problem",
}

ROOT = Path(__file__).resolve().parent.parent

# No sandbox, because tests often run as root; nothing that would look for updates.
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
# What Chromium shows below its address bar: two pages of its own in every new window, which take longer than ours, and which nobody sees.
# It heeds but the last such list that it is given, so that Playwright's is repeated first.
LEFT_OUT = (
    "DestroyProfileOnBrowserClose,AvoidUnnecessaryBeforeUnloadCheckSync,AvoidCorsURLLoaderRestartOnRedirect,"
    "HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,LensOverlay,MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,"
    "PreconnectToSearch,AimEnabled,TcpPortRandomizationWin,ThirdPartyStoragePartitioning,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup"
)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def accusing() -> dict[str, re.Pattern[str]]:
    """What none of our words may match, by language."""
    return {lang: re.compile(rf"\b(?:{words})", re.IGNORECASE) for lang, words in ACCUSING.items()}


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
def children() -> Callable[[int], list[int]]:
    """Lists the processes that a process started: `children(process.pid)`. Skips where the system does not tell."""
    if not list(Path("/proc/self/task").glob("*/children")):
        pytest.skip("needs a system that lists a process's children in /proc")

    def listed(process: int) -> list[int]:
        found: list[int] = []
        for thread in Path(f"/proc/{process}/task").iterdir():  # any of them may have started one, and may end while it is asked
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (thread / "children").read_text().split())
        return found

    return listed


@pytest.fixture(scope="session")
def launch():
    """Starts the Chromium that is installed: `with launch(playwright.chromium, "--lang=id") as browser:`. Skips where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return lambda kind, *more: kind.launch(executable_path=path, args=[*CHROMIUM, f"--disable-features={LEFT_OUT}", *more])
    pytest.skip("needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser(launch):
    """A running Chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=120_000)  # for all that use it, in whatever order they run
    with sync_api.sync_playwright() as playwright, launch(playwright.chromium) as browser:
        yield browser


def _hand(x=100.0, y=100.0, size=60.0, side="right"):
    """A hand with an upright palm around (x, y), as wide as high; `size` is its box in pixels, and twice the palm's length."""
    landmarks = np.zeros((21, 3), np.float32)
    landmarks[:, 0] = x + size * np.linspace(-0.5, 0.5, 21)
    landmarks[:, 1] = y + size * np.tile([-0.5, -0.25, 0.25], 7)
    landmarks[0, :2] = x, y + size / 2
    landmarks[1, 0] = x - size / 2
    landmarks[9, :2] = x, y
    return Hand(landmarks, landmarks / 1000, side, presence=0.97654)


@pytest.fixture
def make_hand():
    """Make hands for tests of what comes after finding them."""
    return _hand


@pytest.fixture
def make_posed():
    """Make hands for tests of what comes after reading them: their poses are given, not read."""

    def make(pose, state=State.POSING, confidence=0.9, **place):
        if pose is None and state is State.POSING:
            state = State.REST
        fingers = Fingers((0.04, 0.99, 0.98, 0.03, 0.02), 0.9, 0.0, 0.0, 0.9, 0.5)
        return PosedHand(_hand(**place), fingers, state, pose, confidence, pose or "fist", confidence)

    return make
