"""A gateway in a process of its own, as a user starts it."""

from collections.abc import Iterator

import pytest

from bench.stack import Gateway, running_gateway
from lite_gateway.livekit_dev import LiveKit


@pytest.fixture(scope="session")
def gateway(
    livekit: LiveKit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One gateway for the whole run; tests keep apart by their sessions."""
    log_path = tmp_path_factory.mktemp("gateway") / "gateway.log"
    with running_gateway(livekit.url, livekit.key, livekit.secret, log_path) as running:
        yield running
