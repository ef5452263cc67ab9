"""``avatars``: list, check and preview avatar packages."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import av
from rich.console import Console
from rich.table import Table

from lite_gateway.cli.render import find_avatar, video_frame
from lite_gateway.config import shipped_avatars
from lite_gateway.quality import quality
from renderer.avatar import load_all
from renderer.engine import Engine, Job
from renderer.frames import Shot

if TYPE_CHECKING:
    from lite_gateway.cli import Commands


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "avatars",
        help="list, check and preview avatar packages",
        description="A package is a folder, or one .zip, with an avatar.json in it.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "check", "preview"),
        default="list",
        help="check exits with 1 when a package is broken; preview writes a PNG",
    )
    parser.add_argument("name", nargs="?", help="for preview: which one")
    parser.add_argument("--avatars", type=Path, default=shipped_avatars())
    parser.add_argument("--quality", default="512x512")
    parser.add_argument("-o", "--output", type=Path, help="for preview: the PNG")
    parser.set_defaults(run=_avatars)


def _avatars(given: argparse.Namespace) -> int:
    if given.action == "preview":
        return _preview(given)
    shelf = load_all(given.avatars)
    table = Table("name", "id", "title", "kind", "licence", "author")
    for name, avatar in sorted(shelf.avatars.items()):
        table.add_row(
            name,
            str(avatar.id),
            avatar.title,
            avatar.rig,
            avatar.licence,
            avatar.author,
        )
    console = Console()
    console.print(table)
    for name, why in sorted(shelf.broken.items()):
        console.print(f"[red]broken[/] {name}: {why}", highlight=False)
    return 1 if given.action == "check" and shelf.broken else 0


def _preview(given: argparse.Namespace) -> int:
    avatar = find_avatar(given.avatars, given.name or "ada")
    size = quality(given.quality)
    engine = Engine(device="cpu")
    stage = engine.stage(avatar, size.width, size.height, seed=1)
    picture = engine.render([Job(stage, Shot(0, 0.0, "idle"))])[0]
    output = given.output or Path(f"{avatar.name}.png")
    rgb = video_frame(picture).reformat(format="rgb24")
    with av.open(str(output), "w", format="image2") as file:
        stream = file.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "rgb24"
        file.mux(stream.encode(rgb))
        file.mux(stream.encode())
    print(output)
    return 0
