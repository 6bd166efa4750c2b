"""The service needs nothing to write to but a temporary folder, and no capability: so compose.yaml and docs/operations.md run it.

A mount namespace in which every file system is read-only, and an empty set of capabilities. Needs Linux and the right to make one.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

# Device files, /proc and /sys stay as a container has them; all else becomes read-only, and nothing may be gained afterwards.
LOCKED = """
set -e
mount -t tmpfs -o size=256m none "$TMPDIR"
while read -r _ _ _ _ place _; do
  case "$place" in "$TMPDIR"|/dev|/dev/*|/proc|/proc/*|/sys|/sys/*) ;; *) mount -o remount,bind,ro "$place" ;; esac
done < /proc/self/mountinfo
if touch "$PROBE" 2> /dev/null; then echo "still writable" >&2; exit 9; fi
exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"
"""


def locked(*command: str) -> list[str]:
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", LOCKED, "sh", *command]


@pytest.fixture(scope="module")
def environment(root, tmp_path_factory) -> dict[str, str]:
    """Where to find a folder that may be written to, and one that may not. Skips where namespaces can't be made."""
    if not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs unshare and setpriv (util-linux)")
    environment = os.environ | {"PROBE": str(root / ".probe"), "TMPDIR": str(tmp_path_factory.mktemp("tmp"))}
    tried = subprocess.run(locked("true"), env=environment, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"may not make a read-only namespace here: {tried.stderr.strip()[-200:]}")
    return environment


def test_photos_are_checked_with_a_read_only_root_and_no_capabilities(root, samples, environment, children):
    command = [sys.executable, "-B", "-m", "app.cli", "serve", "--port", "0", "--workers", "1"]
    environment = environment | {"JARI_CHECK_TIMEOUT_S": "120", "JARI_MAX_WAIT_S": "120"}
    process = subprocess.Popen(
        locked(*command), cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = re.search(r"http://[\d.:]+/", process.stdout.readline())[0]
        body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n' + (samples / "peace.jpg").read_bytes()
        request = urllib.request.Request(
            f"{address}v1/checks/redacted", body + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}
        )
        for _ in range(300):
            try:
                picture = urllib.request.urlopen(request, timeout=120).read()
                break
            except urllib.error.HTTPError:
                raise
            except urllib.error.URLError:  # not listening yet
                time.sleep(0.1)
        assert picture.startswith(b"\xff\xd8")
        family = [process.pid, *children(process.pid)]
        assert len(family) >= 2
        for one in family:
            rights = dict(re.findall(r"^(Cap\w+|NoNewPrivs):\s*(\w+)$", Path(f"/proc/{one}/status").read_text(), re.MULTILINE))
            assert {int(value, 16) for name, value in rights.items() if name.startswith("Cap")} == {0}
            assert rights["NoNewPrivs"] == "1"
            assert " ro," in next(line for line in Path(f"/proc/{one}/mountinfo").read_text().splitlines() if line.split()[4] == "/")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
