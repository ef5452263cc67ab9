"""
Film strips of an avatar: a blink, a nod while listening, an interrupt.

``python tools/moments.py mira web/samples/hello.wav -o docs/moments.webp``
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lite_gateway.cli.render import frame_requests
from lite_gateway.offline.wav import read_wav
from renderer.avatar import Avatar, load
from renderer.engine import Engine, RenderJob
from renderer.face import INDEX
from renderer.frames import FrameRequest
from renderer.life.life import Life
from renderer.rig import RigInput
from tools.contact_sheet import CELL, CROP, SIZE, to_rgb

Faces = npt.NDArray[np.float32]

FPS = 25
SHOWN = 8  # frames of each strip
_SEARCHED = 40 * FPS  # frames; long enough for a blink and a nod to occur
_INTERRUPTED_AT = 34  # frame of the interrupt, in the middle of a word


def simulate(pose: str, seed: int) -> Faces:
    """Return the faces ``[n, 57]`` of 40 s in one pose."""
    life = Life(seed)
    return np.stack([life.face(i / FPS, pose) for i in range(_SEARCHED)])


def blink(seed: int) -> Faces:
    """Return the frames around the most closed left eye."""
    faces = simulate("idle", seed)
    shut = int(faces[FPS:, INDEX["eyeBlinkLeft"]].argmax()) + FPS
    return faces[shut - 3 : shut - 3 + SHOWN]


def nod(seed: int) -> Faces:
    """Return every other frame around the deepest dip of the head."""
    faces = simulate("listening", seed)
    pitch = faces[:, INDEX["headPitch"]]
    before = sliding_window_view(pitch, FPS // 2).max(1)
    dip = int((before - pitch[FPS // 2 - 1 :])[FPS:].argmax()) + FPS + FPS // 2 - 1
    return faces[dip - SHOWN : dip + SHOWN : 2]


def draw_faces(avatar: Avatar, engine: Engine, faces: Faces) -> list[Image.Image]:
    """Return one cropped image for each face."""
    rig = engine.open_session(avatar, SIZE, SIZE, seed=1).rig
    rig_inputs = [RigInput(index=0, turn=0, at_s=0.0, level=0.0)] * len(faces)
    return [crop_head(frame) for frame in rig.draw(faces, rig_inputs)]


def interrupt(avatar: Avatar, engine: Engine, wav: Path) -> list[Image.Image]:
    """Return three frames of speech, and those after an interrupt."""
    render_session = engine.open_session(avatar, SIZE, SIZE, seed=1)
    speech = list(
        islice(frame_requests(b"", read_wav(wav), b"", "neutral"), _INTERRUPTED_AT)
    )
    after = range(_INTERRUPTED_AT, _INTERRUPTED_AT + SHOWN - 3)
    requests = speech + [FrameRequest(i, i / FPS, "idle") for i in after]
    frames = [
        engine.render([RenderJob(render_session, request)])[0].i420
        for request in requests
    ]
    return [crop_head(frame) for frame in frames[-SHOWN:]]


def crop_head(i420: object) -> Image.Image:
    """Return the head of an I420 frame, at the size of a cell."""
    image = Image.fromarray(to_rgb(i420, SIZE, SIZE))  # type: ignore[arg-type]
    crop = image.crop(CROP)
    return crop.resize(CELL, Image.Resampling.LANCZOS)


def join(rows: Sequence[tuple[str, list[Image.Image]]]) -> Image.Image:
    """Return the named rows of images below each other."""
    page = Image.new("RGB", (SHOWN * CELL[0], len(rows) * CELL[1]))
    pen = ImageDraw.Draw(page)
    for row, (name, images) in enumerate(rows):
        for column, image in enumerate(images):
            page.paste(image, (column * CELL[0], row * CELL[1]))
        pen.text((8, row * CELL[1] + 6), name, fill="white", font_size=18)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("avatar")
    parser.add_argument("speech", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--avatars", type=Path, default=Path("assets/avatars"))
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    avatar = load(args.avatars / args.avatar)
    engine = Engine(device="cpu")
    rows = [
        ("blink, 40 ms each", draw_faces(avatar, engine, blink(args.seed))),
        ("nod, 80 ms each", draw_faces(avatar, engine, nod(args.seed))),
        ("interrupt after the third", interrupt(avatar, engine, args.speech)),
    ]
    join(rows).save(args.output, quality=85, method=6)


if __name__ == "__main__":
    main()
