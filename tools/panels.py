"""
Grafana panels as inline SVG, from their JSON and the series they were answered.

Drawn are time series, stats and bar gauges, with units, thresholds, soft maxima and
legends where the dashboard asks for them. Enough to see what an operator would see.
"""

import datetime
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

COLOURS = {
    "green": "#73bf69",
    "yellow": "#f2cc0c",
    "blue": "#5794f2",
    "orange": "#ff9830",
    "red": "#f2495c",
    "purple": "#b877d9",
    "text": "#ccccdc",
}
PALETTE = ("green", "yellow", "blue", "orange", "red", "purple")
_GRID = "#2a2d33"
_LINE, _PAD = 18, 10  # px: a legend's line, a panel's margin
_AXIS_W, _AXIS_H, _TITLE_H = 56, 20, 30
_SCALES = {
    "s": ((60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "percentunit": ((0.01, "%"),),
    "short": ((1e6, "Mil"), (1e3, "K"), (1, "")),
    "none": ((1, ""),),
}

Points = Sequence[tuple[float, float]]  # seconds since 1970, value; NaN is a gap
Size = tuple[float, float]  # width and height, px
Span = tuple[float, float]  # from and to, seconds since 1970


@dataclass(frozen=True, slots=True)
class Series:
    """What one query answered for one set of labels."""

    name: str
    points: Points

    @property
    def values(self) -> list[float]:
        """Without the gaps."""
        return [value for _, value in self.points if math.isfinite(value)]


class CannotDraw(Exception):
    """A panel asks for a kind, a unit or a colour that is not drawn here."""


def draw(
    panel: dict[str, Any], series: Sequence[Series], size: Size, shown_s: Span
) -> str:
    """
    One panel, title and all: an ``<svg>`` of ``size`` px.

    ``shown_s`` is the time shown. Raises `CannotDraw`.
    """
    defaults = panel["fieldConfig"]["defaults"]
    if defaults.get("unit", "none") not in _SCALES:
        raise CannotDraw(f"unit {defaults['unit']!r}")
    width, height = size
    match panel["type"]:
        case "timeseries":
            body = "".join(_lines(panel, series, size, shown_s))
        case "stat":
            body = _number(defaults, series, size)
        case "bargauge":
            body = "".join(_bars(defaults, series, size))
        case kind:
            raise CannotDraw(f"panel type {kind!r}")
    about = escape(panel.get("description", ""))
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}"><title>{about}</title>'
        f'<rect class="panel" x=".5" y=".5" width="{width - 1:.1f}" '
        f'height="{height - 1:.1f}" rx="3"/>'
        f"{_text(_PAD, 20, panel['title'], 'title')}{body}</svg>"
    )


def shown(value: float, unit: str, step: float = 0.0) -> str:
    """``0.0123`` in ``s`` is ``12.3 ms``; with ``step`` an axis' decimals."""
    scales = _SCALES[unit]
    size = abs(value) or step
    scale, name = next((s for s in scales if size >= s[0] * 0.9999), scales[-1])
    fine = step / scale if step else size / scale / 100
    decimals = 0 if fine <= 0 else min(3, max(0, math.ceil(-math.log10(fine) - 1e-9)))
    text = f"{value / scale:.{decimals}f}"
    if not step and "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}{'' if name in ('', '%') else ' '}{name}"


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, some ``about`` of them."""
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.9999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where times and values lie, in px."""

    left: float
    right: float
    top: float
    bottom: float
    began_s: float
    ended_s: float
    low: float
    high: float

    def x(self, at_s: float) -> float:
        share = (at_s - self.began_s) / (self.ended_s - self.began_s)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - share * (self.bottom - self.top)

    def level(self, value: float, colour: str, dashes: str = "none") -> str:
        at = self.y(value)
        return _line(self.left, at, self.right, at, colour, dashes)


def _lines(
    panel: dict[str, Any], series: Sequence[Series], size: Size, shown_s: Span
) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults.get("custom", {})
    coloured = _colours(panel, series)
    legend = list(_legend([(each.name, colour) for each, colour in coloured], size))
    lines = 1 + max((line for line, _ in legend), default=0)
    bottom = size[1] - _AXIS_H - 6 - _LINE * lines
    plot = _Plot(
        *(_AXIS_W, size[0] - _PAD - 4, _TITLE_H + 8, bottom),
        *shown_s,
        *_range(defaults, series),
    )
    yield from _grid(defaults, plot)
    if custom.get("thresholdsStyle", {}).get("mode") == "dashed":
        for limit in defaults["thresholds"]["steps"]:
            if limit["value"] is not None and plot.low <= limit["value"] <= plot.high:
                yield plot.level(limit["value"], _colour(limit["color"]), "6 4")
    for each, colour in coloured:
        for run in _runs(each.points, custom.get("spanNulls", False)):
            path = [(plot.x(at_s), plot.y(v)) for at_s, v in run if at_s >= shown_s[0]]
            yield _path(path, colour, custom.get("fillOpacity", 0), bottom)
    yield from (entry for _, entry in legend)


def _grid(defaults: dict[str, Any], plot: _Plot) -> Iterator[str]:
    levels = ticks(plot.low, plot.high, 5)
    if defaults.get("decimals") == 0:
        levels = [level for level in levels if level == round(level)]
    step = levels[1] - levels[0] if len(levels) > 1 else plot.high
    for level in levels:
        yield plot.level(level, _GRID)
        text = shown(level, defaults.get("unit", "none"), step)
        yield _text(plot.left - 6, plot.y(level) + 4, text, "axis end")
    for at_s in _moments(plot.began_s, plot.ended_s):
        yield _line(plot.x(at_s), plot.top, plot.x(at_s), plot.bottom, _GRID)
        moment = datetime.datetime.fromtimestamp(at_s, datetime.UTC)
        text = f"{moment:%H:%M:%S}"
        yield _text(plot.x(at_s), plot.bottom + 16, text, "axis middle")


def _colour(name: str) -> str:
    if name not in COLOURS:
        raise CannotDraw(f"colour {name!r}")
    return COLOURS[name]


def _range(defaults: dict[str, Any], series: Sequence[Series]) -> tuple[float, float]:
    """Of the values axis: the data, ``min``, and the soft maximum if it is higher."""
    values = [value for each in series for value in each.values] or [0.0]
    low = defaults.get("min", min(values))
    soft = defaults.get("custom", {}).get("axisSoftMax", low)
    high = defaults.get("max", max(*values, soft, low))
    return low, low + 1.0 if high <= low else low + 1.05 * (high - low)


def _moments(began_s: float, ended_s: float) -> list[float]:
    """Round times, some five of them."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)
    step = next((s for s in steps if s >= (ended_s - began_s) / 6), 86400)
    first = math.ceil(began_s / step)
    return [float(k * step) for k in range(first, math.floor(ended_s / step) + 1)]


def _runs(points: Points, span: bool | float) -> Iterator[list[tuple[float, float]]]:
    """Points to be joined; ``span``: gaps too, all of them or up to so many ms."""
    run: list[tuple[float, float]] = []
    gap = False
    for at_s, value in points:
        if not math.isfinite(value):
            gap = True
            continue
        joined = span is True or (
            run and span is not False and 1000 * (at_s - run[-1][0]) <= span
        )
        if run and gap and not joined:
            yield run
            run = []
        run.append((at_s, value))
        gap = False
    if run:
        yield run


def _colours(
    panel: dict[str, Any], series: Iterable[Series]
) -> list[tuple[Series, str]]:
    """Each with its own: the override of its name, else the next of the palette."""
    fixed = {
        override["matcher"]["options"]: each["value"]["fixedColor"]
        for override in panel["fieldConfig"].get("overrides", [])
        for each in override["properties"]
        if each["id"] == "color"
    }
    names = (
        fixed.get(each.name, PALETTE[i % len(PALETTE)]) for i, each in enumerate(series)
    )
    return [(each, _colour(name)) for each, name in zip(series, names, strict=False)]


def _legend(
    entries: Sequence[tuple[str, str]], size: Size
) -> Iterator[tuple[int, str]]:
    """Names with their colours, each with the line it stands on, 0 the first."""
    places, x, line = [], float(_PAD), 0
    for name, colour in entries:
        room = 34 + _length(name)
        if x > _PAD and x + room > size[0]:
            x, line = float(_PAD), line + 1
        places.append((x, line, name, colour))
        x += room
    for x, at, name, colour in places:
        y = size[1] - 10 - _LINE * (line - at)
        mark = f'<rect x="{x}" y="{y - 5}" width="12" height="3" fill="{colour}"/>'
        yield at, mark + _text(x + 17, y, name, "legend")


def _length(text: str) -> float:
    """Of a legend, px; a little more than most fonts need."""
    return sum(8.2 if letter.isupper() else 6.6 for letter in text)


def _number(defaults: dict[str, Any], series: Sequence[Series], size: Size) -> str:
    value = series[0].values[-1]
    text = shown(value, defaults.get("unit", "none"))
    place = (size[0] / 2, (size[1] + _TITLE_H) / 2 + 11)
    colour = _level_colour(defaults, value)
    return _text(*place, text, "number middle", f' style="fill:{colour}"')


def _level_colour(defaults: dict[str, Any], value: float) -> str:
    steps = defaults.get("thresholds", {}).get("steps", [])
    if defaults.get("color", {}).get("mode") == "fixed" or not steps:
        return _colour(defaults.get("color", {}).get("fixedColor", "text"))
    reached = [s for s in steps if s["value"] is None or value >= s["value"]]
    return _colour(reached[-1]["color"])


def _bars(
    defaults: dict[str, Any], series: Sequence[Series], size: Size
) -> Iterator[str]:
    values = [(each.name, each.values[-1]) for each in series if each.values]
    longest = max((_length(name) for name, _ in values), default=0.0)
    left, right = _PAD + longest + 14, size[0] - 60
    most = max((value for _, value in values), default=0.0) or 1.0
    pitch = (size[1] - _TITLE_H - _PAD) / max(1, len(values))
    for i, (name, value) in enumerate(values):
        middle = _TITLE_H + pitch * (i + 0.5)
        colour = _level_colour(defaults, value)
        thick = min(22.0, 0.7 * pitch)
        for long, fill in ((1.0, _GRID), (value / most, colour)):
            yield (
                f'<rect x="{left:.1f}" y="{middle - thick / 2:.1f}" rx="2" '
                f'width="{long * (right - left):.1f}" height="{thick:.1f}" '
                f'fill="{fill}"/>'
            )
        yield _text(left - 8, middle + 4, name, "legend end")
        yield _text(right + 8, middle + 4, shown(value, defaults["unit"]), "legend")


def _path(path: list[tuple[float, float]], colour: str, fill: int, floor: float) -> str:
    """A line through all; alone, a point is a dot."""
    if not path:
        return ""
    if len(path) == 1:
        x, y = path[0]
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in path)
    under = f"{path[0][0]:.1f},{floor:.1f} {points} {path[-1][0]:.1f},{floor:.1f}"
    area = (
        f'<polygon points="{under}" fill="{colour}" opacity="{fill / 100}"/>'
        if fill
        else ""
    )
    return (
        f'{area}<polyline points="{points}" fill="none" stroke="{colour}" '
        'stroke-width="1.3" stroke-linejoin="round"/>'
    )


def _line(
    x: float, y: float, to_x: float, to_y: float, colour: str, dashes: str = "none"
) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{colour}" stroke-dasharray="{dashes}"/>'
    )


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{more}>{escape(text)}</text>'
