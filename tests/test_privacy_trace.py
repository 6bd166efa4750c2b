"""Photos stay on the machine: a system-call trace of the service and of the command while they check photos.

Needs strace, and the right to trace one's own processes.
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
from PIL import Image

JARI = [sys.executable, "-m", "app.cli"]
# Families by which something could leave the machine. AF_UNIX is how processes of one machine talk.
INTERNET = re.compile(r"\bsocket\((AF_INET6?|AF_NETLINK|AF_PACKET|AF_VSOCK|AF_BLUETOOTH)\b.*")
ADDRESSED = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg|bind)\([^{]*\{sa_family=AF_(INET6?).*")


def traced(log: Path, *command: str | Path) -> list[str | Path]:
    return ["strace", "-f", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", log, *command]


def internet_calls(log: Path) -> list[str]:
    """Every call that made an internet socket, or gave one an address."""
    lines = log.read_text(errors="replace").splitlines()
    return [match[0] for line in lines if (match := INTERNET.search(line) or ADDRESSED.search(line))]


@pytest.fixture(scope="module", autouse=True)
def strace(tmp_path_factory) -> None:
    """Skips where there is no strace; else shows that a trace would give a leak away."""
    if not shutil.which("strace"):
        pytest.skip("needs strace: apt-get install strace")
    log = tmp_path_factory.mktemp("control") / "trace"
    leak = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    ran = subprocess.run(traced(log, sys.executable, "-c", leak), capture_output=True, text=True)
    if "Operation not permitted" in ran.stderr:
        pytest.skip("may not trace processes here")
    assert [call.split("(")[0] for call in internet_calls(log)] == ["socket", "sendto"]


@pytest.fixture(scope="module")
def photo(samples, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.open(samples / "peace.jpg").resize((384, 384)).save(path)
    return path


def post(address: str, photo: Path) -> bytes:
    body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body += photo.read_bytes() + b"\r\n--b--\r\n"
    request = urllib.request.Request(address, body, {"Content-Type": "multipart/form-data; boundary=b"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


@pytest.mark.parametrize("finder", ["search", "mediapipe"])
def test_the_service_opens_no_socket_but_its_listener(finder, photo, tmp_path):
    log = tmp_path / "trace"
    env = os.environ | {"JARI_FINDER": finder}
    command = traced(log, *JARI, "serve", "--port", "0", "--workers", "1")
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True) as run:
        try:
            address = re.search(r"http://127\.0\.0\.1:(\d+)/", run.stdout.readline())
            for _ in range(300):
                try:
                    urllib.request.urlopen(address[0] + "readyz", timeout=30).close()
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            for path in ("", "v1/contests"):
                urllib.request.urlopen(address[0] + path, timeout=30).close()
            assert b'"hands"' in post(address[0] + "v1/checks", photo)
            assert post(address[0] + "v1/checks/annotated", photo)
            assert post(address[0] + "v1/checks/redacted", photo)
        finally:
            os.killpg(run.pid, signal.SIGINT)  # strace itself takes no notice
            try:
                run.wait(120)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                raise
    made, bound = internet_calls(log)
    assert made.startswith("socket(AF_INET, SOCK_STREAM")
    assert bound.startswith("bind(")
    assert f"htons({address[1] if bound.count('htons(0)') == 0 else 0})" in bound
    assert 'inet_addr("127.0.0.1")' in bound


@pytest.mark.parametrize(("finder", "jobs"), [("search", "2"), ("mediapipe", "1")])
def test_the_command_opens_no_socket_at_all(finder, jobs, photo, tmp_path):
    log = tmp_path / "trace"
    command = [*JARI, "check", photo, photo, "--finder", finder, "--jobs", jobs, "--annotate", tmp_path / "copies", "--format", "jsonl"]
    ran = subprocess.run(traced(log, *command), capture_output=True, text=True, timeout=120)
    assert ran.stdout.count('"level":') == 2
    assert internet_calls(log) == []
