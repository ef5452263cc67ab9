"""
Python client for one session of a LITE server: this gateway or LiveAvatar itself.

    async with open_session("http://127.0.0.1:8080", "dev", avatar="mira") as avatar:
        await avatar.speak(my_tts("Hello."))  # chunks of PCM, sent as they arrive
        end = await avatar.event("agent.speak_ended", "agent.speak_interrupted")
"""

from lite_gateway.client.connection import Disconnected
from lite_gateway.client.events import Event, Problem
from lite_gateway.client.rest import ServerRefused
from lite_gateway.client.session import AvatarSession, Speech, open_session

__all__ = [
    "AvatarSession",
    "Disconnected",
    "Event",
    "Problem",
    "ServerRefused",
    "Speech",
    "open_session",
]
