"""
Mark every test here as `bench`; CI leaves out those that are slow too.

Those with LiveKit measure real time.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before tests/scheduling.py reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.bench)
            if item.get_closest_marker("livekit"):
                item.add_marker(pytest.mark.real_time)
