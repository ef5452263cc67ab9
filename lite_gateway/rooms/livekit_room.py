"""LiveKit room: joins as a participant and publishes the avatar's audio and video."""

import asyncio
import logging
import time
from collections.abc import Mapping
from fractions import Fraction
from functools import partial

from livekit import rtc

from lite_gateway.errors import RoomUnavailable
from lite_gateway.foreign.join_errors import join_problem
from lite_gateway.foreign.text import foreign_text
from lite_gateway.metrics import Metrics
from lite_gateway.rooms.events import AUDIO_TRACK, RoomEvents
from lite_gateway.rooms.first_viewer import FirstViewer
from lite_gateway.rooms.sdk import CallOwner, SdkCalls
from lite_gateway.rooms.sdk_events import own_events_only, sdk_events
from lite_gateway.rooms.senders import AudioSender, VideoSender
from lite_gateway.rooms.server_api import AGENT_IDENTITY_PREFIX
from lite_gateway.threads import Workers
from lite_gateway.video_quality import VideoQuality
from renderer.frames import VideoFrame

log = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
# Joins and leaves of one API key that outlive their deadlines: each holds a socket of
# the SDK until its server answers, which may be never.
MAX_LATE_CALLS = 32
# bit/s. Below some 64,000 Opus encodes 24 kHz speech in its hybrid mode, for twice the
# processor time (0.7 instead of 0.35 ms per 40 ms); at that limit it is a matter of
# luck in which mode a session stays.
_AUDIO_BITRATE = 80_000
# WebRTC drops a frame that follows another one faster than max_framerate, and the first
# frame of speech is sent as soon as it is rendered. With this headroom two frames may
# be an eighth of a frame apart. The encoder spends its bits by the average rate, which
# stays that of the frame clock.
FRAMERATE_HEADROOM = 8
HUMAN_KINDS = (
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD,
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP,
)
_CODECS = {"H264": rtc.VideoCodec.H264, "VP8": rtc.VideoCodec.VP8}


def _reason(error: Exception) -> str:
    match error:
        case rtc.ConnectError():
            return join_problem(str(error))
        case rtc.participant.PublishTrackError():
            return "LiveKit refused its tracks; the token must allow to publish"
    return "LiveKit's library failed; see the gateway's log"


class LiveKitRoom:
    """
    Participant of a LiveKit room with one video and one audio track.

    It reports to the `RoomEvents` that it was opened with.
    """

    def __init__(
        self,
        quality: VideoQuality,
        *,
        fps: Fraction,
        codec: str,
        capture: Workers,
        metrics: Metrics,
        calls: SdkCalls,
        owner: CallOwner,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """``attributes`` are set after the join, where the token allows that."""
        self._attributes = dict(attributes or {})
        self._quality = quality
        self._fps = fps
        self._codec = codec
        self._capture = capture
        self._metrics = metrics
        self._calls = calls
        self._owner = owner
        self._joining: asyncio.Task[None] | None = None
        self._closing = False
        self._room: rtc.Room | None = rtc.Room()
        self._audio: AudioSender | None = None
        self._video: VideoSender | None = None
        self._tracks: tuple[rtc.LocalVideoTrack, rtc.LocalAudioTrack] | None = None
        self._first_viewer = FirstViewer(time.monotonic)

    async def open(self, url: str, token: str, events: RoomEvents) -> None:
        """
        Join and publish both tracks, or raise `RoomUnavailable`.

        `close` the room in either case.
        """
        if self._calls.late(self._owner.key_id) >= MAX_LATE_CALLS:
            raise RoomUnavailable(
                "too many earlier joins of this API key still wait for their LiveKit "
                "servers; try again later"
            )
        self._report_to(events)
        join = self._join(url, token, events)
        self._joining = self._calls.start(join, "join a room", self._owner)
        try:
            await self._calls.result(self._joining, JOIN_TIMEOUT_S)
        except TimeoutError:
            self._metrics.joins_late.inc()
            raise RoomUnavailable(
                "the avatar did not join the LiveKit room within "
                f"{JOIN_TIMEOUT_S:.0f} s; the LiveKit server does not answer, or it "
                "answers slowly: check that it is up and not overloaded, and the URL"
            ) from None
        except Exception as error:  # boundary: whatever the SDK raises
            # The text may be that of any server: it is for the operator's log only.
            text = foreign_text(str(error) or type(error).__name__, secrets=(token,))
            log.warning("room not joined: %s", text)
            raise RoomUnavailable(
                f"the avatar could not join the LiveKit room: {_reason(error)}"
            ) from None

    async def _join(self, url: str, token: str, events: RoomEvents) -> None:
        room = self._room
        assert room is not None
        loop = asyncio.get_running_loop()
        await self._calls.in_thread(partial(self._make_senders, loop))
        await room.connect(url, token, rtc.RoomOptions(auto_subscribe=False))
        if self._closing:  # too late, and nobody waits any more
            return
        if sdk_events() is not None:  # an SDK that we know
            own_events_only(room)
        events.on_joined(room)
        await self._calls.in_thread(self._make_tracks)
        await self._publish(room.local_participant)
        self._report_users(events)
        if self._attributes:
            tell = self._set_attributes(room.local_participant)
            self._calls.start(tell, "set attributes", self._owner)

    def _make_senders(self, loop: asyncio.AbstractEventLoop) -> None:
        sdk, size = sdk_events(), (self._quality.width, self._quality.height)
        self._audio = AudioSender(sdk, loop=loop)
        self._video = VideoSender(*size, known=sdk is not None)

    def _make_tracks(self) -> None:
        """Make the tracks, after the join: its native part runs what makes them."""
        assert self._video is not None
        assert self._audio is not None
        self._tracks = (
            rtc.LocalVideoTrack.create_video_track("avatar-video", self._video.source),
            rtc.LocalAudioTrack.create_audio_track(AUDIO_TRACK, self._audio.source),
        )

    async def _set_attributes(self, participant: rtc.LocalParticipant) -> None:
        """Ask for the attributes; a server that refuses does so without an error."""
        try:
            await participant.set_attributes(self._attributes)
        except Exception as error:  # boundary: whatever the SDK raises
            log.info("attributes not set: %s", foreign_text(str(error)))

    def _report_to(self, events: RoomEvents) -> None:
        room = self._room
        assert room is not None

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

        def on_subscribed(track: rtc.Track) -> None:
            if track.kind == rtc.TrackKind.KIND_VIDEO:
                self._first_viewer.on_subscribed()

        room.on("local_track_subscribed", on_subscribed)
        room.on("participant_connected", on_participant)
        room.on("participant_disconnected", on_participant)
        room.on("reconnecting", on_reconnecting)
        room.on("reconnected", on_reconnected)
        room.on("disconnected", on_disconnected)

    def _report_users(self, events: RoomEvents) -> None:
        """Report how many people are in the room, without agents and other programs."""
        if self._room is None:
            return
        users = [
            participant
            for participant in self._room.remote_participants.values()
            if participant.kind in HUMAN_KINDS
            and not participant.identity.startswith(AGENT_IDENTITY_PREFIX)
        ]
        events.on_users(len(users))

    async def _publish(self, participant: rtc.LocalParticipant) -> None:
        assert self._tracks is not None
        video, audio = self._tracks
        encoding = rtc.VideoEncoding(
            max_bitrate=self._quality.bitrate,
            max_framerate=FRAMERATE_HEADROOM * float(self._fps),
        )
        await participant.publish_track(
            video,
            rtc.TrackPublishOptions(
                source=rtc.TrackSource.SOURCE_CAMERA,
                video_codec=_CODECS[self._codec],
                video_encoding=encoding,
                simulcast=False,
            ),
        )
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False
        )
        options.audio_encoding.max_bitrate = _AUDIO_BITRATE
        await participant.publish_track(audio, options)

    @property
    def queued_s(self) -> float:
        """Submitted audio that the SDK has not sent yet, in seconds."""
        return self._audio.queued_s if self._audio else 0.0

    @property
    def unsent_s(self) -> float:
        """Submitted audio that `clear` would drop now, in seconds."""
        return self._audio.unsent_s if self._audio else 0.0

    async def send_video(self, frame: VideoFrame) -> None:
        """
        Submit one frame to the SDK in a thread, unless its first viewer is not ready.

        The SDK copies it: up to 0.9 ms at 512x512, 2.9 ms at 1280x720.
        """
        if self._video is None or not self._first_viewer.takes_frame():
            return
        started_s = time.perf_counter()
        await self._capture.run(partial(self._video.send, frame))
        self._metrics.publish.observe(time.perf_counter() - started_s)

    async def send_audio(self, pcm: bytes) -> None:
        """Submit s16le samples, 24 kHz, mono, to the SDK."""
        if self._audio is not None:
            await self._audio.send(pcm)

    def clear(self, fade: bytes = b"") -> None:
        """Drop the audio that the SDK has not sent yet, and submit ``fade``."""
        if self._audio is not None:
            self._audio.clear(fade)

    async def close(self) -> None:
        """
        Leave the room.

        Returns after 2 s at most. If the server does not answer by then, or the join
        is still under way, the room is left in the background.
        """
        self._closing = True
        joining = self._joining is not None and not self._joining.done()
        leaving = self._calls.start(self._leave(), "leave a room", self._owner)
        try:
            await self._calls.result(leaving, 0 if joining else CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("room is left in the background, joined=%s", not joining)
        except Exception:  # boundary: whatever the SDK raises
            log.exception("room was not left properly")

    async def _leave(self) -> None:
        """Disconnect when the join has ended, then give the native sources back."""
        try:
            if self._joining is not None:
                await asyncio.wait((self._joining,))
                assert self._room is not None
                await self._room.disconnect()
        finally:
            # The room refers to this object through its handlers. In a cycle its native
            # part, 1 MB and more, would stay until a full garbage collection, and those
            # are rare.
            handles = self._handles()
            if self._audio is not None:
                self._audio.close()
            self._audio = self._video = self._tracks = None
            self._room = self._joining = None
            # Whoever drops the last reference to a handle waits for WebRTC's threads.
            await self._calls.in_thread(handles.clear)

    def _handles(self) -> list[object]:
        """Return the handles of the native parts that threads of WebRTC give back."""
        parts: list[object] = [self._room, *(self._tracks or ())]
        parts += [it.source for it in (self._audio, self._video) if it is not None]
        return [getattr(part, "_ffi_handle", None) for part in parts]
