"""What operators are given names metrics that exist."""

import json
import re
from pathlib import Path

import pytest

from lite_gateway.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = ["grafana/lite-gateway.json", "prometheus/alerts.yml"]


def known() -> set[str]:
    """Every name that /metrics may show."""
    names = set()
    for family in Metrics().registry.collect():
        endings = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_sum", "_count"],
        }.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names


@pytest.mark.parametrize("path", FILES)
def test_every_metric_that_is_asked_for_exists(path):
    asked = set(re.findall(r"\blite_\w+", (DEPLOY / path).read_text()))
    assert len(asked) > 3
    assert asked <= known()


def test_the_dashboard_shows_every_metric():
    text = (DEPLOY / "grafana/lite-gateway.json").read_text()
    assert json.loads(text)["panels"]
    for family in Metrics().registry.collect():
        assert family.name in text
