"""
One clip on a time line: its sound, its phones, three curves, and the face every 80 ms.

Needs Pillow, which the extras ``dev`` and ``studio`` bring.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lite_gateway.cli.render import to_av_frame
from protocol.lite.messages import SAMPLE_RATE
from renderer.avatar import Avatar, make_rig
from renderer.face import ARKIT, SIZE
from renderer.frames import RigInput, VideoFrame
from renderer.life.life import Life
from training.evaluation.clips import Clip
from training.evaluation.grid import STEP_S, Array, Lips, Track, on_grid
from training.evaluation.reference import reference

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

EVERY_S = 0.080
_FACES = 16  # in a row, of 1.28 s
_SIZE = 448
_CROP = (164, 196, 284, 336)  # nose to chin, of a picture of 448 x 448
_WIDTH = _CROP[2] - _CROP[0]  # pixels to 80 ms
_SOUND, _PHONES, _CURVES, _GAP = 56, 20, 96, 22  # heights
_TALKING = "talking"
_INK, _PAPER, _FAINT = "#1c2422", "#fbfaf7", "#c9d0cc"
_COLOURS = {"opening": "#b3402e", "rounding": "#0f6b66", "bite": "#6b4fa0"}
_MARKED = {"P": "#f2c9c0", "B": "#f2c9c0", "M": "#f2c9c0"}
_MARKED |= {"F": "#ddd2ef", "V": "#ddd2ef", "SIL": "#ececec"}


def draw_sheet(path: Path, clip: Clip, track: Track, avatar: Avatar, name: str) -> None:
    """A PNG; thin lines are the reference, thick ones the driver's."""
    from PIL import Image, ImageDraw

    shown, wanted = on_grid(track, clip), reference(clip)
    moments = np.arange(EVERY_S / 2, clip.seconds, EVERY_S)
    faces = _pictures(track, avatar, moments)
    rows = -(-len(moments) // _FACES)
    face_height = _CROP[3] - _CROP[1]
    height = _SOUND + _PHONES + _CURVES + face_height + _GAP
    sheet = Image.new("RGB", (_FACES * _WIDTH, rows * height + 2 * _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((6, 6), f"{clip.name}   {name}   {avatar.name}   {clip.text}", _INK)
    for i, (colour_of, colour) in enumerate(_COLOURS.items()):
        pen.text((6 + 90 * i, _GAP), colour_of, colour)
    for row in range(rows):
        top, begin_s = 2 * _GAP + row * height, row * _FACES * EVERY_S
        _draw_sound(pen, clip, begin_s, top)
        _draw_phones(pen, clip, begin_s, top + _SOUND)
        under = top + _SOUND + _PHONES
        _draw_curves(pen, wanted, begin_s, under, 1, _reach(wanted))
        _draw_curves(pen, shown, begin_s, under, 3, _reach(shown))
        for i, face in enumerate(faces[row * _FACES : (row + 1) * _FACES]):
            sheet.paste(face, (i * _WIDTH, under + _CURVES))
    sheet.save(path, optimize=True)


def _pictures(track: Track, avatar: Avatar, moments: Array) -> "list[Image]":
    """The lower face at each moment, from the frame that is on the screen then."""
    from PIL import Image

    rig, life = make_rig(avatar, _SIZE, _SIZE, torch.device("cpu")), Life(1)
    last = len(track.faces) - 1
    pictures = []
    for at_s in moments.tolist():
        index = min(max(round((at_s - track.t0_s) * track.fps), 0), last)
        face = torch.zeros(SIZE)
        face[: track.faces.shape[1]] = torch.from_numpy(track.faces[index])
        face += life.face(at_s, _TALKING)
        face[len(ARKIT) :] = 0  # a head that holds still is easier to compare
        with torch.inference_mode():
            [i420] = rig.draw(face[None], [RigInput(index, 1, at_s, 0.0)]).cpu().numpy()
        frame = to_av_frame(VideoFrame(_SIZE, _SIZE, i420)).to_ndarray(format="rgb24")
        pictures.append(Image.fromarray(frame).crop(_CROP))
    return pictures


def _x(at_s: float, begin_s: float) -> float:
    return (at_s - begin_s) / EVERY_S * _WIDTH


def _draw_sound(pen: "ImageDraw", clip: Clip, begin_s: float, top: int) -> None:
    samples = np.frombuffer(clip.speech, "<i2").astype(np.float64)
    loudest = max(float(np.abs(samples).max()), 1.0)
    step = EVERY_S / _WIDTH * SAMPLE_RATE
    for x in range(_FACES * _WIDTH):
        first = round(begin_s * SAMPLE_RATE + x * step)
        piece = samples[first : first + max(1, round(step))]
        if len(piece):
            high, low = (
                _SOUND / 2 * (1 - v / loudest) for v in (piece.max(), piece.min())
            )
            pen.line((x, top + high, x, top + low), _INK)


def _draw_phones(pen: "ImageDraw", clip: Clip, begin_s: float, top: int) -> None:
    width = _FACES * _WIDTH
    for phone in clip.phones:
        left, right = _x(phone.start_s, begin_s), _x(phone.end_s, begin_s)
        if right <= 0 or left >= width:
            continue
        if phone.sound in _MARKED:
            box = (left, top, right, top + _PHONES + _CURVES)
            pen.rectangle(box, _MARKED[phone.sound])
        pen.line((left, top, left, top + _PHONES + _CURVES), _FAINT)
        shown = phone.sound if phone.sound != "SIL" else "·"
        pen.text(
            ((max(left, 0) + min(right, width)) / 2, top + 4), shown, _INK, anchor="ma"
        )


def _reach(lips: Lips) -> dict[str, float]:
    """What is drawn at full height: of the opening the driver's own widest."""
    widest = max(float(np.percentile(lips.opening, 95)), 1e-3)
    return {"opening": widest, "rounding": 1.0, "bite": 1.0}


def _draw_curves(
    pen: "ImageDraw", lips: Lips, begin_s: float, top: int, width: int,
    reach: dict[str, float],
) -> None:  # fmt: skip
    first = round(begin_s / STEP_S)
    count = round(_FACES * EVERY_S / STEP_S) + 1
    for name, colour in _COLOURS.items():
        values = getattr(lips, name)[first : first + count] / reach[name]
        points: Sequence[tuple[float, float]] = [
            (
                i * STEP_S / EVERY_S * _WIDTH,
                top + (_CURVES - 8) * (1 - min(max(value, -0.1), 1.15)) + 4,
            )
            for i, value in enumerate(values.tolist())
        ]
        if len(points) > 1:
            pen.line(list(points), colour, width)
