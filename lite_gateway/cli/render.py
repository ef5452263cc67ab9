"""``render``: the same renderer into an mp4 with sound, without a room."""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from rich.progress import track

from lite_gateway.config import FPS, Config, shipped_avatars
from lite_gateway.drivers import load_driver
from lite_gateway.errors import ConfigError
from lite_gateway.offline.audio_frames import hearings
from lite_gateway.offline.wav import read_wav
from lite_gateway.playout.playout import HEAR_AHEAD
from lite_gateway.playout.turn_audio import loudness
from lite_gateway.video_quality import VideoQuality, parse_quality
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE
from renderer.avatar import Avatar, load_all
from renderer.engine import Engine, RenderJob
from renderer.frames import FrameRequest, VideoFrame

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_QUIET_S = 0.6  # of idling before and after the speech
_CRF = "18"


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "render",
        help="render a WAV file to an mp4, without a room",
        description="The live renderer, frame by frame, into a file with sound.",
    )
    parser.add_argument("file", type=Path, help="a WAV file of any rate")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the mp4")
    parser.add_argument("--avatar", default=Config().default_avatar)
    parser.add_argument("--quality", default="512x512", help="or high, medium, …")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--driver", default="", help="module:factory of your own")
    parser.add_argument("--avatars", type=Path, default=shipped_avatars())
    parser.add_argument("--emotion", choices=EMOTIONS, default=EMOTIONS[0])
    parser.add_argument("--seed", type=int, default=1, help="of the idle motion")
    parser.set_defaults(run=_render)


def _render(given: argparse.Namespace) -> int:
    speech, size = read_wav(given.file), parse_quality(given.quality)
    avatar = find_avatar(given.avatars, given.avatar)
    engine = Engine(device=given.device, driver=load_driver(given.driver))
    render_session = engine.open_session(
        avatar, size.width, size.height, seed=given.seed
    )
    quiet = bytes(2 * round(_QUIET_S * SAMPLE_RATE))
    requests = list(frame_requests(quiet, speech, quiet, given.emotion))
    pictures = (
        engine.render([RenderJob(render_session, request)])[0]
        for request in track(requests, f"rendering {avatar.name}")
    )
    write_mp4(given.output, pictures, quiet + speech + quiet, size)
    print(f"{given.output}: {len(requests)} frames of {size.name}")
    return 0


def find_avatar(folder: Path, name: str) -> Avatar:
    """The package of that name, or a `ConfigError` that says why not."""
    shelf = load_all(folder)
    if name in shelf.avatars:
        return shelf.avatars[name]
    if fault := shelf.broken.get(name):
        raise ConfigError(
            "--avatar", f"avatar package {name!r} is broken: {fault}", "Correct it."
        )
    known = ", ".join(sorted(shelf.avatars))
    raise ConfigError(
        "--avatar", f"there is no avatar {name!r}", f"Use one of {known}."
    )


def frame_requests(
    before: bytes, speech: bytes, after: bytes, emotion: str = EMOTIONS[0]
) -> Iterator[FrameRequest]:
    """What a session would ask for if all of ``speech`` had arrived at once."""
    length = int(SAMPLE_RATE / FPS)
    first = len(before) // 2 // length
    for index in range(first):
        yield FrameRequest(index, float(index / FPS), "idle")
    index = first
    # A session counts what it hears ahead from the end of a frame.
    for new in hearings(speech, FPS, length - length // 2 + HEAR_AHEAD):
        level = loudness(speech[2 * new.start : 2 * (new.start + new.length)])
        at_s = float(index / FPS)
        yield FrameRequest(
            index, at_s, "talking", 1, new.pcm, new.lookahead_samples, level, emotion
        )
        index += 1
    for last in range(index, index + len(after) // 2 // length):
        yield FrameRequest(last, float(last / FPS), "idle")


def write_mp4(
    path: Path, pictures: Iterator[VideoFrame], sound: bytes, size: VideoQuality
) -> None:
    """H264 and AAC."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=FPS, options={"crf": _CRF})
        video.width, video.height, video.pix_fmt = size.width, size.height, "yuv420p"
        audio = file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for index, picture in enumerate(pictures):
            frame = video_frame(picture)
            frame.pts, frame.time_base = index, 1 / FPS
            file.mux(video.encode(frame))
        file.mux(video.encode())
        voice = np.frombuffer(sound, "<i2").reshape(1, -1)
        piece = av.AudioFrame.from_ndarray(voice, "s16", "mono")
        piece.sample_rate, piece.pts = SAMPLE_RATE, 0
        piece.time_base = Fraction(1, SAMPLE_RATE)
        file.mux(audio.encode(piece))
        file.mux(audio.encode())


def video_frame(picture: VideoFrame) -> av.VideoFrame:
    """Copies the planes: an encoder wants its own padding."""
    frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
    start = 0
    for plane in frame.planes:
        rows = picture.i420[start : start + plane.width * plane.height]
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = rows.reshape(plane.height, plane.width)
        plane.update(padded.tobytes())
        start += plane.width * plane.height
    return frame
