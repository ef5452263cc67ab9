"""Events that a room reports to the session in it."""

from typing import Protocol

from livekit import rtc

# Aliases, so that other packages need not import livekit.
JoinedRoom = rtc.Room
LocalTrack = rtc.Track

AUDIO_TRACK = "avatar-audio"  # name of the track with the avatar's voice


class RoomEvents(Protocol):
    """Receiver of a room's events. Each call returns at once."""

    def on_joined(self, room: JoinedRoom) -> None:
        """
        Register handlers: the avatar has joined and has not published its tracks.

        Agents may speak as soon as they see the video track, so a handler that is
        registered later could miss their first stream.
        """
        ...

    def on_users(self, count: int) -> None:
        """Note how many people are in the room; called each time that changes."""
        ...

    def on_lost(self, reason: str) -> None:
        """
        End the session, because the room is lost. Called at most once.

        ``reason`` is the name of LiveKit's disconnect reason. The SDK has given up
        reconnecting by then.
        """
        ...
