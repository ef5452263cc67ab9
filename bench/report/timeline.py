"""One turn on a line of time: when each thing was where, as data and as a drawing."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from bench.probe.gateway_trace import GatewayTrace
from bench.probe.listening import HEARD_RATE, SENT_RATE, Recording

_SHOWN_MS = 400  # of the turn
_EVERY_MS = 50  # a line across
_LEFT, _WIDTH, _RIGHT = 168, 856, 16
_ROW = 24
_ROWS = {  # name -> its top
    "received": 14,
    "rendered": 66,
    "pictures handed over": 108,
    "pictures decoded": 150,
    "sound handed over": 206,
    "sound decoded": 248,
}
_FOOT = 288  # where the axis is
_HEIGHT = 326
_LABEL = "font-size:12px;fill:var(--ink)"
_STRONG = "font-size:10px;font-weight:600;fill:var(--ink)"
_PICTURE, _SOUND = "var(--mark)", "var(--ink)"

Item = tuple[float, float, str]  # from, until (ms), what stands in it


def timeline(
    sent: Sequence[tuple[float, int]], seen: GatewayTrace, heard: Recording, start: int
) -> dict[str, Any]:
    """
    One turn, in ms since its first message was sent; positions are its samples.

    ``sent`` is when each message was, and its first sample; ``start`` is where in
    ``heard`` the turn begins.  What was never decoded is None.
    """
    began_s = sent[0][0]
    decoded = {int(index): at_s for at_s, index, *_ in heard.frames}

    def ms(at_s: float | None) -> float | None:
        return None if at_s is None else round(1000 * (at_s - began_s), 2)

    totals = [0, *(each.total for each in seen.received)]
    sound = []
    for step in seen.steps:
        place = start + step.first * HEARD_RATE // SENT_RATE
        at_s = heard.arrived(place) if place < len(heard.sound) else None
        times = {"at": ms(step.at_s), "decoded": ms(at_s)}
        queued = round(1000 * step.queued_s, 2)
        place_of = {"first": step.first, "samples": step.samples}
        sound.append({**place_of, **times, "queued": queued})
    return {
        "sent": [{"at": ms(at_s), "first": first} for at_s, first in sent],
        "received": [
            {"at": ms(each.at_s), "first": first, "samples": each.total - first}
            for first, each in zip(totals, seen.received, strict=False)
        ],
        "frames": [
            {
                "index": each.index,
                "first": each.first,
                "samples": each.samples,
                "due": ms(each.due_s),
                "begun": ms(each.begun_s),
                "drawn": ms(each.drawn_s),
                "shown": ms(each.shown_s),
                "decoded": ms(decoded.get(each.index)),
            }
            for each in seen.frames
        ],
        "sound": sound,
    }


def drawing(told: dict[str, Any]) -> str:
    """What `timeline` gives, as a figure for `bench.report.page`."""
    body = "".join(
        [
            *_grid(),
            *_names(told),
            *_lines(told),
            *_marks(told["received"]),
            *_renders(told["frames"]),
            *_blocks("pictures handed over", _pictures(told, "shown"), _PICTURE),
            *_blocks("pictures decoded", _pictures(told, "decoded"), _PICTURE),
            *_blocks("sound handed over", _sounds(told, "at"), _SOUND),
            *_blocks("sound decoded", _sounds(told, "decoded"), _SOUND),
        ]
    )
    wide = _LEFT + _WIDTH + _RIGHT
    return (
        "<figure style='margin:0 0 2.5rem'>"
        f"<svg viewBox='0 0 {wide} {_HEIGHT}' width='100%' role=img "
        f"aria-label='one turn on a line of time'>{body}</svg>"
        f"<figcaption><small>{_caption(told)}</small></figcaption></figure>"
    )


def _across(at_ms: float) -> float:
    return _LEFT + at_ms / _SHOWN_MS * _WIDTH


def _grid() -> Iterator[str]:
    top = _ROWS["received"] - 6
    for at_ms in range(0, _SHOWN_MS + 1, _EVERY_MS):
        x = _across(at_ms)
        yield f"<path d='M{x:.1f} {top}V{_FOOT}' stroke='var(--line)' />"
        last = at_ms == _SHOWN_MS
        yield (
            f"<text x={x:.1f} y={_FOOT + 15} text-anchor={'end' if last else 'middle'}>"
            f"{at_ms}{' ms' if last else ''}</text>"
        )
    yield f"<text x={_LEFT} y={_FOOT + 33}>since the first message was sent</text>"
    yield from _legend()


def _legend() -> Iterator[str]:
    top, x = _FOOT + 24, _LEFT + 330
    at = f"y={top} height=11"
    yield f"<rect x={x} {at} width=7 rx=2 fill='{_PICTURE}' />"
    yield f"<text x={x + 13} y={top + 9}>being drawn</text>"
    x += 92
    yield f"<rect x={x} {at} width=26 fill='{_PICTURE}' fill-opacity=.14 />"
    yield f"<path d='M{x} {top}v11' stroke='{_PICTURE}' stroke-width=2 />"
    yield f"<text x={x + 32} y={top + 9}>there, until the next one</text>"
    x += 168
    yield f"<path d='M{x} {top}l20 11' stroke='{_PICTURE}' stroke-opacity=.6 />"
    yield f"<path d='M{x + 9} {top}l20 11' stroke='{_SOUND}' stroke-opacity=.6 />"
    words = "the way of one picture, of 20 ms of sound"
    yield f"<text x={x + 36} y={top + 9}>{words}</text>"


def _names(told: dict[str, Any]) -> Iterator[str]:
    """The rows' names, with a bar of its colour beside each group."""
    messages, opening = told["received"], told["frames"][0]
    spoken_s = sum(each["samples"] for each in messages) / SENT_RATE
    parts = "message" if len(messages) == 1 else "messages"
    notes = {
        "received": f"{spoken_s:.1f} s in {len(messages)} {parts}",
        "rendered": f"the first in {opening['drawn'] - opening['begun']:.1f} ms",
        "pictures handed over": "to the room",
        "pictures decoded": "at a subscriber",
        "sound handed over": "to the room",
        "sound decoded": "at a subscriber",
    }
    for name, top in _ROWS.items():
        yield f"<text x=10 y={top + 10} style='{_LABEL}'>{name}</text>"
        yield f"<text x=10 y={top + 23}>{notes[name]}</text>"
    for first, last, colour in (
        ("rendered", "pictures decoded", _PICTURE),
        ("sound handed over", "sound decoded", _SOUND),
    ):
        top, tall = _ROWS[first], _ROWS[last] + _ROW - _ROWS[first]
        yield f"<rect x=0 y={top} width=3 height={tall} fill='{colour}' />"


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """One line a frame, and one a piece of sound, from row to row."""
    pictures = ("rendered", "pictures handed over", "pictures decoded")
    for each in told["frames"]:
        yield _line(pictures, (each["drawn"], each["shown"], each["decoded"]), _PICTURE)
    sound = ("sound handed over", "sound decoded")
    for each in told["sound"]:
        yield _line(sound, (each["at"], each["decoded"]), _SOUND)


def _line(
    rows: tuple[str, ...], times_ms: tuple[float | None, ...], colour: str
) -> str:
    path = ""
    for row, at_ms in zip(rows, times_ms, strict=True):
        if at_ms is not None and at_ms < _SHOWN_MS:
            x, top = _across(at_ms), _ROWS[row]
            path += f"{'L' if path else 'M'}{x:.1f} {top}V{top + _ROW}"
    return f"<path d='{path}' fill=none stroke='{colour}' stroke-opacity=.45 />"


def _marks(messages: list[dict[str, Any]]) -> Iterator[str]:
    top = _ROWS["received"]
    for each in messages:
        x = _across(each["at"])
        if each["at"] < _SHOWN_MS:
            yield f"<path d='M{x:.1f} {top}v{_ROW}' stroke='{_SOUND}' stroke-width=2 />"
    at_ms = messages[0]["at"]
    x = _across(at_ms) + 6
    yield f"<text x={x:.1f} y={top + 16} style='{_STRONG}'>{at_ms:.0f} ms</text>"


def _renders(frames: list[dict[str, Any]]) -> Iterator[str]:
    top = _ROWS["rendered"]
    for each in frames:
        if each["drawn"] >= _SHOWN_MS:
            return
        x, width = _across(each["begun"]), each["drawn"] - each["begun"]
        wide = max(1.5, width / _SHOWN_MS * _WIDTH)
        yield (
            f"<rect x={x:.1f} y={top} width={wide:.1f} height={_ROW} rx=2 "
            f"fill='{_PICTURE}' />"
        )


def _pictures(told: dict[str, Any], when: str) -> list[Item]:
    """Each stands until the next one replaces it."""
    frames = [each for each in told["frames"] if each[when] is not None]
    if not frames:
        return []
    length_ms = 1000 * frames[0]["samples"] / SENT_RATE
    ends = [each[when] for each in frames[1:]] + [frames[-1][when] + length_ms]
    began = frames[0]["index"]
    return [
        (each[when], end, f"frame {each['index'] - began + 1}")
        for each, end in zip(frames, ends, strict=True)
    ]


def _sounds(told: dict[str, Any], when: str) -> list[Item]:
    """Each lasts as long as its samples, or until the next is there."""
    steps = [each for each in told["sound"] if each[when] is not None]
    items = [
        (each[when], each[when] + 1000 * each["samples"] / SENT_RATE, "")
        for each in steps
    ]
    return [
        (began, min(end, following[0]), text)
        for (began, end, text), following in pairwise([*items, (float("inf"), 0, "")])
    ]


def _blocks(row: str, items: list[Item], colour: str) -> Iterator[str]:
    """A block a thing, its arrival the strong edge; the first says its time."""
    top = _ROWS[row]
    for count, (began, end, text) in enumerate(items):
        if began >= _SHOWN_MS:
            return
        x = _across(began)
        wide = max(1.0, _across(min(end, _SHOWN_MS)) - x - 1)
        first = not count
        yield (
            f"<rect x={x:.1f} y={top} width={wide:.1f} height={_ROW} fill='{colour}' "
            f"fill-opacity={0.3 if first else 0.14} />"
            f"<path d='M{x:.1f} {top}v{_ROW}' stroke='{colour}' "
            f"stroke-width={3 if first else 1.5} />"
        )
        shown = f"{began:.0f} ms" if first else text
        style = _STRONG if first else ""
        if first or wide > 6 * (len(shown) + 1):
            yield f"<text x={x + 5:.1f} y={top + 16} style='{style}'>{shown}</text>"


def _caption(told: dict[str, Any]) -> str:
    def after(things: list[dict[str, Any]], when: str) -> str:
        at_ms = things[0][when] if things else None
        return "never" if at_ms is None else f"after {at_ms:.0f} ms"

    frames, sound = told["frames"], told["sound"]
    return (
        f"The first {_SHOWN_MS} ms of one turn, the one in the middle by how long it "
        "took to start. A line that runs down through the rows is one picture, or one "
        "20 ms piece of sound, on its way; the strong edge of a block is the moment at "
        "which it got there. A picture then stands until the next one; pieces of "
        "sound lie end to end. "
        f"The first picture was in the room {after(frames, 'shown')} and the first "
        f"sound {after(sound, 'at')}; a subscriber in another process had decoded "
        f"them {after(frames, 'decoded')} and {after(sound, 'decoded')}."
    )
