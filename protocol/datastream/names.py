"""Names, stream headers, playback reports and poses of LiveKit's avatar data stream."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from protocol.errors import BadMessage, quoted
from protocol.lite.messages import SAMPLE_RATE

AUDIO_TOPIC = "lk.audio_stream"  # of byte streams
# RPC methods of the avatar.
CLEAR_BUFFER = "lk.clear_buffer"
USER_STATE_CHANGED = "user_state_changed"
AGENT_STATE_CHANGED = "agent_state_changed"
# RPC methods of senders.
PLAYBACK_STARTED = "lk.playback_started"
PLAYBACK_FINISHED = "lk.playback_finished"
# Attributes of participants.
ON_BEHALF_ATTRIBUTE = "lk.publish_on_behalf"  # identity of the avatar's owner
AGENT_STATE_ATTRIBUTE = "lk.agent.state"  # set by every AgentSession of livekit-agents

# A stream without data for so long counts as ended: its trailer may have been lost.
MAX_PAUSE_S = 60.0
_MIN_RATE_HZ, _MAX_RATE_HZ = 8_000, 192_000
# Some senders write numbers as "24000.0".
_NUMBER = re.compile(r"([0-9]{1,6})(?:\.0{1,6})?")


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """
    Format of s16le PCM with interleaved channels.

    The defaults apply where a stream header has no attribute.
    """

    rate: int = 16_000  # Hz
    channels: int = 1


def read_format(attributes: Mapping[str, str]) -> AudioFormat:
    """Return the audio format in the attributes of a stream header, or `BadMessage`."""
    default = AudioFormat()
    rate_text = attributes.get("sample_rate", str(default.rate))
    channels_text = attributes.get("num_channels", str(default.channels))
    rate, channels = _number(rate_text), _number(channels_text)
    if not _MIN_RATE_HZ <= rate <= _MAX_RATE_HZ:
        raise BadMessage(
            f"sample_rate is {quoted(rate_text)}; send {_MIN_RATE_HZ} to {_MAX_RATE_HZ}"
        )
    if channels not in (1, 2):
        raise BadMessage(f"num_channels is {quoted(channels_text)}; send 1 or 2")
    return AudioFormat(rate, channels)


def _number(text: str) -> int:
    """Return the whole number in ``text``, or -1 if there is none."""
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else -1


def playback_finished(samples: int, *, interrupted: bool) -> str:
    """
    Return the payload of `PLAYBACK_FINISHED`; ``samples`` were heard, at 24 kHz.

    It has these three fields only: the sender's RPC fails on an unknown field.
    """
    report = {
        "playback_position": samples / SAMPLE_RATE,  # seconds
        "interrupted": interrupted,
        "synchronized_transcript": None,
    }
    return orjson.dumps(report).decode()


@dataclass(slots=True)
class ConversationState:
    """
    States of agent and user, as the agent sends them.

    The names are those of livekit-agents: listening, thinking, speaking, away and so
    on. An empty or unknown name has no effect on the pose.
    """

    agent: str = ""
    user: str = ""

    @property
    def pose(self) -> str:
        """Return the pose between turns: idle, listening or thinking."""
        if self.user == "speaking":
            return "listening"
        if self.agent == "thinking":
            return "thinking"
        if self.user != "away" and self.agent == "listening":
            return "listening"
        return "idle"
