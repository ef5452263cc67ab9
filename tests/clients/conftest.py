"""Fixtures for real clients: their interpreter, a recorded gateway, room tokens."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from livekit import api

from bench import environment
from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.devserver.process import LiveKit
from tests.clients.tap import Tap, tapped
from tests.e2e.calls import LEAN

REQUIREMENTS = Path(__file__).with_name("requirements.lock")


@pytest.fixture(scope="session")
def python() -> Path:
    """Interpreter of the clients, which `make clients` creates. CI must have it."""
    interpreter = environment.find("clients", REQUIREMENTS)
    if interpreter is None and os.environ.get("CI") == "true":
        pytest.fail("the clients' environment is missing; `make clients` shows why")
    if interpreter is None:
        pytest.skip("the clients' environment is missing; run `make clients`")
    return interpreter


@dataclass(frozen=True)
class Tapped:
    """Gateway whose clients connect through a recording relay."""

    gateway: Gateway
    tap: Tap


@pytest.fixture(scope="session")
def tapped_gateway(
    livekit: LiveKit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tapped]:
    log_path = tmp_path_factory.mktemp("tapped") / "gateway.log"
    with (
        tapped(free_port()) as tap,
        running_gateway(
            livekit.url,
            livekit.key,
            livekit.secret,
            log_path,
            LITE_PUBLIC_URL=tap.url,
            **LEAN,
        ) as gateway,
    ):
        tap.target = gateway.url.replace("http", "ws", 1)
        yield Tapped(gateway, tap)


RoomToken = Callable[..., str]


@pytest.fixture(scope="session")
def room_token(livekit: LiveKit) -> RoomToken:
    """Function that signs a token for a room, an identity and a participant kind."""

    def sign(room: str, identity: str, kind: str = "standard") -> str:
        return (
            api.AccessToken(livekit.key, livekit.secret)
            .with_kind(kind)
            .with_identity(identity)
            .with_grants(api.VideoGrants(room_join=True, room=room))
            .to_jwt()
        )

    return sign
