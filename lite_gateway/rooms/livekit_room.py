"""The one door to a LiveKit room: an avatar's picture and voice, published."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

from livekit import rtc

from lite_gateway.errors import RoomUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.rooms.events import RoomEvents
from lite_gateway.rooms.server_api import AGENT_IDENTITY_PREFIX
from lite_gateway.video_quality import VideoQuality
from protocol.lite.messages import SAMPLE_RATE
from renderer.frames import VideoFrame

log = logging.getLogger(__name__)

JOIN_S = 10.0
CLOSE_S = 2.0
_QUEUE_MS = 100  # what the SDK could hold; playout never fills it past 40
_AUDIO_BITRATE = 64_000
# WebRTC drops a frame that follows another faster than the rate it was told, and the
# first frame of speech follows as soon as it is drawn. The average rate, by which
# the encoder spends its bits, stays that of the frame clock.
_CLOSEST_FRAMES = 8  # so two frames may lie an eighth of a frame apart
_PEOPLE = (
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD,
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP,
)
_CODECS = {"H264": rtc.VideoCodec.H264, "VP8": rtc.VideoCodec.VP8}


class LiveKitRoom:
    """
    One participant with one video and one audio track.

    It reports to the `RoomEvents` that it was opened with.
    """

    def __init__(
        self,
        quality: VideoQuality,
        *,
        fps: Fraction,
        codec: str,
        capture: ThreadPoolExecutor,
        metrics: Metrics,
    ) -> None:
        self._quality = quality
        self._fps = fps
        self._codec = codec
        self._capture = capture
        self._metrics = metrics
        self._closing = False
        self._room = rtc.Room()
        self._audio = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=_QUEUE_MS)
        self._video = rtc.VideoSource(quality.width, quality.height)

    async def open(self, url: str, token: str, events: RoomEvents) -> None:
        """Join and publish both tracks, or raise `RoomUnavailable`; then `close` it."""
        self._report_to(events)
        try:
            async with asyncio.timeout(JOIN_S):
                options = rtc.RoomOptions(auto_subscribe=False)
                await self._room.connect(url, token, options)
                events.on_joined(self._room)
                await self._publish()
                self._report_users(events)
        except TimeoutError:
            raise RoomUnavailable(
                f"the LiveKit server did not let the avatar in within {JOIN_S:.0f} s; "
                "check its url and that it is up"
            ) from None
        except (rtc.ConnectError, rtc.participant.PublishTrackError) as failed:
            raise RoomUnavailable(
                f"the avatar could not join the LiveKit room: {failed}; check the url, "
                "the token's room, expiry and signature, and that it may publish"
            ) from None

    def _report_to(self, events: RoomEvents) -> None:
        def on_participant(_: rtc.RemoteParticipant) -> None:
            self._report_users(events)

        def on_reconnecting() -> None:
            log.warning("room reconnecting")

        def on_reconnected() -> None:
            log.info("room reconnected")
            self._report_users(events)

        def on_disconnected(reason: rtc.DisconnectReason.ValueType) -> None:
            if not self._closing:
                self._closing = True
                events.on_lost(rtc.DisconnectReason.Name(reason))

        self._room.on("participant_connected", on_participant)
        self._room.on("participant_disconnected", on_participant)
        self._room.on("reconnecting", on_reconnecting)
        self._room.on("reconnected", on_reconnected)
        self._room.on("disconnected", on_disconnected)

    def _report_users(self, events: RoomEvents) -> None:
        """Count people only: agents, recorders and other programs are no users."""
        there = self._room.remote_participants.values()
        events.on_users(
            sum(
                one.kind in _PEOPLE
                and not one.identity.startswith(AGENT_IDENTITY_PREFIX)
                for one in there
            )
        )

    async def _publish(self) -> None:
        me = self._room.local_participant
        video = rtc.LocalVideoTrack.create_video_track("avatar-video", self._video)
        encoding = rtc.VideoEncoding(
            max_bitrate=self._quality.bitrate,
            max_framerate=_CLOSEST_FRAMES * float(self._fps),
        )
        await me.publish_track(
            video,
            rtc.TrackPublishOptions(
                source=rtc.TrackSource.SOURCE_CAMERA,
                video_codec=_CODECS[self._codec],
                video_encoding=encoding,
                simulcast=False,
            ),
        )
        audio = rtc.LocalAudioTrack.create_audio_track("avatar-audio", self._audio)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False
        )
        options.audio_encoding.max_bitrate = _AUDIO_BITRATE
        await me.publish_track(audio, options)

    @property
    def queued_s(self) -> float:
        return self._audio.queued_duration

    async def send_video(self, frame: VideoFrame) -> None:
        """Hand one frame to the SDK, off the event loop: it copies and converts."""
        image = rtc.VideoFrame(
            frame.width, frame.height, rtc.VideoBufferType.I420, frame.i420.data
        )
        started_s = time.perf_counter()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._capture, self._video.capture_frame, image)
        self._metrics.publish.observe(time.perf_counter() - started_s)

    async def send_audio(self, pcm: bytes) -> None:
        await self._audio.capture_frame(
            rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)
        )

    def clear(self) -> None:
        self._audio.clear_queue()

    async def close(self) -> None:
        """Leave the room; bounded, also when its server is dead."""
        self._closing = True
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._room.disconnect()
        except TimeoutError:
            log.warning("the room did not let go within %.0f s", CLOSE_S)
        await self._audio.aclose()
        await self._video.aclose()
