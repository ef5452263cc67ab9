"""Words of LiveKit's avatar data stream: names, the header of a stream, a report."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from protocol.errors import BadMessage
from protocol.lite.messages import SAMPLE_RATE

TOPIC = "lk.audio_stream"
CLEAR_BUFFER = "lk.clear_buffer"
PLAYBACK_STARTED = "lk.playback_started"
PLAYBACK_FINISHED = "lk.playback_finished"
USER_STATE, AGENT_STATE = "user_state_changed", "agent_state_changed"
# Attributes of participants: whose avatar one is, and what an agent does.
ON_BEHALF, STATE = "lk.publish_on_behalf", "lk.agent.state"

_LOWEST, _HIGHEST = 8_000, 192_000


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Of s16le PCM, channels interleaved; the defaults where a sender names none."""

    rate: int = 16_000
    channels: int = 1


def read_format(attributes: Mapping[str, str]) -> AudioFormat:
    """What the header of a stream says of its sound, or `BadMessage`."""
    rate = attributes.get("sample_rate", str(AudioFormat().rate))
    channels = attributes.get("num_channels", str(AudioFormat().channels))
    if not _is_number(rate) or not _LOWEST <= int(rate) <= _HIGHEST:
        raise BadMessage(
            f"sample_rate is {rate[:20]!r}; it must be {_LOWEST} to {_HIGHEST}"
        )
    if channels not in ("1", "2"):
        raise BadMessage(f"num_channels is {channels[:20]!r}; it must be 1 or 2")
    return AudioFormat(int(rate), int(channels))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def playback_finished(samples: int, *, interrupted: bool) -> str:
    """These three fields and no other: an unknown one fails the call."""
    report = {
        "playback_position": samples / SAMPLE_RATE,
        "interrupted": interrupted,
        "synchronized_transcript": None,
    }
    return orjson.dumps(report).decode()


@dataclass(slots=True)
class ConversationState:
    """What agent and user do, as the agent tells; each in the agent's own words."""

    agent: str = ""
    user: str = ""

    @property
    def pose(self) -> str:
        """Of an avatar that does not talk: idle, listening or thinking."""
        if self.user == "speaking":
            return "listening"
        if self.agent == "thinking":
            return "thinking"
        if self.user != "away" and self.agent == "listening":
            return "listening"
        return "idle"
