"""Room with an avatar that agents speak through, started with the LiveKit calls."""

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
class AvatarRoom:
    """Room, its agent, and the avatar to start in it."""

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
        attributes = {"lk.publish_on_behalf": owner} if owner else {}
        return self.token(self.avatar, **attributes)

    def start(self, owner: str = AGENT, **more: Any) -> httpx.Response:
        """Start the avatar as a plugin does; the response comes before the avatar."""
        return self.gateway.post(
            "/v1/livekit/start-avatar",
            headers={"api-secret": self.gateway.key},
            json={
                "livekit_url": self.livekit.url,
                "livekit_token": self.avatar_token(owner),
                "avaluma_key": "",
                "avaluma_avatar_id": "fiducial",
                "quality": "512x512",
                **more,
            },
        )

    def stop(self, session_id: str) -> httpx.Response:
        return self.gateway.post(
            "/v1/livekit/stop-avatar",
            headers={"api-secret": self.gateway.key},
            json={"session_id": session_id},
        )


def avatar_room(livekit: LiveKit, gateway: Gateway) -> AvatarRoom:
    return AvatarRoom(
        livekit, gateway, f"room-{uuid.uuid4().hex[:8]}", "avatar-fiducial"
    )


def write_pcm(folder: Path, name: str, pcm: bytes, rate: int = RATE) -> Path:
    """Write 24 kHz speech to a file of raw s16le with another sample rate."""
    if rate != RATE:
        samples = soxr.resample(frombuffer(pcm, "<i2").astype(float), RATE, rate)
        pcm = samples.clip(-32768, 32767).round().astype(int16).tobytes()
    path = folder / f"{name}-{rate}.pcm"
    path.write_bytes(pcm)
    return path
