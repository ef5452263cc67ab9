"""Speech service that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.conversation.speech.service import Service, running_service


@pytest.fixture(scope="session")
def speech() -> Iterator[Service]:
    pytest.importorskip(
        "moonshine_voice", reason="moonshine-voice has no wheel for this platform"
    )
    with running_service() as service:
        yield service
