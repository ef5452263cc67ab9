"""LiveKit credentials of the agent, and tokens for its avatar."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from livekit import api, rtc
from livekit.agents import get_job_context
from livekit.agents.types import ATTRIBUTE_PUBLISH_ON_BEHALF


class LiteAvatarException(Exception):
    """The avatar cannot be started; the text says why and what to do."""


@dataclass(frozen=True)
class LiveKitKeys:
    """URL of a LiveKit server with an API key and its secret."""

    url: str
    key: str
    secret: str = field(repr=False)

    @classmethod
    def from_arguments(
        cls, url: str | None, key: str | None, secret: str | None
    ) -> LiveKitKeys:
        """Return the arguments, with missing ones taken from the environment.

        Raises `LiteAvatarException` if a value is in neither.
        """
        arguments = {"LIVEKIT_URL": url, "LIVEKIT_API_KEY": key}
        arguments["LIVEKIT_API_SECRET"] = secret
        values = {name: value or os.getenv(name) for name, value in arguments.items()}
        missing = [name for name, value in values.items() if not value]
        if missing:
            raise LiteAvatarException(
                f"{', '.join(missing)} missing: set them in the environment, or pass "
                "them to start()"
            )
        return cls(*(value or "" for value in values.values()))

    def token(self, room: str, identity: str, agent: str) -> str:
        """Return a join token for an avatar that publishes on behalf of ``agent``."""
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
    """Return the identity of the agent's job, else of the room's local participant."""
    job = get_job_context(required=False)
    if job is not None:
        return job.local_participant_identity
    if not room.isconnected():
        raise LiteAvatarException(
            "the room is not connected: outside of a job, connect it before start()"
        )
    return room.local_participant.identity
