"""Charts of the report page, drawn with matplotlib and embedded as SVG images."""

import base64
import html
import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from bench.report.summary import THIS_SERVER, Summary, short

INK, SOFT, LINE = "#16211f", "#66736f", "#d8dedb"
OURS, PEER, GROUND = "#0f6b66", "#aab4b1", "#f7f6f2"
DPI = 100
_STYLE: Any = {
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "grid.color": LINE,
    "figure.facecolor": GROUND,
    "axes.facecolor": GROUND,
    # The same figures give the same bytes: no random ids in the SVG.
    "svg.hashsalt": "bench",
}
MIN_SAMPLES = 3  # fewer have no distribution to draw
_ROW_HEIGHT, _AXIS_HEIGHT = 24, 26  # pixels
_LOGARITHMIC_FROM = 10  # ratio of the largest to the smallest value of a chart

PeerRow = tuple[str, dict[str, float], str]  # system, its numbers, ratio in words


def style() -> Any:
    """Context in which a chart must be drawn and saved."""
    return mpl.rc_context(_STYLE)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; ``width`` and ``height`` are pixels at zoom 1."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI)


def image(figure: Figure, alt: str) -> str:
    """Return an ``<img>`` that holds the figure as SVG and needs no other file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    encoded = base64.b64encode(buffer.getvalue()).decode()
    wide, high = (round(DPI * inches) for inches in figure.get_size_inches())
    return (
        f"<img src='data:image/svg+xml;base64,{encoded}' width={wide} height={high} "
        f"alt='{html.escape(alt, quote=True)}'>"
    )


def distribution(figure: dict[str, Any]) -> str:
    """
    Return the image of the share of samples at or below each value.

    ``figure`` is one of `Report.as_json`. Samples that are NaN are left out; fewer than
    three samples give an empty string.
    """
    samples = sorted(filter(math.isfinite, figure["samples"]))
    if len(samples) < MIN_SAMPLES:
        return ""
    with style():
        drawing = new_figure(420, 72)
        axes = drawing.add_axes((0.02, 0.26, 0.96, 0.7))
        axes.ecdf(samples, color=OURS, linewidth=1.3)
        for percent in np.percentile(samples, [50, 95]):
            axes.axvline(percent, color=OURS, linewidth=0.8, linestyle=":")
        low, high = min(0.0, samples[0]), max(samples[-1], 1e-9)
        axes.set(xlim=(low, high), ylim=(0, 1.04), yticks=[], xticks=[low, high])
        unit = figure["unit"].replace("$", "")
        lowest, highest = axes.set_xticklabels(
            [f"{low:.0f}", f"{high:.0f} {unit}".strip()]
        )
        lowest.set_horizontalalignment("left")
        highest.set_horizontalalignment("right")
        axes.spines[["top", "left", "right"]].set_visible(False)
        return image(drawing, f"distribution of {figure['name']}")


def peer_charts(summary: Summary) -> str:
    """Return one bar chart for each figure that peers have as well."""
    grouped: dict[str, list[PeerRow]] = {}
    for name, system, numbers, ratio in summary.sides():
        grouped.setdefault(name, []).append((system, numbers, ratio))
    return "".join(_peer_chart(name, rows) for name, rows in grouped.items())


def _peer_chart(name: str, rows: Sequence[PeerRow]) -> str:
    values = [numbers[p] for _, numbers, _ in rows for p in ("p50", "p95")]
    values = [value for value in values if math.isfinite(value)] or [1.0]
    lowest, highest = max(0.1, min(values)), max(values)
    logarithmic = highest > _LOGARITHMIC_FROM * lowest
    high = _AXIS_HEIGHT + _ROW_HEIGHT * len(rows)
    with style():
        drawing = new_figure(900, high)
        bars = _ROW_HEIGHT * len(rows) / high
        axes = drawing.add_axes((0.2, _AXIS_HEIGHT / high, 0.45, bars))
        _set_scale(axes, lowest, highest, logarithmic=logarithmic)
        for place, row in enumerate(rows):
            _draw_bar(axes, place, row)
        axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
        axes.grid(axis="x", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", which="both", length=0)
        axes.spines[:].set_visible(False)
        scale = "logarithmic" if logarithmic else "linear"
        return (
            f"<figure><figcaption>{html.escape(name)} <small>ms; bar: p50, "
            f"mark: p95; {scale} scale</small></figcaption>"
            f"{image(drawing, _as_text(name, rows))}</figure>"
        )


def _as_text(name: str, rows: Sequence[PeerRow]) -> str:
    """Describe a chart of peers for readers that do not see it."""
    parts = [f"{it[0]} {short(it[1]['p50'])} ms {it[2]}".strip() for it in rows]
    return f"{name}: {', '.join(parts)}"


def _set_scale(axes: Axes, lowest: float, highest: float, *, logarithmic: bool) -> None:
    if not logarithmic:
        axes.set_xlim(0, 1.05 * highest)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        return
    axes.set_xscale("log")
    # Start at a power of ten that leaves the shortest bar a visible length.
    axes.set_xlim(10.0 ** math.floor(math.log10(lowest) - 0.5), 1.2 * highest)
    axes.xaxis.set_major_locator(LogLocator(10, numticks=8))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_bar(axes: Axes, place: int, row: PeerRow) -> None:
    """Draw one system: its name, bar, p95 mark, numbers and ratio."""
    system, numbers, ratio = row
    ours = system == THIS_SERVER
    colour, weight = (OURS, "bold") if ours else (PEER, "normal")
    p50, p95 = numbers["p50"], numbers["p95"]
    axes.barh(place, p50, height=0.58, color=colour)
    axes.plot([p50, p95], [place, place], color=colour, linewidth=1.5)
    axes.plot([p95], [place], color=colour, marker="|", markersize=9)
    across = axes.get_yaxis_transform()  # x: share of the axes, y: row
    text = f"{short(p50)} ms, N {numbers['n']:.0f}"
    for x, words, side in (
        (-0.02, system, "right"),
        (1.04, text, "left"),
        (1.36, ratio, "left"),
    ):
        axes.text(
            *(x, place, words),
            transform=across,
            horizontalalignment=side,
            verticalalignment="center",
            fontsize=9,
            fontweight=weight,
        )
