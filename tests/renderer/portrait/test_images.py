"""WebP images: the pixels are Pillow's, and other threads run while they are read."""

import contextlib
import io
import shutil
import threading
import time

import numpy as np
import pytest
from PIL import Image

from lite_gateway.config import shipped_avatars
from renderer.package import BrokenAvatar, Package
from renderer.portrait import native_webp
from renderer.portrait.images import has_alpha, read_webp
from tests.waiting import best_of, figures

LIMITS = 1 << 26, 24_000_000  # bytes of the file, pixels
SHIPPED = sorted(shipped_avatars().rglob("*.webp"))
LARGE = "mouth.webp"  # 6 million pixels


def by_pillow(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


@contextlib.contextmanager
def without_libwebp(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(native_webp, "_libwebp", lambda: None)
        yield


@pytest.mark.parametrize("path", SHIPPED, ids=lambda it: f"{it.parent.name}/{it.name}")
def test_pixels_are_those_of_pillow(path, monkeypatch):
    package = Package(path.parent)
    expected = by_pillow(path)
    transparent = has_alpha(package, path.name, LIMITS[0])
    # Pillow is not asked where libwebp was found, and gives the same where it was not.
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", None)
        pixels = read_webp(package, path.name, *LIMITS)
    with without_libwebp(monkeypatch):
        other = read_webp(package, path.name, *LIMITS)
        assert has_alpha(package, path.name, LIMITS[0]) == transparent
    assert np.array_equal(pixels, expected)
    assert np.array_equal(other, expected)
    assert (expected[..., 3].min() < 255) <= transparent


def test_colours_below_full_transparency_are_kept(tmp_path):
    rgba = np.random.default_rng(1).integers(0, 256, (40, 56, 4), np.uint8)
    rgba[:20, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.webp", lossless=True, exact=True)
    assert np.array_equal(read_webp(Package(tmp_path), "a.webp", *LIMITS), rgba)


def test_the_first_picture_of_an_animation_is_read(tmp_path):
    pictures = [Image.new("RGB", (32, 24), colour) for colour in ("red", "blue")]
    pictures[0].save(
        tmp_path / "a.webp", save_all=True, append_images=pictures[1:], lossless=True
    )
    pixels = read_webp(Package(tmp_path), "a.webp", *LIMITS)
    assert pixels.shape == (24, 32, 4)
    assert (pixels == (255, 0, 0, 255)).all()


@pytest.mark.parametrize("found", [True, False])
def test_a_file_that_is_cut_off_or_too_large_is_refused(found, tmp_path, monkeypatch):
    package, file = Package(tmp_path), tmp_path / "a.webp"
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(content := io.BytesIO(), "WEBP")
    with contextlib.nullcontext() if found else without_libwebp(monkeypatch):
        for size in (0, 20, 60, len(content.getvalue()) // 2):
            file.write_bytes(content.getvalue()[:size])
            with pytest.raises(BrokenAvatar, match=r"a\.webp is not a WebP image"):
                read_webp(package, "a.webp", *LIMITS)
        file.write_bytes(content.getvalue())
        with pytest.raises(BrokenAvatar, match="has more than 4095 pixels"):
            read_webp(package, "a.webp", LIMITS[0], 4095)


def longest_hold_s(work):
    """
    Return the processor time that ``work`` took between two steps of another thread.

    It is at least the longest time for which the work held Python's lock. The least of
    some tries is returned: in each, the other thread may have had no processor.
    """
    holds = []
    for _ in range(5):
        clock = time.pthread_getcpuclockid(threading.get_ident())
        times, ended = [], threading.Event()

        def step(clock=clock, times=times, ended=ended):
            while not ended.is_set():
                times.append(time.clock_gettime(clock))
                time.sleep(0.0002)

        thread = threading.Thread(target=step)
        thread.start()
        work()
        ended.set()
        thread.join()
        holds.append(max(np.diff([*times, time.clock_gettime(clock)])))
    return min(holds)


@best_of(3)
def test_other_threads_run_while_a_large_image_is_read(tmp_path, monkeypatch):
    shutil.copy(shipped_avatars() / "mira" / LARGE, tmp_path)
    package = Package(tmp_path)

    def read():
        read_webp(package, LARGE, *LIMITS)

    own = longest_hold_s(read)
    with without_libwebp(monkeypatch):
        pillow = longest_hold_s(read)
    with figures():
        assert own < 0.4 * pillow
