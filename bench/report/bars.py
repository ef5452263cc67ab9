"""Our figure and each peer's as bars of one scale: SVG for `bench.report.page`."""

import html
import math
from collections.abc import Iterator

from bench.report.headline import OURS, Summary, short

_NAME, _BARS, _NUMBERS = 150, 430, 300  # columns
_ROW, _BAR = 24, 14
_HEAD, _FOOT = 8, 26
_WIDE_RANGE = 10  # from here on the scale is logarithmic

Row = tuple[str, dict[str, float], str]  # whose, numbers, ratio in words


def bars(whole: Summary) -> str:
    """A drawing for each figure that peers have as well."""
    grouped: dict[str, list[Row]] = {}
    for figure, whose, side, ratio in whole.sides():
        grouped.setdefault(figure, []).append((whose, side, ratio))
    return "".join(_figure(name, rows) for name, rows in grouped.items())


def _figure(name: str, rows: list[Row]) -> str:
    scale = _Scale(rows)
    height = _HEAD + _ROW * len(rows) + _FOOT
    body = "".join([*scale.grid(len(rows)), *_rows(rows, scale)])
    wide = _NAME + _BARS + _NUMBERS
    kind = "logarithmic" if scale.logarithmic else "linear"
    return (
        f"<figure><figcaption>{html.escape(name)} "
        f"<small>ms, p50; the mark is p95; {kind}</small></figcaption>"
        f"<svg viewBox='0 0 {wide} {height}' width='100%' role=img "
        f"aria-label='{html.escape(name, quote=True)}'>{body}</svg></figure>"
    )


class _Scale:
    """ms across the column of bars."""

    def __init__(self, rows: list[Row]) -> None:
        highest = max(max(side["p50"], side["p95"]) for _, side, _ in rows)
        lowest = max(0.1, min(side["p50"] for _, side, _ in rows))
        self.logarithmic = highest / lowest > _WIDE_RANGE
        if self.logarithmic:
            self._first = math.floor(math.log10(lowest) - 0.5)
            self._last = math.log10(highest) + 0.02
        self._highest = highest * 1.02

    def across(self, ms: float) -> float:
        if not self.logarithmic:
            return _NAME + _BARS * ms / self._highest
        share = (math.log10(max(ms, 0.1)) - self._first) / (self._last - self._first)
        return _NAME + _BARS * min(1.0, max(0.0, share))

    def grid(self, rows: int) -> Iterator[str]:
        foot = _HEAD + _ROW * rows
        for ms in self._marks():
            x = self.across(ms)
            yield f"<path d='M{x:.1f} {_HEAD - 4}V{foot}' stroke='var(--line)' />"
            yield (f"<text x={x:.1f} y={foot + 15} text-anchor=middle>{ms:g}</text>")

    def _marks(self) -> list[float]:
        if self.logarithmic:
            decades = range(self._first, math.floor(self._last) + 1)
            return [10.0**decade for decade in decades]
        step = 10.0 ** math.floor(math.log10(self._highest))
        step = (
            step
            if self._highest / step >= 3
            else step / 2
            if self._highest / step >= 2
            else step / 4
        )
        return [step * count for count in range(int(self._highest / step) + 1)]


def _rows(rows: list[Row], scale: _Scale) -> Iterator[str]:
    for count, (whose, side, ratio) in enumerate(rows):
        top = _HEAD + count * _ROW
        line = top + _BAR - 2
        ours = whose == OURS
        fill = "var(--mark)" if ours else "var(--peer)"
        weight = " font-weight=600" if ours else ""
        end, far = scale.across(side["p50"]), scale.across(side["p95"])
        yield (
            f"<text class=word x={_NAME - 8} y={line} text-anchor=end{weight}>"
            f"{html.escape(whose)}</text>"
        )
        yield (
            f"<rect x={_NAME} y={top} width={end - _NAME:.1f} height={_BAR} rx=2 "
            f"fill='{fill}' />"
        )
        middle = top + _BAR / 2
        yield (
            f"<path d='M{end:.1f} {middle}H{far:.1f}M{far:.1f} {top + 2}v{_BAR - 4}' "
            f"stroke='{fill}' stroke-width=1.5 />"
        )
        told = f"{short(side['p50'])} ms, N {side['n']:.0f}"
        yield (
            f"<text class=word x={_NAME + _BARS + 14} y={line}{weight}>{told}</text>"
            f"<text class=word x={_NAME + _BARS + 130} y={line}>{ratio}</text>"
        )
