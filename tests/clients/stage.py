"""An avatar in a room of its own for agents to speak through, started by its calls."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import soxr
from livekit import api
from numpy import frombuffer, int16

from bench.probe.stack import Gateway
from lite_gateway.devserver.process import LiveKit

AGENT = "the-agent"
RATE = 24_000


@dataclass(frozen=True)
class Place:
    """A room, the agent that it belongs to, and the avatar that it asks for."""

    livekit: LiveKit
    gateway: Gateway
    room: str
    avatar: str

    def token(self, identity: str, kind: str = "agent", **attributes: str) -> str:
        return (
            api.AccessToken(self.livekit.key, self.livekit.secret)
            .with_kind(kind)
            .with_identity(identity)
            .with_grants(api.VideoGrants(room_join=True, room=self.room))
            .with_attributes(attributes)
            .to_jwt()
        )

    def avatar_token(self, owner: str = AGENT) -> str:
        behalf = {"lk.publish_on_behalf": owner} if owner else {}
        return self.token(self.avatar, **behalf)

    def start(self, owner: str = AGENT, **more: Any) -> httpx.Response:
        """As a plugin does; answered before the avatar is there."""
        return httpx.post(
            f"{self.gateway.url}/v1/livekit/start-avatar",
            headers={"api-secret": self.gateway.key},
            json={
                "livekit_url": self.livekit.url,
                "livekit_token": self.avatar_token(owner),
                "avaluma_key": "",
                "avaluma_avatar_id": "fiducial",
                "quality": "512x512",
                **more,
            },
            timeout=60,
        )

    def stop(self, session_id: str) -> httpx.Response:
        return httpx.post(
            f"{self.gateway.url}/v1/livekit/stop-avatar",
            headers={"api-secret": self.gateway.key},
            json={"session_id": session_id},
            timeout=60,
        )


def place(livekit: LiveKit, gateway: Gateway) -> Place:
    return Place(livekit, gateway, f"room-{uuid.uuid4().hex[:8]}", "avatar-fiducial")


def written(folder: Path, name: str, pcm: bytes, rate: int = RATE) -> Path:
    """24 kHz speech as a file of raw s16le at that rate."""
    if rate != RATE:
        sound = soxr.resample(frombuffer(pcm, "<i2").astype(float), RATE, rate)
        pcm = sound.clip(-32768, 32767).round().astype(int16).tobytes()
    path = folder / f"{name}-{rate}.pcm"
    path.write_bytes(pcm)
    return path
