"""Backgrounds of the commands `avatars preview` and `render`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lite_gateway.__main__ import main

HELLO = Path(__file__).parents[2] / "web" / "samples" / "hello.wav"


def run(*arguments):
    with pytest.raises(SystemExit) as exit_info:
        main([*map(str, arguments)], {"HOME": "/nonexistent"})
    return exit_info.value.code


def test_preview_shows_another_background(tmp_path):
    path = tmp_path / "mira.png"
    preview = ("avatars", "preview", "mira", "--quality", "128x128")
    assert not run(
        *preview, "--face", "jawOpen=0", "--background", "#0000ff", "-o", path
    )
    with Image.open(path) as image:
        corner = np.asarray(image.convert("RGB"))[:8, :8]
    assert corner.reshape(-1, 3).mean(0) == pytest.approx([0, 0, 255], abs=4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("avatars", "preview", "fiducial"), "fiducial keeps its own background"),
        (("render", HELLO), "unknown background 'sea'. Use a colour such as #1a2b3c"),
    ],
)
def test_a_background_that_an_avatar_cannot_have_is_an_error(
    arguments, words, tmp_path, capsys
):
    status = run(*arguments, "--background", "sea", "-o", tmp_path / "x")
    assert words in (status if isinstance(status, str) else capsys.readouterr().err)
    assert status
    assert not (tmp_path / "x").exists()
