"""Clips of videos for web pages."""

import sys
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tools import clip

DOCS = Path(__file__).parents[1] / "docs"
RED, BLUE = (255, 0, 0), (0, 0, 255)


def write_video(path: Path) -> None:
    """Write 10 blue frames of 64 x 64 pixels at 25 per second."""
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        pixels = np.full((64, 64, 3), BLUE, np.uint8)
        for _ in range(10):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        video.mux(stream.encode())


def test_a_clip_shows_the_middle_of_a_photo_beside_the_video(tmp_path, monkeypatch):
    write_video(tmp_path / "talk.mp4")
    photo = Image.new("RGB", (300, 100), "black")
    photo.paste(RED, (100, 0, 200, 100))
    photo.save(tmp_path / "photo.png")
    out = tmp_path / "clip.webp"
    arguments = [tmp_path / "talk.mp4", "-o", out, "--photo", tmp_path / "photo.png"]
    options = ["--side", "32", "--fps", "12.5"]
    monkeypatch.setattr(sys, "argv", ["clip", *map(str, arguments), *options])

    clip.main()

    with Image.open(out) as made:
        assert (made.size, made.n_frames) == ((64, 32), 1)  # equal frames are one
        colours = np.asarray(made.convert("RGB")).astype(int)
    assert np.abs(colours[:, 2:30] - RED).max() < 40
    assert np.abs(colours[:, 34:62] - BLUE).max() < 40


def test_a_part_is_shown_in_shares_of_the_height():
    image = Image.new("RGB", (300, 100))
    image.paste(RED, (50, 20, 80, 50))
    part = clip.square(image, 0.5, 0.2, 0.3)
    assert part.size == (30, 30)
    assert part.getcolors() == [(900, RED)]


def test_the_clip_of_a_photo_is_small_and_moves():
    path = DOCS / "photo-talk.webp"
    assert path.stat().st_size <= 250_000
    with Image.open(path) as image:
        assert image.n_frames > 20
        assert image.width == 2 * image.height
