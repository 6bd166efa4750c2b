"""Writes an evaluation down: one page that needs nothing else, and its figures as JSON.

The page shows pieces of the labelled photos. It is for those who may see them, and is not to be published.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from math import isinf
from pathlib import Path
from string import Template
from typing import Any

from app.batch.pictures import around, reduced
from app.evaluate.measures import (
    Band,
    Miss,
    Reliability,
    TradeOff,
    by_set,
    by_size,
    confusion,
    figures,
    figures_by_set,
    hand_sizes,
    misses,
    readings_judged,
    reliability,
    trade_off,
)
from app.evaluate.run import HEADS, Run, rows
from app.terminal.words import TerminalError
from gestures import Contest, GesturesError, open_photo
from gestures.drawing import encode
from gestures.hands.finder import Box

MISSES_SHOWN = 16
CROP_SIDE = 150
# How much of the hand's surroundings a crop shows, as a share of the hand's longer side, on each side.
CROP_MARGIN = 0.6

KINDS = {
    "false alarm": "Flagged, though nobody poses",
    "extra": "Read in a group, though the hand poses nothing",
    "misread": "Not read as a number that was shown",
    "not seen": "Not seen",
    "not quiet": "Read as a number, though the hand shows none",
}


def prepare(folder: Path) -> None:
    """Make the report's folder. Raises `TerminalError`, before hours are spent, when the report could not be written in the end."""
    if not find_spec("matplotlib"):
        raise TerminalError("charts-missing")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").touch()
    except OSError as error:
        raise TerminalError("report-not-written", path=folder, reason=error.strerror) from None


def results_file(folder: Path, run: str) -> Path:
    """Return where the results of a finder are kept."""
    return folder / f"results-{run}.jsonl"


def write_report(runs: Sequence[Run], photos: Path, contest: Contest, folder: Path) -> Path:
    """Write index.html and figures.json, and return the page. photos: the folder that labelled paths start from."""
    # Loads matplotlib, which the product does without.
    from app.evaluate.charts import confusion_chart, reliability_chart, size_chart, threshold_chart, trade_off_chart

    sizes = hand_sizes(run.outcomes for run in runs)
    bands = {run.name: by_size(run.outcomes, sizes) for run in runs}
    reliable = {run.name: reliability(readings_judged(run.outcomes, contest)) for run in runs}
    curves = {run.name: curve for run in runs if (curve := trade_off(run.outcomes, contest))}
    confused = {run.name: confusion(run.outcomes) for run in runs}
    scores = {run.name: reliability(readings_judged(run.outcomes, contest, "best_pose", "score")) for run in runs if run.name in curves}

    written = {
        run.name: _written(run, confused[run.name], bands[run.name], reliable[run.name], scores.get(run.name), curves.get(run.name, []))
        for run in runs
    }
    (folder / "figures.json").write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    parts = [
        "<h2>Figures</h2>",
        '<p class="note">Rates in percent, with 95 % intervals (Wilson). seen: labelled posing hands that were reported; number: whose'
        " first reading is allowed; sure: and which is to review, rather than unclear; pose: of the expected name; quiet: fists and hands"
        " at rest without a number; false alarm, doubt: photos in which nobody poses, yet “review” or “unclear”; extra: hands with a number"
        " where none poses, a group photo; failed: photos without a result.</p>",
        _table(rows(runs)),
        "<h2>Size of the hand</h2>",
        '<p class="note">Where no finder saw a hand, its size is estimated from its label. Hands of unknown size are left out.</p>',
        _chart(size_chart(bands), "Numbers read right and hands seen, against the size of the hand"),
        "<h2>Confidence</h2>",
        '<p class="note">Readings that the labels can judge: are 0.9s right nine times in ten? The mean gap between confidence and truth,'
        " weighted by the number of readings, is the expected calibration error.</p>",
        _chart(reliability_chart(reliable), "How often readings are right, against their confidence"),
    ]
    if scores:
        parts += [
            '<p class="note">The same for the score of every hand’s best pose, whether it is read out or not:</p>',
            _chart(reliability_chart(scores), "How often the best pose is right, against its score"),
        ]
    parts.append("<h2>Recall against false alarms</h2>")
    if curves:
        parts += [
            '<p class="note">If every hand were to review as its best pose from a score on (small figures). The star is what the settings'
            " give as they are; it may lie off the curve, since they look at more than the score.</p>",
            _chart(trade_off_chart(curves, {run.name: figures(run.outcomes) for run in runs}), "Numbers right against photos flagged"),
        ]
    else:
        parts.append('<p class="note">These results carry no score per hand, so there is no curve to draw.</p>')
    for run in runs:
        parts.append(f"<h2>Finder: {escape(run.name)}</h2>")
        if run.name in curves:
            of_sets = {name: trade_off(some, contest) for name, some in by_set(run.outcomes).items()}
            known = {name: points for name, points in of_sets.items() if points}
            parts += ["<h3>What a threshold gives, set by set</h3>", _chart(threshold_chart(known), "Rates against the threshold, by set")]
        if confused[run.name]:
            parts += ["<h3>Expected and read</h3>", _chart(confusion_chart(confused[run.name]), "Expected poses against read poses")]
        parts += _misses(misses(run.outcomes), photos)
    page = folder / "index.html"
    template = Template((files("app.evaluate") / "page.html").read_text(encoding="utf-8"))
    page.write_text(template.substitute(contest=escape(contest.key), body="\n".join(parts)), encoding="utf-8")
    return page


def _written(
    run: Run,
    confused: dict[str, dict[str, int]],
    bands: Iterable[Band],
    reliable: Reliability,
    scores: Reliability | None,
    curve: Iterable[TradeOff],
) -> dict[str, Any]:
    """The figures of a finder as they stand in figures.json."""
    return {
        "sets": {name: some.to_dict() for name, some in figures_by_set(run.outcomes).items()},
        "confusion": confused,
        "by_size": [
            {"low": row.low, "high": None if isinf(row.high) else row.high, "seen": asdict(row.seen), "number": asdict(row.number)}
            for row in bands
        ],
        "reliability": asdict(reliable),
        "score_reliability": asdict(scores) if scores else None,
        "trade_off": [asdict(point) for point in curve],
    }


def _table(cells: Iterable[Sequence[str]]) -> str:
    body = "\n".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    return f'<div class="wide"><table>\n<tr>{"".join(f"<th>{head}</th>" for head in HEADS)}</tr>\n{body}\n</table></div>'


def _cell(text: str) -> str:
    value, _, interval = escape(text).partition("\n")
    return f"{value}<br><small>{interval}</small>" if interval else value


def _chart(svg: bytes, about: str) -> str:
    return f'<div class="wide"><img alt="{escape(about)}" src="data:image/svg+xml;base64,{b64encode(svg).decode()}"></div>'


def _misses(all_of_them: Sequence[Miss], photos: Path) -> list[str]:
    parts = []
    for kind, title in KINDS.items():
        some = [miss for miss in all_of_them if miss.kind == kind]
        if some:
            shown = "\n".join(_miss(miss, photos) for miss in some[:MISSES_SHOWN])
            more = f", the worst {MISSES_SHOWN} shown" if len(some) > MISSES_SHOWN else ""
            parts.append(f'<h3>{title} ({len(some)}{more})</h3>\n<div class="misses">\n{shown}\n</div>')
    return parts


def _miss(miss: Miss, photos: Path) -> str:
    sure = f" {miss.confidence:.2f}" if miss.confidence else ""
    crop = _crop(photos / miss.photo.path, miss.box)
    picture = f'<img alt="" src="data:image/jpeg;base64,{b64encode(crop).decode()}">' if crop else "(the photo is not here)"
    text = f"{escape(miss.expected)} → <b>{escape(miss.read)}</b>{sure}<br>{escape(miss.photo.path)}"
    return f"<figure>{picture}<figcaption>{text}</figcaption></figure>"


def _crop(file: Path, box: Box | None) -> bytes | None:
    """Return the hand with its surroundings, or the whole photo where the hand's place is not known, as a small JPEG."""
    try:
        photo = open_photo(file.read_bytes())
    except (OSError, GesturesError):
        return None
    return encode(reduced(around(photo, box, CROP_MARGIN) if box else photo.pixels, CROP_SIDE), quality=75)
