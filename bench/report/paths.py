"""Tables of the renderer's two paths: times, stages, pixels and memory."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import JustifyMethod
from rich.table import Table

from bench.report.figures import Figure
from lite_gateway.video_quality import VideoQuality
from renderer.engine import STAGES

_REFERENCE = "torch"
_PERCENTILES = (50, 95, 99, 0)
_NAMES = ("p50", "p95", "p99", "min")
_TEXTS = ("size", "path", "frames of")  # columns

Figures = dict[tuple[str, str], Figure]  # by name and peer


def tables(
    figures: Sequence[Figure],
    avatar: str,
    sizes: Sequence[VideoQuality],
    batches: Sequence[int],
) -> list[Table]:
    """Return the tables of a comparison's figures."""
    found = {(figure.name, figure.peer): figure for figure in figures}
    cases = [(size.name, batch) for size in sizes for batch in batches]
    return [
        _frames(found, avatar, cases),
        _stages(found, avatar, cases),
        _pixels_and_memory(found, avatar, [size.name for size in sizes]),
    ]


def _frames(figures: Figures, avatar: str, cases: Sequence[tuple[str, int]]) -> Table:
    table = _table(
        f"{avatar}, a frame: processor time (cpu) and elapsed time (wall) in ms",
        *("size", "batch", "path", "N", "cpu p50", *_NAMES[1:]),
        *("wall p50", *_NAMES[1:], "quicker"),
    )
    for size, batch in cases:
        title = f"{avatar} {size}, batch {batch}"
        quicker = _quicker(figures[f"{title}: torch / native, a frame", ""])
        for peer in ("", _REFERENCE):
            cpu, wall = (
                figures[f"{title}: a frame, {clock}", peer] for clock in ("cpu", "wall")
            )
            table.add_row(
                *("" if peer else size, "" if peer else str(batch)),
                *(peer or "native", str(len(cpu.samples))),
                *(f"{cpu.at(percent):.2f}" for percent in _PERCENTILES),
                *(f"{wall.at(percent):.2f}" for percent in _PERCENTILES),
                "" if peer else quicker,
                end_section=bool(peer),
            )
    return table


def _stages(figures: Figures, avatar: str, cases: Sequence[tuple[str, int]]) -> Table:
    table = _table(
        f"{avatar}, each stage: processor time of a frame in ms, p50, native and torch",
        *("size", "batch", *STAGES),
    )
    for size, batch in cases:
        title = f"{avatar} {size}, batch {batch}"
        cells = []
        for stage in STAGES:
            ours, reference = (
                figures[f"{title}: {stage}, cpu", peer].at(50)
                for peer in ("", _REFERENCE)
            )
            quicker = _quicker(figures[f"{title}: torch / native, {stage}", ""])
            cells.append(f"{ours:.2f} {reference:6.2f}  {quicker}")
        table.add_row(size, str(batch), *cells)
    return table


def _pixels_and_memory(figures: Figures, avatar: str, sizes: Sequence[str]) -> Table:
    table = _table(
        f"{avatar}, difference of the frames in codes, and the rigs",
        *("size", "frames of", "largest", "mean", "beyond 2"),
        *("MB: native", "torch", "ms to build: native", "torch"),
    )
    for size in sizes:
        title = f"{avatar} {size}"
        rigs = [
            f"{figures[f'{title}: {name}', peer].at(50):.0f}"
            for name in ("memory of the rig", "rig built, cpu")
            for peer in ("", _REFERENCE)
        ]
        for kind in ("same faces", "same speech"):
            largest, mean, beyond = (
                figures[f"{title}: {kind}, {name}", ""].at(50)
                for name in (
                    *("largest difference", "mean difference"),
                    "bytes beyond 2 codes",
                )
            )
            first = kind == "same faces"
            table.add_row(
                *(size if first else "", kind),
                *(f"{largest:.0f}", f"{mean:.3f}", f"{beyond:.4f} %"),
                *(rigs if first else [""] * len(rigs)),
                end_section=not first,
            )
    return table


def _quicker(figure: Figure) -> str:
    """Return a ratio and its budget, in red if that is missed."""
    text = f"{figure.at(50):.1f}x"
    if figure.budget is None:
        return f"[bold]{text}[/]"
    colour = "green" if figure.budget.met(figure.samples) else "red"
    return f"[bold {colour}]{text}[/] ({figure.budget})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", min_width=len(title), box=SIMPLE)
    for name in columns:
        justify: JustifyMethod = "left" if name in _TEXTS else "right"
        table.add_column(name, justify=justify, no_wrap=True)
    return table
