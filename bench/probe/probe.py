"""
A listener in a process of its own: joins a room and writes down what it sees and hears.

Times are `time.monotonic` of this machine, the same clock in every process. A line of
output tells when it has ``joined``, when it first ``sees`` and ``hears`` somebody, when
somebody has ``left``, and when all is ``saved``.
Usage, until standard input ends:
    python -m bench.probe.probe URL TOKEN OUTPUT.npz KEPT WHOM
KEPT is "thumbs" to keep a small picture of every frame, or what `bench.probe.crop.Crop`
parses to keep that part of it; WHOM the only identity to follow, or empty.
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


def tell(what: str) -> None:
    print(what, flush=True)


class Diary:
    def __init__(self, kept: str) -> None:
        self._with_thumbs = kept == "thumbs"
        self._crop = Crop.parse(kept) if kept[:1].isdigit() else None
        self.frames: list[tuple[float, int, int, float]] = []  # at, index, turn, level
        self.thumbs: list[np.ndarray] = []  # [64, 64] uint8, one a frame
        self.crops: list[np.ndarray] = []  # [h, w] uint8, one a frame
        self.sound: list[np.ndarray] = []  # int16
        self.sound_at: list[float] = []  # when each piece arrived
        self.left_at = 0.0

    async def watch(self, track: rtc.Track) -> None:
        stream = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
        async for event in stream:
            at, frame = time.monotonic(), event.frame
            if not self.frames:
                tell("sees")
            plane = np.frombuffer(frame.data, np.uint8)[: frame.width * frame.height]
            luma = plane.reshape(frame.height, frame.width)
            mark = read_marker(luma)
            seen = (mark.index, mark.turn, mark.level) if mark else (-1, -1, -1.0)
            self.frames.append((at, *seen))
            if self._with_thumbs:
                rows = np.linspace(0, frame.height - 1, 64).astype(int)
                columns = np.linspace(0, frame.width - 1, 64).astype(int)
                self.thumbs.append(luma[np.ix_(rows, columns)])
            if self._crop:
                self.crops.append(self._crop.of(luma))

    async def listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        async for event in stream:
            if not self.sound:
                tell("hears")
            self.sound_at.append(time.monotonic())
            self.sound.append(np.frombuffer(event.frame.data, np.int16).copy())

    def save(self, path: str) -> None:
        np.savez(
            path,
            frames=np.array(self.frames).reshape(-1, 4),
            thumbs=np.array(self.thumbs, np.uint8).reshape(-1, 64, 64),
            crops=np.array(self.crops, np.uint8).reshape(
                len(self.crops), *self._shape()
            ),
            sound=np.concatenate([np.zeros(0, np.int16), *self.sound]),
            sound_at=np.array(self.sound_at),
            sizes=np.array([len(piece) for piece in self.sound]),
            left_at=self.left_at,
        )

    def _shape(self) -> tuple[int, int]:
        return (self._crop.height, self._crop.width) if self._crop else (0, 0)


async def main(url: str, token: str, path: str, kept: str, whom: str) -> None:
    diary, room = Diary(kept), rtc.Room()
    async with asyncio.TaskGroup() as group:
        tasks = []

        def follow(track: rtc.Track, _: object, who: rtc.RemoteParticipant) -> None:
            if whom and who.identity != whom:
                return
            video = track.kind == rtc.TrackKind.KIND_VIDEO
            work = diary.watch(track) if video else diary.listen(track)
            tasks.append(group.create_task(work))

        def note_leaving(_: rtc.RemoteParticipant) -> None:
            diary.left_at = time.monotonic()
            tell("left")

        room.on("track_subscribed", follow)
        room.on("participant_disconnected", note_leaving)
        room.on("disconnected", lambda _: setattr(diary, "left_at", time.monotonic()))
        await room.connect(url, token)
        tell("joined")
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            await room.disconnect()
    diary.save(path)
    tell("saved")
    os._exit(0)  # the SDK may abort while Python tears itself down


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:6]))
