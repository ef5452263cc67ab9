"""Native parts of rooms: when they are freed, and in which thread."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from fractions import Fraction

import pytest
from livekit import api, rtc
from livekit.rtc import _ffi_client

from lite_gateway.datastream.input import DataStreamInput
from lite_gateway.errors import RoomUnavailable
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.playout.trace import untraced
from lite_gateway.rooms.livekit_room import LiveKitRoom
from lite_gateway.rooms.sdk import CallOwner, SdkCalls
from lite_gateway.sessions.assembly import LiveSession
from lite_gateway.sessions.session import Session
from lite_gateway.threads import Workers
from lite_gateway.video_quality import parse_quality
from renderer.frames import FrameRequest, VideoFrame

pytestmark = pytest.mark.livekit


class WatchedSession(LiveSession):
    """Session of a data stream that keeps a weak reference to the SDK's room."""

    sdk_room: weakref.ref[rtc.Room]

    def on_joined(self, room: rtc.Room) -> None:
        self.sdk_room = weakref.ref(room)
        super().on_joined(room)


async def draw(_: FrameRequest) -> VideoFrame:
    raise AssertionError("no frame is asked for")


def open_parts(metrics: Metrics, calls: SdkCalls) -> tuple[LiveKitRoom, WatchedSession]:
    """Connect a room, a session and a data stream input, as a session does."""
    room = LiveKitRoom(
        parse_quality("256x256"),
        fps=Fraction(25),
        codec="H264",
        capture=Workers(1, "capture"),
        metrics=metrics,
        calls=calls,
        owner=CallOwner("key", "memory"),
    )
    playout = Playout(
        *(draw, room, metrics, untraced),
        now=time.monotonic,
        fps=Fraction(25),
        missing_end_s=10.0,
        source="datastream",
    )
    session = Session("memory", playout, now=time.monotonic)
    speech = DataStreamInput(
        *(playout, session, metrics),
        external_audio="agents",
        max_buffered_s=60.0,
        agent_gone_s=60.0,
    )
    return room, WatchedSession(session, room, speech, counts_users=True)


def token(livekit, secret: str) -> str:
    signed = api.AccessToken(livekit.key, secret).with_identity("avatar")
    return signed.with_grants(api.VideoGrants(room_join=True, room="memory")).to_jwt()


@pytest.fixture
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_room_is_freed_when_it_was_left(livekit):
    async def join_and_leave() -> weakref.ref[rtc.Room]:
        calls = SdkCalls()
        room, live = open_parts(Metrics(), calls)
        await room.open(livekit.url, token(livekit, livekit.secret), live)
        await room.close()
        await calls.wait(10.0)
        return live.sdk_room

    sdk_room = asyncio.run(join_and_leave())
    assert sdk_room() is None


@pytest.mark.usefixtures("no_collection")
def test_a_room_is_freed_when_its_join_failed(livekit):
    async def fail() -> weakref.ref[rtc.Room]:
        calls = SdkCalls()
        room, live = open_parts(Metrics(), calls)
        sdk_room = weakref.ref(room._room)
        # pytest.raises would keep the error, and with it the frames that it came from.
        with contextlib.suppress(RoomUnavailable):
            await room.open(livekit.url, token(livekit, "wrong" * 8), live)
            pytest.fail("a wrong signature was accepted")
        await room.close()
        await calls.wait(10.0)
        return sdk_room

    sdk_room = asyncio.run(fail())
    assert sdk_room() is None


class NativeCalls:
    """Requests to the SDK and handles that were given back, each with its thread."""

    def __init__(self, monkeypatch) -> None:
        self.made: set[tuple[str, int]] = set()
        self.given_back: dict[int, int] = {}
        request = _ffi_client.FfiClient.request
        dispose = _ffi_client.FfiHandle.dispose

        def noting_request(client, message):
            kind = message.WhichOneof("message")
            self.made.add((kind, threading.get_ident()))
            return request(client, message)

        def noting_dispose(handle) -> None:
            if not handle.disposed:
                self.given_back[handle.handle] = threading.get_ident()
            dispose(handle)

        monkeypatch.setattr(_ffi_client.FfiClient, "request", noting_request)
        monkeypatch.setattr(_ffi_client.FfiHandle, "dispose", noting_dispose)


@pytest.mark.usefixtures("no_collection")
def test_the_event_loop_waits_for_no_thread_of_webrtc(livekit, monkeypatch):
    """To make a track and to drop a room takes up to 20 ms on a busy machine."""
    calls = NativeCalls(monkeypatch)

    async def join_and_leave() -> list[int]:
        sdk_calls = SdkCalls()
        room, live = open_parts(Metrics(), sdk_calls)
        await room.open(livekit.url, token(livekit, livekit.secret), live)
        native = [room._room, *room._tracks, room._audio.source, room._video.source]
        handles = [part._ffi_handle.handle for part in native]
        del native
        await room.close()
        await sdk_calls.wait(10.0)
        return handles

    handles, loop_thread = asyncio.run(join_and_leave()), threading.get_ident()
    makers = ("new_audio_source", "new_video_source")
    makers += ("create_audio_track", "create_video_track")
    assert {kind for kind, _ in calls.made} >= set(makers)
    assert not {(kind, loop_thread) for kind in makers} & calls.made
    assert loop_thread not in [calls.given_back[handle] for handle in handles]
