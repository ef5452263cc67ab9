"""``avatars``: list, check and preview avatar packages."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageDraw
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from lite_gateway.cli.render import find_avatar, video_frame
from lite_gateway.config import Config, shipped_avatars
from lite_gateway.errors import ConfigError
from lite_gateway.offline.expressions import BLINK, POSES, VISEMES, Weights, both
from lite_gateway.video_quality import VideoQuality, parse_quality
from renderer.avatar import (
    Avatar,
    AvatarCatalog,
    BrokenAvatar,
    load,
    load_all,
    make_rig,
)
from renderer.engine import Engine, RenderJob
from renderer.face import INDEX, NAMES, face
from renderer.frames import FrameRequest, RigInput, VideoFrame
from renderer.portrait.loader import count_keyframes

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_COLUMNS = 5  # of a sheet
_CELL = "256x256"
_WIDTH = 126  # of the list
_KIB, _MIB = 1024, 1024 * 1024
_LETTERS = 14  # share of a cell's height that a name has: one of so many


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "avatars",
        help="list, check and preview avatar packages",
        description="A package is a folder, or one .zip, with an avatar.json in it: "
        "docs/avatars.md.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "check", "preview"),
        default="list",
        help="check exits with 1 when a package is broken; preview writes a PNG",
    )
    parser.add_argument(
        "name",
        nargs="?",
        help="which one: a name, or the path of a folder or .zip anywhere; all of "
        "--avatars if left out, and for preview the default avatar",
    )
    parser.add_argument("--avatars", type=Path, default=shipped_avatars())
    shown = parser.add_argument_group("for preview")
    what = shown.add_mutually_exclusive_group()
    what.add_argument(
        "--face",
        type=_face,
        metavar="NAME=N,…",
        help="weights, as jawOpen=0.6,mouthSmile=0.3,headYaw=0.1; what has no side "
        "gets both; a moment of idling if left out",
    )
    what.add_argument(
        "--sheet",
        action="store_true",
        help="15 visemes, poses and a blink, on one page",
    )
    shown.add_argument(
        "--quality",
        help=f"default 512x512; for each face of a sheet {_CELL}",
    )
    shown.add_argument("-o", "--output", type=Path, help="the PNG (default NAME.png)")
    parser.set_defaults(run=_avatars)


def _face(text: str) -> Weights:
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if not {*both(**{name: 0.0})} <= INDEX.keys():
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(NAMES)}")
        try:
            weights |= both(**{name: float(number)})
        except ValueError:
            wrong = f"{part.strip()!r} must be a name and a number, as jawOpen=0.6"
            raise argparse.ArgumentTypeError(wrong) from None
    return weights


def _avatars(given: argparse.Namespace) -> int:
    if given.action == "preview":
        return _preview(given)
    shelf = _shelf(given.avatars, given.name)
    if given.action == "list" or shelf.avatars:
        # Names and ids are copied: rather a line too long than one that is cut.
        Console(width=max(Console().width, _WIDTH)).print(_table(shelf))
    for name, why in sorted(shelf.broken.items()):
        Console().print(f"[red]broken[/] {name}: {why}", highlight=False)
    return 1 if given.action == "check" and shelf.broken else 0


def _shelf(folder: Path, name: str | None) -> AvatarCatalog:
    """All of ``folder``, or the one that ``name`` says."""
    if name is None:
        return load_all(folder)
    if (path := _package(name)) is None:
        shelf = load_all(folder)
        if why := shelf.broken.get(name):
            return AvatarCatalog({}, {name: why})
        return AvatarCatalog({name: find_avatar(folder, name)}, {})
    try:
        return AvatarCatalog({path.name: load(path)}, {})
    except BrokenAvatar as broken:
        return AvatarCatalog({}, {path.name: str(broken)})


def _package(name: str) -> Path | None:
    """Of a path; a bare name is one of the avatars folder."""
    path = Path(name)
    if path.name == name and path.suffix != ".zip":
        return None
    if not path.exists():
        problem = f"{name!r} does not exist"
        raise ConfigError("avatars", problem, "Name an avatar, a folder or a .zip.")
    return path.resolve()


def _table(shelf: AvatarCatalog) -> Table:
    names = ("name", "kind", "size", "keys", "id")
    whole = [Column(name, no_wrap=True) for name in names]
    table = Table(*whole, "title", "licence", "author", box=SIMPLE)
    for _, avatar in sorted(shelf.avatars.items()):
        package = avatar.package.path
        table.add_row(
            *(avatar.name, avatar.rig, _size(package), _keys(avatar), str(avatar.id)),
            *(avatar.title, avatar.licence, avatar.author),
        )
    return table


def _size(path: Path) -> str:
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    size = sum(file.stat().st_size for file in files)
    return f"{size / _MIB:.1f} MiB" if size >= _MIB else f"{-(-size // _KIB)} KiB"


def _keys(avatar: Avatar) -> str:
    """How many expressions were rendered: of the mouth, and of each eye."""
    if avatar.background is None:
        return ""
    return "+".join(str(count) for count in count_keyframes(avatar.package).values())


def _preview(given: argparse.Namespace) -> int:
    avatar = _one(given.avatars, given.name or Config().default_avatar)
    size = parse_quality(given.quality or (_CELL if given.sheet else "512x512"))
    if given.sheet:
        picture = _sheet(avatar, size)
    elif given.face:
        [picture] = _drawn(avatar, size, [given.face])
    else:
        engine = Engine(device="cpu")
        render_session = engine.open_session(avatar, size.width, size.height, seed=1)
        picture = _image(
            engine.render([RenderJob(render_session, FrameRequest(0, 0.0, "idle"))])[0]
        )
    output = given.output or Path(f"{avatar.name}.png")
    try:
        picture.save(output, format="PNG")
    except OSError as error:
        problem = f"{output} cannot be written ({error.strerror})"
        fix = "Name a file in a folder that exists."
        raise ConfigError("--output", problem, fix) from error
    print(output)
    return 0


def _one(folder: Path, name: str) -> Avatar:
    shelf = _shelf(folder, name)
    for broken, why in shelf.broken.items():
        problem = f"avatar package {broken!r} is broken: {why}"
        raise ConfigError("avatars", problem, "Correct it.")
    return next(iter(shelf.avatars.values()))


def _sheet(avatar: Avatar, size: VideoQuality) -> Image.Image:
    """All of the lists, each with its name."""
    every: Mapping[str, Weights] = {**VISEMES, **POSES, **BLINK}
    lines = -(-len(every) // _COLUMNS)
    page = Image.new("RGB", (_COLUMNS * size.width, lines * size.height))
    pen, letters = ImageDraw.Draw(page), size.height // _LETTERS
    cells = _drawn(avatar, size, list(every.values()))
    for i, (name, cell) in enumerate(zip(every, cells, strict=True)):
        left, top = i % _COLUMNS * size.width, i // _COLUMNS * size.height
        page.paste(cell, (left, top))
        at = (left + letters // 2, top + letters // 3)
        pen.text(
            at, name, "white", font_size=letters, stroke_width=2, stroke_fill="black"
        )
    return page


def _drawn(
    avatar: Avatar, size: VideoQuality, faces: Sequence[Weights]
) -> list[Image.Image]:
    rig = make_rig(avatar, size.width, size.height, torch.device("cpu"))
    rig_input = RigInput(index=0, turn=0, at_s=0.0, level=0.0)
    frames = [rig.draw(face(**weights)[None], [rig_input])[0] for weights in faces]
    return [_image(VideoFrame(size.width, size.height, one.numpy())) for one in frames]


def _image(picture: VideoFrame) -> Image.Image:
    return Image.fromarray(video_frame(picture).to_ndarray(format="rgb24"))
