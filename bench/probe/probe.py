"""
Subscriber process: joins a room and records the audio and video that it decodes.

Times are `time.monotonic` of this machine, the same clock in every process. It prints
one line for each event: ``joined``, ``video`` (the first frame), ``audio`` (the first
block), ``left`` (a participant left) and ``saved``.

Usage, until standard input ends:
    python -m bench.probe.probe URL TOKEN OUTPUT.npz KEEP IDENTITY
KEEP is "thumbnails" to keep a small copy of every frame, the text of a
`bench.probe.crop.Crop` to keep that part of every frame, or "nothing". IDENTITY is the
only participant to record; empty: all.
"""

import asyncio
import contextlib
import os
import sys
import time

import numpy as np
from livekit import rtc

from bench.probe.crop import Crop
from renderer.fiducial.marker import read_marker

RATE = 48_000
THUMBNAIL = 64  # pixels of a side


def emit(event: str) -> None:
    """Print an event for `bench.probe.listening.Listener`."""
    print(event, flush=True)


class MediaRecorder:
    """Decoded frames and audio with their arrival times."""

    def __init__(self, keep: str) -> None:
        self._with_thumbnails = keep == "thumbnails"
        self._crop = Crop.parse(keep) if keep[:1].isdigit() else None
        # Arrival, frame index, turn, mouth level.
        self.frames: list[tuple[float, int, int, float]] = []
        self.thumbnails: list[np.ndarray] = []  # [64, 64] uint8, of each frame
        self.crops: list[np.ndarray] = []  # [h, w] uint8, of each frame
        self.audio: list[np.ndarray] = []  # int16 blocks
        self.audio_at_s: list[float] = []  # arrival of each block
        self.left_at_s = 0.0

    async def record_video(self, track: rtc.Track) -> None:
        stream = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
        async for event in stream:
            at_s, frame = time.monotonic(), event.frame
            if not self.frames:
                emit("video")
            plane = np.frombuffer(frame.data, np.uint8)[: frame.width * frame.height]
            luma = plane.reshape(frame.height, frame.width)
            marker = read_marker(luma)
            values = (-1, -1, -1.0)
            if marker:
                values = (marker.index, marker.turn, marker.level)
            self.frames.append((at_s, *values))
            if self._with_thumbnails:
                rows = np.linspace(0, frame.height - 1, THUMBNAIL).astype(int)
                columns = np.linspace(0, frame.width - 1, THUMBNAIL).astype(int)
                self.thumbnails.append(luma[np.ix_(rows, columns)])
            if self._crop:
                self.crops.append(self._crop.of(luma))

    async def record_audio(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        async for event in stream:
            if not self.audio:
                emit("audio")
            self.audio_at_s.append(time.monotonic())
            self.audio.append(np.frombuffer(event.frame.data, np.int16).copy())

    def save(self, path: str) -> None:
        """Write the fields of `bench.probe.listening.Recording` to an npz file."""
        side = THUMBNAIL
        crop = (self._crop.height, self._crop.width) if self._crop else (0, 0)
        np.savez(
            path,
            frames=np.array(self.frames).reshape(-1, 4),
            thumbnails=np.array(self.thumbnails, np.uint8).reshape(-1, side, side),
            crops=np.array(self.crops, np.uint8).reshape(len(self.crops), *crop),
            audio=np.concatenate([np.zeros(0, np.int16), *self.audio]),
            audio_at_s=np.array(self.audio_at_s),
            block_sizes=np.array([len(block) for block in self.audio]),
            left_at_s=self.left_at_s,
        )


async def main(url: str, token: str, path: str, keep: str, identity: str) -> None:
    recorder, room = MediaRecorder(keep), rtc.Room()
    async with asyncio.TaskGroup() as group:
        tasks = []

        def on_track(
            track: rtc.Track, _: object, participant: rtc.RemoteParticipant
        ) -> None:
            if identity and participant.identity != identity:
                return
            if track.kind == rtc.TrackKind.KIND_VIDEO:
                work = recorder.record_video(track)
            else:
                work = recorder.record_audio(track)
            tasks.append(group.create_task(work))

        def on_left(_: rtc.RemoteParticipant) -> None:
            recorder.left_at_s = time.monotonic()
            emit("left")

        def on_disconnected(_: object) -> None:
            recorder.left_at_s = time.monotonic()

        room.on("track_subscribed", on_track)
        room.on("participant_disconnected", on_left)
        room.on("disconnected", on_disconnected)
        await room.connect(url, token)
        emit("joined")
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            await room.disconnect()
    recorder.save(path)
    emit("saved")
    os._exit(0)  # the SDK may abort while the interpreter shuts down


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:6]))
