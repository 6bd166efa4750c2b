"""Which libraries and models run here, under which licences, from what each package says of itself."""

import json
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from app.about import own_sha256
from gestures.hands.bundle import SHA256

PROJECT = "jari-netral"
MODELS = (
    ("hand_landmarker.task (MediaPipe, Google)", "float16/1", "Apache-2.0", SHA256),
    ("head.npz (Jari Netral)", "", "Apache-2.0", own_sha256()["head_sha256"]),
    ("proposals.tflite (Jari Netral)", "", "Apache-2.0", own_sha256()["proposals_sha256"]),
)


def licences() -> list[tuple[str, str, str]]:
    """Return name, version and licence of everything that the application needs and that is installed, and of the models."""
    seen: dict[str, Distribution] = {}
    _collect(PROJECT, seen)
    rows = [(one.name, one.version, _licence(one)) for _, one in sorted(seen.items())]
    return rows + [model[:3] for model in MODELS]


def complete_sbom(path: Path) -> None:
    """Add licences and models to a CycloneDX file that has the libraries."""
    sbom = json.loads(path.read_text(encoding="utf-8"))
    named = {_key(name): licence for name, _, licence in licences()}
    for component in sbom["components"]:
        if licence := named.get(_key(component["name"])):
            component["licenses"] = [{"license": {"name": licence}}]
    sbom["components"] += [
        {
            "type": "machine-learning-model",
            "bom-ref": name,
            "name": name,
            "version": version,
            "hashes": [{"alg": "SHA-256", "content": sha256}],
            "licenses": [{"license": {"name": licence}}],
        }
        for name, version, licence, sha256 in MODELS
    ]
    path.write_text(json.dumps(sbom, indent=2) + "\n", encoding="utf-8")


def _collect(name: str, seen: dict[str, Distribution]) -> None:
    key = _key(name)
    if key in seen:
        return
    try:
        seen[key] = found = distribution(name)
    except PackageNotFoundError:  # for another system, or an extra that was not chosen
        return
    for requirement in found.requires or []:
        if "extra ==" not in requirement:
            _collect(re.split(r"[^\w.-]", requirement, maxsplit=1)[0], seen)


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _licence(package: Distribution) -> str:
    def said(field: str) -> list[str]:
        return package.metadata.get_all(field) or []

    classified = [line.split(" :: ")[-1] for line in said("Classifier") if line.startswith("License :: ")]
    named = said("License-Expression") or [name for name in classified if name != "OSI Approved"] or said("License")
    return " / ".join(named).strip().partition("\n")[0] or "?"
