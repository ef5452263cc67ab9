"""The scenario ``start`` measures two checkouts in turns."""

import argparse
from pathlib import Path

import pytest
from rich.console import Console

from bench import start
from bench.probe.stack import ROOT, Gateway, Stack

pytestmark = pytest.mark.livekit


@pytest.mark.slow
def test_starts_of_two_checkouts_are_measured(livekit, tmp_path):
    unused = Gateway("", "", 0, tmp_path)
    other = tmp_path / "other"
    other.symlink_to(ROOT)
    options = argparse.Namespace(times=1, against=Path(other))

    [report] = start.run(options, Stack(livekit, unused), Console(quiet=True))

    measured = {(each.name, each.peer): each.samples for each in report.figures}
    assert len(measured) == 7
    assert all(len(samples) == 1 for samples in measured.values())
    # Both are the same gateway.
    assert measured["started → ready", ""][0] > 0
    assert 1 / 4 < measured["processor time, other / this", ""][0] < 4
    assert measured["memory when ready", "other"][0] > 50
