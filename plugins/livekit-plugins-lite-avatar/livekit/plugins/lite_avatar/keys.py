"""Where LiveKit is, and who may join there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from livekit import api, rtc
from livekit.agents import get_job_context
from livekit.agents.types import ATTRIBUTE_PUBLISH_ON_BEHALF


class LiteAvatarException(Exception):
    """The avatar cannot be started as asked; the text says what would be right."""


@dataclass(frozen=True)
class LiveKitKeys:
    url: str
    key: str
    secret: str = field(repr=False)

    @classmethod
    def found(cls, url: str | None, key: str | None, secret: str | None) -> LiveKitKeys:
        """What is given, else the environment's."""
        names = {"LIVEKIT_URL": url, "LIVEKIT_API_KEY": key}
        names["LIVEKIT_API_SECRET"] = secret
        values = {name: given or os.getenv(name) for name, given in names.items()}
        missing = [name for name, value in values.items() if not value]
        if missing:
            raise LiteAvatarException(
                f"{', '.join(missing)} must be in the environment or given as arguments"
            )
        return cls(*(value or "" for value in values.values()))

    def token(self, room: str, identity: str, agent: str) -> str:
        """For an avatar that stands for an agent."""
        return (
            api.AccessToken(self.key, self.secret)
            .with_kind("agent")
            .with_identity(identity)
            .with_name(identity)
            .with_grants(api.VideoGrants(room_join=True, room=room))
            .with_attributes({ATTRIBUTE_PUBLISH_ON_BEHALF: agent})
            .to_jwt()
        )


def agent_identity(room: rtc.Room) -> str:
    """The agent's: of its job, or of whoever has joined the room."""
    job = get_job_context(required=False)
    if job is not None:
        return job.local_participant_identity
    if not room.isconnected():
        raise LiteAvatarException("outside of a job the room must be connected first")
    return room.local_participant.identity
