"""Which libraries and models run here, under which licences, from what each package says of itself."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

PROJECT = "jari-netral"
MODELS = (
    ("hand_landmarker.task (MediaPipe, Google)", "float16/1", "Apache-2.0"),
    ("head.npz, samples (Jari Netral)", "", "Apache-2.0"),
)


def licences() -> list[tuple[str, str, str]]:
    """Return name, version and licence of everything that the application needs and that is installed, and of the models."""
    seen: dict[str, Distribution] = {}
    _collect(PROJECT, seen)
    rows = [(one.name, one.version, _licence(one)) for _, one in sorted(seen.items())]
    return rows + list(MODELS)


def _collect(name: str, seen: dict[str, Distribution]) -> None:
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return
    try:
        seen[key] = found = distribution(name)
    except PackageNotFoundError:  # for another system, or an extra that was not chosen
        return
    for requirement in found.requires or []:
        if "extra ==" not in requirement:
            _collect(re.split(r"[^\w.-]", requirement, maxsplit=1)[0], seen)


def _licence(package: Distribution) -> str:
    def said(field: str) -> list[str]:
        return package.metadata.get_all(field) or []

    classified = [line.split(" :: ")[-1] for line in said("Classifier") if line.startswith("License :: ")]
    named = said("License-Expression") or [name for name in classified if name != "OSI Approved"] or said("License")
    return " / ".join(named).strip().partition("\n")[0] or "?"
