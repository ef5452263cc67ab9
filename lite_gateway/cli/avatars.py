"""Command ``avatars``: list, check and preview avatar packages."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from lite_gateway.cli.output import check_ending, writing
from lite_gateway.cli.parsers.avatars import SHEET_CELL
from lite_gateway.cli.render import (
    background_of,
    catalog_in,
    find_avatar,
    to_av_frame,
)
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError
from lite_gateway.offline.expressions import BLINK, POSES, VISEMES, Weights
from lite_gateway.video_quality import VideoQuality, parse_quality
from renderer.avatar import (
    Avatar,
    AvatarCatalog,
    BrokenAvatar,
    load,
    make_rig,
)
from renderer.engine import Engine, RenderJob
from renderer.face import face_array
from renderer.frames import FrameRequest, VideoFrame
from renderer.portrait.loader import count_keyframes
from renderer.rig import RigInput

_SHEET_COLUMNS = 5
_MIN_WIDTH = 126  # characters of the list
_KIB, _MIB = 1024, 1024 * 1024
_CELL_HEIGHT_PER_FONT_SIZE = 14


def run_action(args: argparse.Namespace) -> int:
    """List, check or preview packages and return the exit status."""
    if args.action == "preview":
        return _preview(args)
    catalog = _load_catalog(args.avatars, args.name)
    if args.action == "list" or catalog.avatars:
        # Users copy names and ids, so the table may be wider than the terminal.
        Console(width=max(Console().width, _MIN_WIDTH)).print(_table(catalog))
    for name, error in sorted(catalog.broken.items()):
        text = escape(f"{name}: {error}")
        Console().print(f"[red]broken[/] {text}", highlight=False)
    return 1 if args.action == "check" and catalog.broken else 0


def _load_catalog(folder: Path, name: str | None) -> AvatarCatalog:
    """Load all packages of ``folder``, or only the one that ``name`` selects."""
    if name is None:
        return catalog_in(folder)
    if (path := _package_path(name)) is None:
        if error := catalog_in(folder).broken.get(name):
            return AvatarCatalog({}, {name: error})
        return AvatarCatalog({name: find_avatar(folder, name)}, {})
    try:
        return AvatarCatalog({path.name: load(path)}, {})
    except BrokenAvatar as broken:
        return AvatarCatalog({}, {path.name: str(broken)})


def _package_path(name: str) -> Path | None:
    """Return the package if ``name`` is a path; None if it is the name of an avatar."""
    path = Path(name)
    if path.name == name and path.suffix != ".zip":
        return None
    if not path.exists():
        problem = f"{name!r} does not exist"
        raise ConfigError("avatar", problem, "Name an avatar, a folder or a .zip.")
    return path.resolve()


def _table(catalog: AvatarCatalog) -> Table:
    names = ("name", "kind", "size", "keys", "id")
    unwrapped = [Column(name, no_wrap=True) for name in names]
    table = Table(*unwrapped, "title", "licence", "author", box=SIMPLE)
    for _, avatar in sorted(catalog.avatars.items()):
        package = avatar.package.path
        table.add_row(
            *(avatar.name, avatar.rig, _size(package)),
            *(_keyframes(avatar), str(avatar.id)),
            *map(escape, (avatar.title, avatar.licence, avatar.author)),
        )
    return table


def _size(path: Path) -> str:
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    size = sum(file.stat().st_size for file in files)
    return f"{size / _MIB:.1f} MiB" if size >= _MIB else f"{-(-size // _KIB)} KiB"


def _keyframes(avatar: Avatar) -> str:
    """Return the number of keyframes of a portrait: of its mouth and of each eye."""
    if avatar.background is None:
        return ""
    return "+".join(str(count) for count in count_keyframes(avatar.package).values())


def _preview(args: argparse.Namespace) -> int:
    if args.output is not None:
        check_ending(args.output, ".png", "an image as PNG")
    avatar = _load_one(args.avatars, args.name or Config().default_avatar)
    size = parse_quality(args.quality or (SHEET_CELL if args.sheet else "512x512"))
    background = background_of(avatar, args.background)
    if args.sheet:
        image = _sheet(avatar, size, background)
    elif args.face:
        [image] = _draw(avatar, size, [args.face], background)
    else:
        engine = Engine(device="cpu")
        session = engine.open_session(
            avatar, size.width, size.height, seed=1, background=background
        )
        [frame] = engine.render([RenderJob(session, FrameRequest(0, 0.0, "idle"))])
        image = _image(frame)
    output = args.output or Path(f"{avatar.name}.png")
    with writing(output):
        image.save(output, format="PNG")
    print(output)
    return 0


def _load_one(folder: Path, name: str) -> Avatar:
    catalog = _load_catalog(folder, name)
    for broken, error in catalog.broken.items():
        problem = f"package {broken!r} is broken: {error}"
        raise ConfigError("avatar", problem, "Correct it.")
    return next(iter(catalog.avatars.values()))


def _sheet(avatar: Avatar, size: VideoQuality, background: str) -> Image.Image:
    """Draw every viseme, pose and blink with its name on one page."""
    faces: Mapping[str, Weights] = {**VISEMES, **POSES, **BLINK}
    rows = -(-len(faces) // _SHEET_COLUMNS)
    page = Image.new("RGB", (_SHEET_COLUMNS * size.width, rows * size.height))
    pen, font_size = ImageDraw.Draw(page), size.height // _CELL_HEIGHT_PER_FONT_SIZE
    cells = _draw(avatar, size, list(faces.values()), background)
    for i, (name, cell) in enumerate(zip(faces, cells, strict=True)):
        left, top = i % _SHEET_COLUMNS * size.width, i // _SHEET_COLUMNS * size.height
        page.paste(cell, (left, top))
        pen.text(
            (left + font_size // 2, top + font_size // 3),
            name,
            "white",
            font_size=font_size,
            stroke_width=2,
            stroke_fill="black",
        )
    return page


def _draw(
    avatar: Avatar, size: VideoQuality, faces: Sequence[Weights], background: str
) -> list[Image.Image]:
    rig = make_rig(avatar, size.width, size.height, "cpu", background=background)
    rig_input = RigInput(index=0, turn=0, at_s=0.0, level=0.0)
    planes = [
        rig.draw(face_array(**weights)[None], [rig_input])[0] for weights in faces
    ]
    return [_image(VideoFrame(size.width, size.height, i420)) for i420 in planes]


def _image(frame: VideoFrame) -> Image.Image:
    return Image.fromarray(to_av_frame(frame).to_ndarray(format="rgb24"))
