"""The report's charts, as SVG. Needs the extra `evaluate` (matplotlib)."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from io import BytesIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.evaluate.measures import AT_REST, NOT_SEEN, UNCLEAR, Band, Figures, Rate, Reliability, TradeOff
from gestures import pose_table

# Blue and orange first: told apart by everybody, also in print. The line styles say the same once more.
COLOURS = ("#1f5fa8", "#d9730d", "#4c8c4a", "#8a5aa8")
STYLES = ("o-", "s--", "^-.", "D:")


def size_chart(bands: Mapping[str, Sequence[Band]]) -> bytes:
    """Draw numbers read right, and hands seen, against the size of the hand."""
    with _style():
        figure, axes = _axes(9, 3.8)
        some = next(iter(bands.values()))
        for place, (name, rows) in enumerate(bands.items()):
            at = [index + 0.12 * (place - (len(bands) - 1) / 2) for index in range(len(rows))]
            _points(axes, at, [row.number for row in rows], f"{name}: number right", place)
            kept = [(x, row.seen.value) for x, row in zip(at, rows, strict=True) if row.seen.of]
            axes.plot([x for x, _ in kept], [100 * (y or 0) for _, y in kept], ":", color=COLOURS[place % 4], label=f"{name}: seen")
        axes.set_xticks(range(len(some)), [f"{_span(row)}\nn={row.seen.of}" for row in some])
        axes.set(xlabel="longer side of the hand, pixels", ylabel="% of labelled hands", ylim=(0, 102))
        return _svg(figure, axes)


def reliability_chart(curves: Mapping[str, Reliability]) -> bytes:
    """Draw how often readings are right against their confidence, and how many there are of each."""
    with _style():
        figure = Figure(figsize=(7.6, 5.2), layout="constrained")
        axes, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        axes.plot([0, 1], [0, 100], color="#999", linewidth=1, label="as sure as right")
        for place, (name, curve) in enumerate(curves.items()):
            label = name if curve.error is None else f"{name} (mean gap {100 * curve.error:.1f} %)"
            _points(axes, [row.confidence for row in curve.bins], [row.right for row in curve.bins], label, place)
            width = 0.09 / len(curves)
            left = [row.low + 0.005 + place * width for row in curve.bins]
            bars = below.bar(left, [row.right.of for row in curve.bins], width, align="edge", color=COLOURS[place % 4])
            below.bar_label(bars, fontsize=7)
        below.margins(y=0.25)
        below.yaxis.get_major_locator().set_params(integer=True)
        axes.set(ylabel="right, %", xlim=(0, 1), ylim=(0, 102))
        below.set(xlabel="confidence of the reading", ylabel="readings")
        return _svg(figure, axes)


def trade_off_chart(curves: Mapping[str, Sequence[TradeOff]], chosen: Mapping[str, Figures]) -> bytes:
    """Draw numbers surely read right against photos flagged though nobody poses, as the threshold moves; the chosen point is a star."""
    with _style():
        figure, axes = _axes(7.6, 4.2)
        for place, (name, points) in enumerate(curves.items()):
            drawn = [(100 * p.false_alarm, 100 * p.number) for p in points if p.false_alarm is not None and p.number is not None]
            colour = COLOURS[place % 4]
            axes.plot([x for x, _ in drawn], [y for _, y in drawn], STYLES[place % 4], color=colour, markersize=2.5, label=name)
            for point in points[:: max(1, len(points) // 10)]:
                if point.false_alarm is not None and point.number is not None:
                    at = (100 * point.false_alarm, 100 * point.number)
                    axes.annotate(f"{point.score:.1f}", at, xytext=(3, -9), textcoords="offset points", fontsize=7, color=colour)
            alarm, number = chosen[name].false_alarm.value, chosen[name].sure.value
            if alarm is not None and number is not None:
                axes.plot(
                    100 * alarm, 100 * number, "*", color=colour, markersize=15, markeredgecolor="black", label=f"{name}: as it is set"
                )
        axes.set(xlabel="photos flagged though nobody poses, %", ylabel="numbers surely read right, %", ylim=(0, 102))
        axes.set_xlim(left=-1)
        return _svg(figure, axes)


def threshold_chart(points: Mapping[str, Sequence[TradeOff]]) -> bytes:
    """Draw, set by set, what a threshold on the score gives: numbers right (solid), photos flagged though nobody poses (dashed)."""
    with _style():
        figure, axes = _axes(7.6, 4.2)
        colours = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]  # a ListedColormap
        for place, (name, some) in enumerate(points.items()):
            for share, style, what in (("number", "-", "number right"), ("false_alarm", "--", "flagged")):
                drawn = [(point.score, getattr(point, share)) for point in some if getattr(point, share) is not None]
                if drawn:
                    x, y = [score for score, _ in drawn], [100 * value for _, value in drawn]
                    axes.plot(x, y, style, color=colours[place % 10], label=f"{name}: {what}")
        axes.set(xlabel="a hand is read from this score on", ylabel="%", xlim=(0, 1), ylim=(0, 102))
        return _svg(figure, axes)


def confusion_chart(counts: Mapping[str, Mapping[str, int]]) -> bytes:
    """Draw what hands of each expected pose (rows) were read as (columns); shades are shares of the row."""
    last = (AT_REST, UNCLEAR, NOT_SEEN)
    down = [*sorted(set(counts) - {AT_REST}), *([AT_REST] if AT_REST in counts else [])]
    poses = {read for row in counts.values() for read in row} | (set(down) & set(pose_table()))
    across = [*sorted(poses - set(last)), *last]
    totals = {pose: sum(counts[pose].values()) for pose in down}
    shares = [[counts[pose].get(read, 0) / totals[pose] for read in across] for pose in down]
    with _style():
        figure, axes = _axes(2.2 + 0.42 * len(across), 1.6 + 0.3 * len(down))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, pose in enumerate(down):
            for column, read in enumerate(across):
                if count := counts[pose].get(read, 0):
                    colour = "white" if shares[row][column] > 0.55 else "black"
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(len(across)), across, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(down)), [f"{pose} ({totals[pose]})" for pose in down])
        axes.set(xlabel="read as", ylabel="expected")
        return _svg(figure)


def _style() -> AbstractContextManager[None]:
    # The salt keeps the names inside an SVG, and so the whole report, the same from run to run. A $ in the name of a set or pose is a $.
    return mpl.rc_context(
        {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "jari", "text.parse_math": False}
    )


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _points(axes: Axes, at: Sequence[float], rates: Sequence[Rate], label: str, place: int) -> None:
    """Draw rates with their intervals as bars."""
    drawn = [(x, rate.value, rate.interval) for x, rate in zip(at, rates, strict=True) if rate.value is not None and rate.interval]
    y = [100 * value for _, value, _ in drawn]
    below = [max(0.0, 100 * (value - interval[0])) for _, value, interval in drawn]
    above = [max(0.0, 100 * (interval[1] - value)) for _, value, interval in drawn]
    x = [x for x, _, _ in drawn]
    axes.errorbar(x, y, (below, above), fmt=STYLES[place % 4], color=COLOURS[place % 4], markersize=4, capsize=2, label=label)


def _span(band: Band) -> str:
    return f"{band.low:.0f}+" if math.isinf(band.high) else f"{band.low:.0f}–{band.high:.0f}"


def _svg(figure: Figure, legend: Axes | None = None) -> bytes:
    if legend:
        legend.grid(alpha=0.25)
        figure.legend(*legend.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    stream = BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
