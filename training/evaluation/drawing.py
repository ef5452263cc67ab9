"""Timeline of one clip: waveform, phones, lip measures, and the face every 80 ms.

Needs matplotlib, which the extra ``dev`` contains.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lite_gateway.cli.render import to_av_frame
from protocol.lite.messages import SAMPLE_RATE
from renderer.avatar import Avatar, make_rig
from renderer.face import ARKIT, SIZE
from renderer.frames import VideoFrame
from renderer.life.life import Life
from renderer.rig import RigInput
from training.evaluation.clips import Clip
from training.evaluation.grid import Array, Lips, Track, grid, on_grid
from training.evaluation.reference import reference_lips

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FACE_STEP_S = 0.080
_FACES_PER_ROW = 16
_ROW_S = _FACES_PER_ROW * FACE_STEP_S
_SIZE = 448  # pixels, width and height of the drawn frames
_LEFT, _TOP, _RIGHT, _BOTTOM = 164, 196, 284, 336  # pixels: from the nose to the chin
_DPI = 100
_WIDTH = _FACES_PER_ROW * (_RIGHT - _LEFT)  # pixels, of the image
_WAVEFORM, _CURVES, _FACES, _GAP = 56, 116, _BOTTOM - _TOP, 22  # pixels, heights
_TALKING = "talking"
_INK, _PAPER, _LINE = "#1c2422", "#fbfaf7", "#c9d0cc"
_COLOURS = {"opening": "#b3402e", "rounding": "#0f6b66", "bite": "#6b4fa0"}
_LIP_STOP, _BITE, _SILENCE = "#f2c9c0", "#ddd2ef", "#ececec"
_SHADES = {"P": _LIP_STOP, "B": _LIP_STOP, "M": _LIP_STOP}
_SHADES |= {"F": _BITE, "V": _BITE, "SIL": _SILENCE}

Rgb = npt.NDArray[np.uint8]


def draw_time_line(
    path: Path, clip: Clip, track: Track, avatar: Avatar, name: str
) -> None:
    """Save the timeline as PNG; the reference is thin lines, the track thick ones."""
    # Scoring does without matplotlib, so only this function needs it.
    from matplotlib.figure import Figure

    times = np.arange(FACE_STEP_S / 2, clip.seconds, FACE_STEP_S)
    faces = _faces(track, avatar, times)
    rows = -(-len(times) // _FACES_PER_ROW)
    heights = (_WAVEFORM, _CURVES, _FACES, _GAP)
    height = rows * sum(heights) + 2 * _GAP
    figure = Figure((_WIDTH / _DPI, height / _DPI), _DPI, facecolor=_PAPER)
    _draw_title(figure, f"{clip.name}   {name}   {avatar.name}   {clip.text}", height)
    axes = figure.subplots(
        rows * len(heights),
        gridspec_kw={
            "height_ratios": heights * rows,
            **{"left": 0, "right": 1, "bottom": 0, "top": 1 - 2 * _GAP / height},
            "hspace": 0,
        },
    )
    shown, target = on_grid(track, clip), reference_lips(clip)
    for row in range(rows):
        begin_s = row * _ROW_S
        waveform, curves, pictures, gap = axes[4 * row : 4 * row + 4]
        for axis in (waveform, curves, pictures, gap):
            axis.set_axis_off()
            axis.set_xlim(begin_s, begin_s + _ROW_S)
        _draw_waveform(waveform, clip, begin_s)
        _draw_phones(curves, clip)
        _draw_curves(curves, target, grid(clip), width=0.7)
        _draw_curves(curves, shown, grid(clip), width=2.2)
        first = row * _FACES_PER_ROW
        for i, face in enumerate(faces[first : first + _FACES_PER_ROW]):
            left_s = begin_s + i * FACE_STEP_S
            extent = (left_s, left_s + FACE_STEP_S, 0.0, 1.0)
            pictures.imshow(face, extent=extent, aspect="auto")
        pictures.set_xlim(begin_s, begin_s + _ROW_S)
    figure.savefig(path)


def _draw_title(figure: "Figure", title: str, height: int) -> None:
    figure.text(6 / _WIDTH, 1 - 6 / height, title, color=_INK, fontsize=8, va="top")
    for i, (measure, colour) in enumerate(_COLOURS.items()):
        x, y = (6 + 90 * i) / _WIDTH, 1 - _GAP / height
        figure.text(x, y, measure, color=colour, fontsize=8, va="top")


def _faces(track: Track, avatar: Avatar, times: Array) -> list[Rgb]:
    """Return the lower face at each time, from the frame that is on the screen then."""
    rig, life = make_rig(avatar, _SIZE, _SIZE, "cpu"), Life(1)
    last = len(track.faces) - 1
    crops: list[Rgb] = []
    for at_s in times.tolist():
        index = min(max(round((at_s - track.t0_s) * track.fps), 0), last)
        face = np.zeros(SIZE, np.float32)
        face[: track.faces.shape[1]] = track.faces[index]
        face += life.face(at_s, _TALKING)
        face[len(ARKIT) :] = 0  # a head at rest is easier to compare
        [i420] = rig.draw(face[None], [RigInput(index, 1, at_s, 0.0)])
        frame = to_av_frame(VideoFrame(_SIZE, _SIZE, i420)).to_ndarray(format="rgb24")
        crops.append(frame[_TOP:_BOTTOM, _LEFT:_RIGHT].astype(np.uint8))
    return crops


def _draw_waveform(axis: "Axes", clip: Clip, begin_s: float) -> None:
    samples = np.frombuffer(clip.speech, "<i2").astype(np.float64)
    peak = max(float(np.abs(samples).max(initial=0)), 1.0)
    first, count = round(begin_s * SAMPLE_RATE), round(_ROW_S * SAMPLE_RATE)
    row = samples[first : first + count]
    times = begin_s + np.arange(len(row)) / SAMPLE_RATE
    axis.plot(times, row, color=_INK, linewidth=0.4)
    axis.set_ylim(-peak, peak)


def _draw_phones(axis: "Axes", clip: Clip) -> None:
    for phone in clip.phones:
        if phone.phoneme in _SHADES:
            axis.axvspan(phone.start_s, phone.end_s, color=_SHADES[phone.phoneme], lw=0)
        axis.axvline(phone.start_s, color=_LINE, linewidth=0.8)
        text = phone.phoneme if phone.phoneme != "SIL" else "·"
        middle_s = (phone.start_s + phone.end_s) / 2
        axis.text(
            middle_s, 1.35, text, color=_INK, fontsize=8, ha="center", clip_on=True
        )


def _draw_curves(axis: "Axes", lips: Lips, times: Array, width: float) -> None:
    """Draw three measures; the opening is relative to its own 95th percentile."""
    widest = max(float(np.percentile(lips.opening, 95)), 1e-3)
    full_scale = {"opening": widest, "rounding": 1.0, "bite": 1.0}
    for measure, colour in _COLOURS.items():
        values = getattr(lips, measure) / full_scale[measure]
        axis.plot(times, values.clip(-0.1, 1.15), color=colour, linewidth=width)
    axis.set_ylim(-0.15, 1.6)
