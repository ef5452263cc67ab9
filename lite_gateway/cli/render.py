"""Command ``render``: render a sound file to an mp4 with audio, without a room."""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from rich.progress import track

from lite_gateway.cli.face import phones_of
from lite_gateway.cli.output import check_ending, writing
from lite_gateway.config import FPS
from lite_gateway.drivers import load_driver
from lite_gateway.errors import ConfigError, RenderFailed
from lite_gateway.offline.audio_frames import split_audio
from lite_gateway.offline.wav import read_wav
from lite_gateway.playout.frame_schedule import LOOKAHEAD_SAMPLES
from lite_gateway.playout.turn_audio import loudness
from lite_gateway.preparation import check_device
from lite_gateway.video_quality import VideoQuality, parse_quality
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE
from renderer.avatar import (
    Avatar,
    AvatarCatalog,
    UnusableBackground,
    check_background,
    load_all,
)
from renderer.engine import Engine, RenderJob
from renderer.frames import FrameRequest, Phone, VideoFrame
from renderer.speech.driver import InvalidFaces

_IDLE_S = 0.6  # before and after the speech
_CRF = "18"  # quality of x264: visually almost lossless


def render(args: argparse.Namespace) -> int:
    """Render the file and return the exit status."""
    check_ending(args.output, ".mp4", "H.264 video and AAC audio as mp4")
    speech, size = read_wav(args.file), parse_quality(args.quality)
    phones = phones_of(args.phones, speech)
    avatar = find_avatar(args.avatars, args.avatar)
    check_device(args.device, "--device")
    driver = load_driver(args.driver, "--driver")
    engine = Engine(device=args.device, driver=driver)
    background = background_of(avatar, args.background)
    session = engine.open_session(
        avatar, size.width, size.height, seed=args.seed, background=background
    )
    silence = bytes(2 * round(_IDLE_S * SAMPLE_RATE))
    requests = list(frame_requests(silence, speech, silence, args.emotion, phones))
    frames = (
        engine.render([RenderJob(session, request)])[0]
        for request in track(requests, f"rendering {avatar.name}")
    )
    try:
        with writing(args.output):
            write_mp4(args.output, frames, silence + speech + silence, size)
    except InvalidFaces as error:
        raise RenderFailed(str(error)) from error
    print(f"{args.output}: {len(requests)} frames of {size.name}")
    return 0


def find_avatar(folder: Path, name: str) -> Avatar:
    """Load the avatar of that name; `ConfigError` if it is unknown or broken."""
    catalog = catalog_in(folder)
    if name in catalog.avatars:
        return catalog.avatars[name]
    if error := catalog.broken.get(name):
        raise ConfigError(
            "avatar", f"package {name!r} is broken: {error}", "Correct it."
        )
    problem = f"there is no avatar {name!r} in {folder}"
    known = ", ".join(sorted(catalog.avatars))
    fix = f"Use one of {known}." if known else "It has no avatar: name another folder."
    raise ConfigError("avatar", problem, fix)


def catalog_in(folder: Path) -> AvatarCatalog:
    """Load the packages of ``--avatars``; `ConfigError` if it is not a folder."""
    if not folder.is_dir():
        problem = f"{folder} is not a folder"
        raise ConfigError("--avatars", problem, "Name a folder of avatar packages.")
    return load_all(folder)


def background_of(avatar: Avatar, wanted: str) -> str:
    """Return a background that the avatar can have; `ConfigError` for another one."""
    try:
        return check_background(avatar, wanted)
    except UnusableBackground as error:
        raise ConfigError("background", error.problem, f"{error.fix}.") from error


def frame_requests(
    before: bytes,
    speech: bytes,
    after: bytes,
    emotion: str = EMOTIONS[0],
    phones: tuple[Phone, ...] = (),
) -> Iterator[FrameRequest]:
    """
    Yield the frame requests of a session to which all of ``speech`` arrives at once.

    ``phones`` are those of ``speech`` and come with it.
    ``before`` and ``after`` are silence, for which the avatar is idle. All three are
    s16le at 24 kHz.
    """
    frame_samples = int(SAMPLE_RATE / FPS)
    index = len(before) // 2 // frame_samples
    for idle in range(index):
        yield FrameRequest(idle, float(idle / FPS), "idle")
    # Playout counts the look-ahead from the end of a frame, `split_audio` from its
    # middle.
    to_end = frame_samples - frame_samples // 2
    for audio in split_audio(speech, FPS, to_end + LOOKAHEAD_SAMPLES):
        level = loudness(speech[2 * audio.start : 2 * (audio.start + audio.length)])
        at_s = float(index / FPS)
        yield FrameRequest(
            *(index, at_s, "talking", 1),
            *(audio.pcm, audio.lookahead_samples, level, emotion),
            phones=phones,
        )
        phones = ()
        index += 1
    for idle in range(index, index + len(after) // 2 // frame_samples):
        yield FrameRequest(idle, float(idle / FPS), "idle")


def write_mp4(
    path: Path, frames: Iterator[VideoFrame], pcm: bytes, size: VideoQuality
) -> None:
    """Write an mp4 with H.264 video and AAC audio; ``pcm`` is s16le at 24 kHz."""
    # The file is opened before the first frame is drawn: a wrong path is told at once.
    with path.open("wb") as output, av.open(output, "w", format="mp4") as file:
        video = file.add_stream("libx264", rate=FPS, options={"crf": _CRF})
        video.width, video.height, video.pix_fmt = size.width, size.height, "yuv420p"
        audio = file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for index, frame in enumerate(frames):
            av_frame = to_av_frame(frame)
            av_frame.pts, av_frame.time_base = index, 1 / FPS
            file.mux(video.encode(av_frame))
        file.mux(video.encode())
        samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
        audio_frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        audio_frame.sample_rate, audio_frame.pts = SAMPLE_RATE, 0
        audio_frame.time_base = Fraction(1, SAMPLE_RATE)
        file.mux(audio.encode(audio_frame))
        file.mux(audio.encode())


def to_av_frame(frame: VideoFrame) -> av.VideoFrame:
    """Copy a frame into PyAV's form, whose rows are padded for the encoder."""
    av_frame = av.VideoFrame(frame.width, frame.height, "yuv420p")
    start = 0
    for plane in av_frame.planes:
        rows = frame.i420[start : start + plane.width * plane.height]
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = rows.reshape(plane.height, plane.width)
        plane.update(padded.tobytes())
        start += plane.width * plane.height
    return av_frame
