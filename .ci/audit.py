#!/usr/bin/env python3
"""Look the locked dependencies up among known vulnerabilities with pip-audit. Fails where one is found; says so where none can be sought.

pip-audit itself reports "no known vulnerabilities" for packages that its source of knowledge has never heard of; here they are counted.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = ["tool", "run", "--quiet", "--cache-dir", str(ROOT / ".venv/uv-cache"), "--from", "pip-audit==2.10.1", "pip-audit"]
OPTIONS = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", "10", "--format", "json"]


def main() -> None:
    """Run pip-audit and judge its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "audit.json"
        command = [ROOT / ".venv/bin/uv", *TOOL, "--requirement", ROOT / "requirements.txt", *OPTIONS, "--output", report]
        ran = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        if not report.exists():
            last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"NOT AUDITED: the list of known vulnerabilities can't be reached from here.\n  {last[:300]}")
            return
        packages = json.loads(report.read_text())["dependencies"]
    known = [package for package in packages if "skip_reason" not in package]
    found = [(package, flaw) for package in known for flaw in package["vulns"]]
    for package, flaw in found:
        print(f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}")
    if len(known) < len(packages):
        unknown = len(packages) - len(known)
        print(f"NOT AUDITED: {unknown} of {len(packages)} packages are unknown to the list that can be reached from here.")
    print(f"{len(known)} packages audited, {len(found)} vulnerabilities found.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
