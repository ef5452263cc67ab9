"""
Moments of an avatar, frame by frame: a blink, a nod while listening, an interrupt.

``python tools/moments.py mira web/samples/hello.wav -o docs/moments.webp``
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contact_sheet import CELL, CROPS, SIZE, to_rgb

from lite_gateway.cli.render import frame_requests
from lite_gateway.offline.wav import read_wav
from renderer.avatar import Avatar, load
from renderer.engine import Engine, RenderJob
from renderer.face import INDEX
from renderer.frames import FrameRequest, RigInput
from renderer.life.life import Life

FPS = 25
SHOWN = 8  # frames of each moment
_SEARCHED = 40 * FPS  # frames in which something is bound to happen
_CUT_AT = 34  # frames into the film, in the middle of a word


def lived(pose: str, seed: int) -> Tensor:
    """Faces ``[n, 57]`` of a long time in one pose."""
    life = Life(seed)
    return torch.stack([life.face(i / FPS, pose) for i in range(_SEARCHED)])


def blink(seed: int) -> Tensor:
    faces = lived("idle", seed)
    shut = int(faces[FPS:, INDEX["eyeBlinkLeft"]].argmax()) + FPS
    return faces[shut - 3 : shut - 3 + SHOWN]


def nod(seed: int) -> Tensor:
    """Every other frame around the deepest dip of the head."""
    faces = lived("listening", seed)
    pitch = faces[:, INDEX["headPitch"]]
    before = pitch.unfold(0, FPS // 2, 1).amax(1)
    dip = int((before - pitch[FPS // 2 - 1 :])[FPS:].argmax()) + FPS + FPS // 2 - 1
    return faces[dip - SHOWN : dip + SHOWN : 2]


def drawn(avatar: Avatar, engine: Engine, faces: Tensor) -> list[Image.Image]:
    rig = engine.open_session(avatar, SIZE, SIZE, seed=1).rig
    rig_inputs = [RigInput(index=0, turn=0, at_s=0.0, level=0.0)] * len(faces)
    return [cut(avatar, frame.numpy()) for frame in rig.draw(faces, rig_inputs)]


def interrupt(avatar: Avatar, engine: Engine, wav: Path) -> list[Image.Image]:
    """Three frames of speech, and what comes after the word to be silent."""
    render_session = engine.open_session(avatar, SIZE, SIZE, seed=1)
    said = list(islice(frame_requests(b"", read_wav(wav), b"", "neutral"), _CUT_AT))
    after = range(_CUT_AT, _CUT_AT + SHOWN - 3)
    requests = said + [FrameRequest(i, i / FPS, "idle") for i in after]
    pictures = [
        engine.render([RenderJob(render_session, request)])[0].i420
        for request in requests
    ]
    return [cut(avatar, picture) for picture in pictures[-SHOWN:]]


def cut(avatar: Avatar, i420: object) -> Image.Image:
    picture = Image.fromarray(to_rgb(i420, SIZE, SIZE))  # type: ignore[arg-type]
    crop = picture.crop(CROPS[avatar.rig])
    return crop.resize(CELL, Image.Resampling.LANCZOS)


def page(rows: Sequence[tuple[str, list[Image.Image]]]) -> Image.Image:
    sheet = Image.new("RGB", (SHOWN * CELL[0], len(rows) * CELL[1]))
    pen = ImageDraw.Draw(sheet)
    for row, (name, pictures) in enumerate(rows):
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (column * CELL[0], row * CELL[1]))
        pen.text((8, row * CELL[1] + 6), name, fill="white", font_size=18)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("avatar")
    parser.add_argument("speech", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--avatars", type=Path, default=Path("assets/avatars"))
    parser.add_argument("--seed", type=int, default=4)
    given = parser.parse_args()
    avatar = load(given.avatars / given.avatar)
    engine = Engine(device="cpu")
    rows = [
        ("blink, 40 ms each", drawn(avatar, engine, blink(given.seed))),
        ("nod, 80 ms each", drawn(avatar, engine, nod(given.seed))),
        ("interrupt after the third", interrupt(avatar, engine, given.speech)),
    ]
    page(rows).save(given.output, quality=85, method=6)


if __name__ == "__main__":
    main()
