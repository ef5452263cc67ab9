"""Convert a part of a video to an animated WebP for a web page."""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageOps


def frames(
    path: Path, start_s: float, seconds: float, fps: float
) -> Iterator[Image.Image]:
    """Yield the images of a part of the video at ``fps`` per second."""
    due_s = start_s
    with av.open(str(path)) as video:
        for frame in video.decode(video=0):
            at_s = float((frame.pts or 0) * (frame.time_base or Fraction(1, 1000)))
            if at_s >= start_s + seconds:
                return
            if at_s >= due_s - 1e-6:
                due_s += 1 / fps
                yield frame.to_image()  # type: ignore[no-untyped-call]  # PyAV's


def beside(photo: Image.Image, image: Image.Image) -> Image.Image:
    """Return an image with the middle of a photo, in the same size, at its left."""
    pair = Image.new("RGB", (2 * image.width, image.height))
    pair.paste(ImageOps.fit(photo, image.size, Image.Resampling.LANCZOS))
    pair.paste(image, (image.width, 0))
    return pair


def square(image: Image.Image, left: float, top: float, size: float) -> Image.Image:
    """Return a square of an image; all three are shares of its height."""
    corner = round(left * image.height), round(top * image.height)
    side = round(size * image.height)
    return image.crop((*corner, corner[0] + side, corner[1] + side))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", type=float, default=0.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--fps", type=float, default=12.5)
    parser.add_argument("--side", type=int, default=320, help="height in pixels")
    parser.add_argument("--quality", type=int, default=72)
    parser.add_argument("--photo", type=Path, help="picture to show beside the video")
    parser.add_argument(
        "--square", type=float, nargs=3, metavar=("LEFT", "TOP", "SIZE"),
        help="show this part of the video and of the photo, in shares of the height",
    )  # fmt: skip
    args = parser.parse_args()
    photo = Image.open(args.photo).convert("RGB") if args.photo else None
    if photo and args.square:
        photo = square(photo, *args.square)
    images = []
    for image in frames(args.video, args.start, args.seconds, args.fps):
        if args.square:
            image = square(image, *args.square)
        width = round(image.width * args.side / image.height)
        size = (width, args.side)
        image = image.resize(size, Image.Resampling.LANCZOS)
        images.append(beside(photo, image) if photo else image)
    images[0].save(
        args.output, save_all=True, append_images=images[1:],
        duration=round(1000 / args.fps), loop=0, quality=args.quality, method=6,
    )  # fmt: skip


if __name__ == "__main__":
    main()
