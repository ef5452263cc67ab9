"""Fixtures that run the counterpart; every test finds it without rules and records."""

from collections.abc import Iterator

import pytest

from tests.openai_counterpart.process import RunningCounterpart, running_counterpart


@pytest.fixture(scope="session")
def counterpart_process() -> Iterator[RunningCounterpart]:
    """Process of the whole run; tests use `counterpart`."""
    with running_counterpart() as running:
        yield running


@pytest.fixture
def counterpart(
    counterpart_process: RunningCounterpart,
) -> Iterator[RunningCounterpart]:
    """Counterpart of one test. It fails the test if it sends what OpenAI never does."""
    counterpart_process.reset()
    yield counterpart_process
    assert counterpart_process.broken() == []
