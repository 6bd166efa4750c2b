"""Photos stay on the machine, and nothing of them is left on it: a system-call trace of every door while it checks photos.

Needs strace, and the right to trace one's own processes.
"""

import json
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

ROOT = Path(__file__).resolve().parent.parent
JARI = [sys.executable, "-m", "app.cli"]
# Families by which something could leave the machine. AF_UNIX is how processes of one machine talk.
INTERNET = re.compile(r"\bsocket\((AF_INET6?|AF_NETLINK|AF_PACKET|AF_VSOCK|AF_BLUETOOTH)\b.*")
ADDRESSED = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg|bind)\([^{]*\{sa_family=AF_(INET6?).*")
# Calls that make, name or empty a file. What writes to an open one needs none of its own.
MAKING = (
    "creat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "rename",
    "renameat",
    "renameat2",
    "truncate",
)
OPENING = ("open", "openat", "openat2")
TO_WRITE = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE")
DONE = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)\) = (\d+)")
CALLS = ",".join(["network", *OPENING, *MAKING])


def traced(log: Path, *command: str | Path) -> list[str | Path]:
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", log, *command]


def quiet(home: Path, **settings: str) -> dict[str, str]:
    """An environment whose home, cache and temporary files lie where a test can look, and where Python compiles nothing."""
    home.mkdir()
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(home))
    return os.environ | places | {"PYTHONDONTWRITEBYTECODE": "1"} | settings


def internet_calls(log: Path) -> list[str]:
    """Every call that made an internet socket, or gave one an address."""
    lines = log.read_text(errors="replace").splitlines()
    return [match[0] for line in lines if (match := INTERNET.search(line) or ADDRESSED.search(line))]


def written(log: Path, *allowed: Path) -> list[str]:
    """Every call that could have written to a file outside of the folders where that is allowed."""
    begun: dict[str, str] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        number = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[number] = line
            continue
        done = DONE.match(line)
        if not done:
            continue
        call = begun.pop(number, "") + line if "resumed>" in line else line
        if done[1] in MAKING or (done[1] in OPENING and TO_WRITE.search(call)):
            paths = re.findall(r'"([^"]*)"', call)
            if not all(path == "/dev/null" or any(Path(path).is_relative_to(folder) for folder in allowed) for path in paths):
                found.append(call)
    return found


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
    leak = f"import pathlib, os; pathlib.Path({str(log.parent)!r}, 'a').write_text('x'); os.mkdir({str(log.parent / 'b')!r})"
    subprocess.run(traced(log, sys.executable, "-c", leak), check=True)
    assert len(written(log)) == 2
    assert written(log, log.parent) == []


@pytest.fixture(scope="module")
def photo(samples, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.open(samples / "peace.jpg").resize((384, 384)).save(path)
    return path


def post(address: str, photo: Path, field: str = "photo") -> bytes:
    body = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'.encode()
    body += photo.read_bytes() + b"\r\n--b--\r\n"
    request = urllib.request.Request(address, body, {"Content-Type": "multipart/form-data; boundary=b"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def ask(address: str, method: str = "GET") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=120) as answer:
        return answer.read()


def a_batch_to_its_deletion(address: str, photo: Path) -> None:
    batch = f"{address}/{json.loads(post(address, photo, 'photos'))['id']}"
    assert b'"state":"done"' in ask(f"{batch}/events")  # a stream that ends when the batch does
    for part in ("results", "report.html", "report.xlsx", "report.csv"):
        assert ask(f"{batch}/{part}")
    ask(batch, "DELETE")


def upload_by_the_page(launch, address: str, photo: Path) -> None:
    """Choose a photo on the page, in a browser of its own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright, launch(playwright.chromium) as browser:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#contest option", state="attached")
        page.set_input_files("#file", photo)
        page.wait_for_selector("#result:not([hidden])", timeout=120_000)


def looking_for_sound(finder: str, home: Path) -> list[Path]:
    """MediaPipe's Python looks for a sound library with the system's linker before any photo comes, which takes temporary files."""
    assert list(home.rglob("*")) == []
    return [home] if finder == "mediapipe" else []


@pytest.mark.parametrize("finder", ["search", "mediapipe"])
def test_the_service_opens_no_socket_but_its_listener_and_writes_to_nothing_but_its_spool(finder, photo, tmp_path, launch):
    """With one finder, the service has a spool and is sent a batch too; with the other it has none, and writes nothing."""
    log, spool = tmp_path / "trace", tmp_path / "spool"
    env = quiet(tmp_path / "home", JARI_FINDER=finder) | ({"JARI_SPOOL": str(spool)} if finder == "search" else {})
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
            assert post(address[0] + "v1/checks/upright", photo)
            if finder == "search":
                upload_by_the_page(launch, address[0], photo)
                assert {path.name.partition("-")[0] for path in spool.iterdir()} == {"batches.sqlite", "batches.sqlite.lock"}
                a_batch_to_its_deletion(address[0] + "v1/batches", photo)
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
    assert written(log, *looking_for_sound(finder, tmp_path / "home"), *([spool] if finder == "search" else [])) == []


def run_traced(tmp_path: Path, *command: str | Path) -> tuple[str, Path]:
    """Run a command under a trace. Returns what it printed, and the trace."""
    log = tmp_path / "trace"
    ran = subprocess.run(traced(log, *command), capture_output=True, text=True, timeout=120, env=quiet(tmp_path / "home"), cwd=ROOT)
    assert ran.returncode in (0, 1), ran.stderr
    assert internet_calls(log) == []
    return ran.stdout, log


@pytest.mark.parametrize(("finder", "jobs"), [("search", "2"), ("mediapipe", "1")])
def test_the_command_opens_no_socket_at_all_and_writes_what_it_is_asked_for(finder, jobs, photo, tmp_path):
    copies = tmp_path / "copies"
    options = ["--finder", finder, "--jobs", jobs, "--annotate", copies, "--format", "jsonl"]
    printed, log = run_traced(tmp_path, *JARI, "check", photo, photo, *options)
    assert printed.count('"level":') == 2
    assert written(log, copies, *looking_for_sound(finder, tmp_path / "home")) == []


def test_a_batch_opens_no_socket_at_all_and_writes_to_its_folder(photo, tmp_path):
    out = tmp_path / "out"
    _, log = run_traced(tmp_path, *JARI, "batch", photo.parent, "--out", out, "--jobs", "1")
    assert (out / "report.csv").is_file()
    assert written(log, out) == []


def test_the_library_opens_no_socket_and_writes_nothing(photo, tmp_path):
    code = f"from gestures import Checker; print(Checker().check(open({str(photo)!r}, 'rb').read()).level)"
    printed, log = run_traced(tmp_path, sys.executable, "-c", code)
    assert printed == "review\n"
    assert written(log) == []
