"""Several times the load that the service can bear, against a real server: `make load`.

Measures what the service can do first, then sends photos at a fixed pace, whether answers come or not, as many people would. Fails where
an answer is anything but a check or an honest refusal, where accepted photos wait longer than is promised, where memory grows, or where
the service is not well afterwards.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image

from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Report:
    machine: str
    workers: int
    capacity_per_s: float
    seconds: float
    sent: int = 0
    sent_per_s: float = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    latency_s: dict[str, dict[str, float]] = field(default_factory=dict)
    retry_after_s: dict[str, int] = field(default_factory=dict)
    memory_mib: dict[str, int] = field(default_factory=dict)
    healthy_afterwards: bool = False
    faults: list[str] = field(default_factory=list)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--times", type=float, default=4, help="how many times the measured capacity is sent")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, service(Path(folder, "log")) as (address, process):
        report = asyncio.run(run(address, process.pid, given.seconds, given.times))
    show(report)
    if given.json:
        given.json.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    sys.exit(bool(report.faults))


@contextmanager
def service(log: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(90)


def photo() -> bytes:
    file = BytesIO()
    Image.open(ROOT / "samples" / "peace.jpg").resize((384, 384)).save(file, "JPEG", quality=92)
    return file.getvalue()


async def run(address: str, pid: int, seconds: float, times: float) -> Report:
    settings = Settings()
    data = photo()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(base_url=address, timeout=300, limits=limits, trust_env=False) as client:
        await until_ready(client)
        capacity = await measure_capacity(client, data, settings.workers)
        report = Report(f"{platform.machine()}, {os.cpu_count()} cores", settings.workers, round(capacity, 2), seconds)
        answers: list[tuple[str, float, int]] = []
        memory: list[int] = []

        async def send() -> None:
            began = time.monotonic()
            try:
                answer = await client.post("/v1/checks", files={"photo": data})
            except httpx2.HTTPError as error:
                answers.append((f"no answer: {type(error).__name__}", time.monotonic() - began, 0))
            else:
                answers.append((kind(answer), time.monotonic() - began, int(answer.headers.get("retry-after", 0))))

        async def watch() -> None:
            while True:
                memory.append(resident_mib(pid))
                await asyncio.sleep(1)

        watching = asyncio.create_task(watch())
        began = time.monotonic()
        sending = []
        while (due := began + len(sending) / (times * capacity)) < began + seconds:
            await asyncio.sleep(max(0, due - time.monotonic()))
            sending.append(asyncio.create_task(send()))
        sent_in = time.monotonic() - began
        await asyncio.gather(*sending)
        watching.cancel()
        report.sent, report.sent_per_s = len(sending), round(len(sending) / sent_in, 2)
        report.outcomes = dict(Counter(outcome for outcome, _, _ in answers))
        for outcome in report.outcomes:
            times_ = [seconds for one, seconds, _ in answers if one == outcome]
            named = zip(("p50", "p95", "p99", "most"), np.percentile(times_, [50, 95, 99, 100]), strict=True)
            report.latency_s[outcome] = {name: round(float(value), 3) for name, value in named}
        told = [after for _, _, after in answers if after]
        report.retry_after_s = {"least": min(told), "most": max(told)} if told else {}
        quarter = max(1, len(memory) // 4)
        report.memory_mib = {
            "first quarter": int(np.median(memory[:quarter])),
            "last quarter": int(np.median(memory[-quarter:])),
            "most": max(memory),
        }
        ready = await client.get("/readyz")
        checked = await client.post("/v1/checks", files={"photo": data})
        report.healthy_afterwards = ready.status_code == 200 and kind(checked) == "200"
    report.faults = faults(report, settings)
    return report


def kind(answer: httpx2.Response) -> str:
    """What an answer is, by what it says of itself; one that breaks a promise says which."""
    if answer.status_code == 200:
        return "200" if answer.json()["level"] == "review" else "a wrong check"
    if answer.headers["content-type"] != "application/problem+json" or answer.json()["status"] != answer.status_code:
        return f"{answer.status_code} without a problem document"
    if answer.status_code == 503 and int(answer.headers.get("retry-after", 0)) < 1:
        return "503 without Retry-After"
    return f"{answer.status_code} {answer.json()['type']}"


def faults(report: Report, settings: Settings) -> list[str]:
    found = [f"{count} times: {outcome}" for outcome, count in report.outcomes.items() if outcome not in ("200", "503 queue-full")]
    if sum(report.outcomes.values()) != report.sent:
        found.append("answers are missing")
    promised = settings.max_wait_s + settings.check_timeout_s
    if report.latency_s.get("200", {}).get("most", 0) > promised + 2:
        found.append(f"an accepted photo took longer than {promised:g} s")
    if report.memory_mib["last quarter"] > 1.15 * report.memory_mib["first quarter"] + 50:
        found.append("memory grew")
    if not report.healthy_afterwards:
        found.append("the service was not well afterwards")
    return found


async def until_ready(client: httpx2.AsyncClient) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        await asyncio.sleep(0.2)
    raise TimeoutError("the service did not start")


async def measure_capacity(client: httpx2.AsyncClient, data: bytes, workers: int, seconds: float = 10) -> float:
    """Checks a second, when as many callers as there are workers send one after another, with one more waiting."""
    done = 0
    end = time.monotonic() + seconds

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < end:
            (await client.post("/v1/checks", files={"photo": data})).raise_for_status()
            done += 1

    began = time.monotonic()
    await asyncio.gather(*(caller() for _ in range(workers + 1)))
    return done / (time.monotonic() - began)


def resident_mib(pid: int) -> int:
    """Memory of a process and all below it."""
    total, todo = 0, [pid]
    while todo:
        one = Path("/proc", str(todo.pop()))
        try:
            total += int((one / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            todo += [int(child) for task in (one / "task").iterdir() for child in (task / "children").read_text().split()]
        except OSError:  # it ended meanwhile
            continue
    return total // 2**20


def show(report: Report) -> None:
    print(f"{report.machine}; {report.workers} workers; {report.capacity_per_s} checks a second at most")
    print(f"{report.sent} photos in {report.seconds:g} s, {report.sent_per_s} a second")
    print(f"{'answer':24} {'count':>6} {'p50 s':>8} {'p95 s':>8} {'p99 s':>8} {'most s':>8}")
    for outcome, count in sorted(report.outcomes.items()):
        print(f"{outcome:24} {count:6}", *(f"{value:8.3f}" for value in report.latency_s[outcome].values()))
    print("Retry-After:", ", ".join(f"{name} {value} s" for name, value in report.retry_after_s.items()) or "none")
    print("Memory, service and workers:", ", ".join(f"{name} {value} MiB" for name, value in report.memory_mib.items()))
    print("Afterwards:", "healthy" if report.healthy_afterwards else "NOT WELL")
    for fault in report.faults:
        print("FAULT:", fault)


if __name__ == "__main__":
    main()
