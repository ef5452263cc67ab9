"""Timeline of one turn: times of each message, frame and audio block."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.probe.gateway_trace import TurnTrace
from bench.probe.listening import HEARD_RATE, SENT_RATE, Recording
from bench.report import charts

_SHOWN_MS = 400  # of the turn
_TICK_MS = 50
_WIDTH, _HEIGHT = 1140, 346  # pixels
_LEFT, _RIGHT = 0.17, 0.955  # edges of the plot, as shares of the width
_BOTTOM, _TOP = 0.12, 0.97
_ROW = 24  # height of a row, in the units of the vertical axis
_ROWS = {  # name -> its top
    "messages received": 14,
    "frames rendered": 66,
    "frames submitted": 108,
    "frames decoded": 150,
    "audio submitted": 206,
    "audio decoded": 248,
}
_AXIS_AT = 288
_FRAME, _AUDIO = charts.OURS, charts.INK

Block = tuple[float, float, str]  # from, until (ms), label


def timeline(
    sent: Sequence[tuple[float, int]],
    trace: TurnTrace,
    heard: Recording,
    start: int,
) -> dict[str, Any]:
    """
    Return one turn as JSON, in ms since its first message was sent.

    ``sent`` has the time and the first sample of each message; ``start`` is the sample
    of ``heard`` at which the turn begins. Positions are samples of the turn. A time is
    None where a frame or a block was never decoded.
    """
    started_s = sent[0][0]
    decoded = {int(index): at_s for at_s, index, *_ in heard.frames}

    def ms(at_s: float | None) -> float | None:
        return None if at_s is None else round(1000 * (at_s - started_s), 2)

    totals = [0, *(message.total for message in trace.messages)]
    audio = []
    for block in trace.audio:
        sample = start + block.first * HEARD_RATE // SENT_RATE
        at_s = heard.arrival_s(sample) if sample < len(heard.audio) else None
        position = {"first": block.first, "samples": block.samples}
        times = {"at": ms(block.at_s), "decoded": ms(at_s)}
        audio.append({**position, **times, "queued": round(1000 * block.queued_s, 2)})
    return {
        "sent": [{"at": ms(at_s), "first": first} for at_s, first in sent],
        "received": [
            {
                "at": ms(message.at_s),
                "first": first,
                "samples": message.total - first,
            }
            for first, message in zip(totals, trace.messages, strict=False)
        ],
        "frames": [
            {
                "index": frame.index,
                "first": frame.first,
                "samples": frame.samples,
                "due": ms(frame.due_s),
                "begun": ms(frame.begun_s),
                "drawn": ms(frame.drawn_s),
                "shown": ms(frame.shown_s),
                "decoded": ms(decoded.get(frame.index)),
            }
            for frame in trace.frames
        ],
        "sound": audio,
    }


def drawing(turn: dict[str, Any]) -> str:
    """Return the result of `timeline` as an HTML figure with a caption."""
    with charts.style():
        picture = charts.image(chart(turn), "timeline of one turn")
    return (
        "<figure style='margin:0 0 2.5rem'>"
        f"{picture}<figcaption><small>{_caption(turn)}</small></figcaption></figure>"
    )


def chart(turn: dict[str, Any]) -> Figure:
    """Return the result of `timeline` as a matplotlib figure."""
    figure = charts.new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_axes((_LEFT, _BOTTOM, _RIGHT - _LEFT, _TOP - _BOTTOM))
    axes.set(xlim=(0, _SHOWN_MS), ylim=(_AXIS_AT, 8), yticks=[])
    ticks = range(0, _SHOWN_MS + 1, _TICK_MS)
    axes.set_xticks(ticks, [f"{ms} ms" if ms == _SHOWN_MS else f"{ms}" for ms in ticks])
    axes.tick_params(length=0, pad=6)
    axes.grid(axis="x", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    _draw_names(axes, turn)
    _draw_paths(axes, turn)
    _draw_messages(axes, turn["received"])
    _draw_renders(axes, turn["frames"])
    _draw_blocks(axes, "frames submitted", _frames(turn, "shown"), _FRAME)
    _draw_blocks(axes, "frames decoded", _frames(turn, "decoded"), _FRAME)
    _draw_blocks(axes, "audio submitted", _audio(turn, "at"), _AUDIO)
    _draw_blocks(axes, "audio decoded", _audio(turn, "decoded"), _AUDIO)
    _draw_legend(axes)
    return figure


def _draw_names(axes: Axes, turn: dict[str, Any]) -> None:
    """Name the rows; a bar of their colour joins the rows of frames and of audio."""
    messages, opening = turn["received"], turn["frames"][0]
    seconds = sum(message["samples"] for message in messages) / SENT_RATE
    plural = "" if len(messages) == 1 else "s"
    notes = {
        "messages received": f"{seconds:.1f} s in {len(messages)} message{plural}",
        "frames rendered": f"first one in {opening['drawn'] - opening['begun']:.1f} ms",
        "frames submitted": "to the LiveKit SDK",
        "frames decoded": "at a subscriber",
        "audio submitted": "to the LiveKit SDK",
        "audio decoded": "at a subscriber",
    }
    beside = axes.get_yaxis_transform()  # x: share of the axes, y: data
    for name, top in _ROWS.items():
        axes.text(-0.185, top + 9, name, transform=beside, fontsize=9.5)
        axes.text(
            *(-0.185, top + 23, notes[name]),
            transform=beside,
            fontsize=8,
            color=charts.SOFT,
        )
    for first, last, colour in (
        ("frames rendered", "frames decoded", _FRAME),
        ("audio submitted", "audio decoded", _AUDIO),
    ):
        axes.plot(
            *([-0.195, -0.195], [_ROWS[first], _ROWS[last] + _ROW]),
            transform=beside,
            color=colour,
            linewidth=2.5,
            clip_on=False,
            solid_capstyle="butt",
        )


def _draw_paths(axes: Axes, turn: dict[str, Any]) -> None:
    """Draw a line from row to row for each frame and each block of audio."""
    rows = ("frames rendered", "frames submitted", "frames decoded")
    for frame in turn["frames"]:
        _draw_path(axes, rows, [frame[key] for key in ("drawn", "shown", "decoded")])
    for block in turn["sound"]:
        times = [block["at"], block["decoded"]]
        _draw_path(axes, ("audio submitted", "audio decoded"), times, _AUDIO)


def _draw_path(
    axes: Axes,
    rows: Sequence[str],
    times_ms: Sequence[float | None],
    colour: str = _FRAME,
) -> None:
    points = [
        (at_ms, top)
        for row, at_ms in zip(rows, times_ms, strict=True)
        if at_ms is not None
        for top in (_ROWS[row], _ROWS[row] + _ROW)
    ]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, alpha=0.45, linewidth=0.8)


def _draw_messages(axes: Axes, messages: list[dict[str, Any]]) -> None:
    top = _ROWS["messages received"]
    times = [message["at"] for message in messages]
    axes.vlines(times, top, top + _ROW, color=_AUDIO, linewidth=1.8)
    axes.text(times[0] + 2.5, top + 16, f"{times[0]:.0f} ms", fontweight="bold")


def _draw_renders(axes: Axes, frames: list[dict[str, Any]]) -> None:
    spans = [(frame["begun"], frame["drawn"] - frame["begun"]) for frame in frames]
    axes.broken_barh(spans, (_ROWS["frames rendered"], _ROW), facecolors=_FRAME)


def _frames(turn: dict[str, Any], key: str) -> list[Block]:
    """Return the frames of a row; each lasts until the next one replaces it."""
    frames = [frame for frame in turn["frames"] if frame[key] is not None]
    if not frames:
        return []
    length_ms = 1000 * frames[0]["samples"] / SENT_RATE
    ends = [frame[key] for frame in frames[1:]] + [frames[-1][key] + length_ms]
    first = frames[0]["index"]
    return [
        (frame[key], end, f"frame {frame['index'] - first + 1}")
        for frame, end in zip(frames, ends, strict=True)
    ]


def _audio(turn: dict[str, Any], key: str) -> list[Block]:
    """Return the audio of a row; a block lasts for its samples or until the next."""
    blocks = [
        (block[key], block[key] + 1000 * block["samples"] / SENT_RATE, "")
        for block in turn["sound"]
        if block[key] is not None
    ]
    return [
        (start, min(end, following[0]), label)
        for (start, end, label), following in pairwise([*blocks, (float("inf"), 0, "")])
    ]


def _draw_blocks(axes: Axes, row: str, blocks: list[Block], colour: str) -> None:
    """Draw blocks with their arrivals as dark edges; the first one shows its time."""
    top = _ROWS[row]
    for count, (start, end, label) in enumerate(blocks):
        if start >= _SHOWN_MS:
            return
        first = not count
        axes.broken_barh(
            *([(start, end - start - 0.4)], (top, _ROW)),
            facecolors=colour,
            alpha=0.3 if first else 0.14,
            linewidth=0,
        )
        axes.vlines(
            start, top, top + _ROW, color=colour, linewidth=2.8 if first else 1.4
        )
        text = f"{start:.0f} ms" if first else label
        # About 2.4 ms of the axis for each letter.
        if first or min(end, _SHOWN_MS) - start > 2.4 * (len(text) + 1):
            weight, ink = ("bold", charts.INK) if first else ("normal", charts.SOFT)
            axes.text(start + 2.3, top + 16, text, fontweight=weight, color=ink)


def _draw_legend(axes: Axes) -> None:
    """Draw the key of the marks below the axis."""
    y, high = _AXIS_AT + 30, 11

    def say(x: float, words: str) -> None:
        axes.text(x, y, words, color=charts.SOFT, verticalalignment="center")

    def line(x: Sequence[float], colour: str, width: float) -> None:
        ends = [y - high / 2, y + high / 2]
        axes.plot(x, ends, color=colour, linewidth=width, clip_on=False)

    def box(x: float, width: float, alpha: float) -> None:
        place = ([(x, width)], (y - high / 2, high))
        axes.broken_barh(
            *place, facecolors=_FRAME, alpha=alpha, clip_on=False, linewidth=0
        )

    say(0, "since the first message was sent")
    box(150, 3, 1.0)
    say(156, "being rendered")
    box(198, 12, 0.2)
    line([198, 198], _FRAME, 1.6)
    say(213, "arrival, and time until the next one")
    line([306, 314], _FRAME, 0.9)
    line([310, 318], _AUDIO, 0.9)
    say(321, "path of a frame, of 20 ms of audio")


def _caption(turn: dict[str, Any]) -> str:
    def after(rows: list[dict[str, Any]], key: str) -> str:
        at_ms = rows[0][key] if rows else None
        return "never" if at_ms is None else f"after {at_ms:.0f} ms"

    frames, audio = turn["frames"], turn["sound"]
    return (
        f"The first {_SHOWN_MS} ms of one turn, the median one by how long it took to "
        "start. A line that runs down through the rows is the path of one frame, or of "
        "one 20 ms block of audio; the dark edge of a block is the moment at which it "
        "arrived. A frame stays until the next one replaces it; blocks of audio lie "
        "end to end. "
        f"The first frame was submitted {after(frames, 'shown')} and the first audio "
        f"{after(audio, 'at')}; a subscriber in another process had decoded them "
        f"{after(frames, 'decoded')} and {after(audio, 'decoded')}."
    )
