"""Answer to a start whose session is stopped while it joins."""

import asyncio
from types import SimpleNamespace

import pytest

from lite_gateway.api.sessions import start
from lite_gateway.errors import Refused
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.session import EndInfo
from lite_gateway.sessions.session_config import SessionOwner
from protocol.lite.messages import EndReason
from tests.sessions.rooms import config


class Stopping:
    """Registry of one session, which is stopped while it starts."""

    def __init__(self) -> None:
        self._record = SessionRecord(
            "s1", config(None, data_stream=False), SessionOwner("key")
        )

    def get(self, _session_id: str) -> SessionRecord:
        return self._record

    async def start(self, _session_id: str) -> None:
        self._record.end(EndInfo(EndReason.USER_CLOSED, "stopped by a call"))


class Keys:
    async def get(self, key_id: str) -> str:
        return key_id


def test_a_start_is_told_that_its_session_was_stopped():
    """Its history is written later: only the registry knows the reason."""
    service = SimpleNamespace(
        sessions=Stopping(), api_keys=Keys(), check_accepting=lambda: None
    )
    with pytest.raises(Refused, match="stopped by a call") as refused:
        asyncio.run(start("s1", service, None))
    assert refused.value.status == 409
