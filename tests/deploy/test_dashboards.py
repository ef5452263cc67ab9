"""What operators are given asks for metrics that exist, and alerts when it should."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lite_gateway.metrics import Metrics
from protocol.errors import BadMessage, TooMuchAudio
from protocol.lite.messages import EndReason

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARD = DEPLOY / "grafana" / "lite-gateway.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
# What holds words in PromQL that are no metrics: labels, ranges, groupings, strings.
NOT_METRICS = r'\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring) *\([^)]*\)|"[^"]*"'


def known() -> set[str]:
    """Every name that /metrics may show, and what Prometheus adds to a scrape."""
    names = {"up"}
    for family in Metrics().registry.collect():
        endings = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_sum", "_count"],
        }.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names


def panels() -> list[dict[str, Any]]:
    return json.loads(BOARD.read_text())["panels"]


def asked(source: str) -> list[str]:
    """The expressions of the dashboard or of the alerts."""
    if source == "alerts":
        return re.findall(r"^ *expr: (.+)$", ALERTS.read_text(), re.MULTILINE)
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def metrics_in(expr: str) -> set[str]:
    bare = re.sub(NOT_METRICS, " ", expr)
    words = re.findall(r"[a-zA-Z_:][\w:]*\b(?! *\()", bare)
    return set(words) - {"and", "or", "unless"}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is missing; Debian's package prometheus brings it")
    return found


@pytest.mark.parametrize("source", ["dashboard", "alerts"])
def test_every_metric_that_is_asked_for_exists(source):
    expressions = asked(source)
    assert len(expressions) > 5
    for expr in expressions:
        assert metrics_in(expr), expr
        assert metrics_in(expr) <= known(), expr


def test_a_rare_event_is_counted_from_zero_so_that_its_first_is_seen():
    registry = Metrics().registry
    for reason in EndReason:
        labels = {"reason": reason.value}
        assert registry.get_sample_value("lite_sessions_ended_total", labels) == 0
    for error in (BadMessage, TooMuchAudio):
        labels = {"reason": error.__name__}
        assert registry.get_sample_value("lite_ws_refused_total", labels) == 0


def test_the_dashboard_shows_every_metric():
    text = BOARD.read_text()
    for family in Metrics().registry.collect():
        assert family.name in text


def test_the_panels_fill_the_grid_without_overlap():
    taken = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + row)
        for panel in panels()
        for column in range(panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["h"])
    ]
    rows = 1 + max(row for _, row in taken)
    assert sorted(taken) == sorted({(x, y) for x in range(24) for y in range(rows)})


def test_every_expression_of_the_dashboard_parses(promtool, tmp_path):
    rules = [
        {"record": f"dashboard:query:{i}", "expr": re.sub(r"\$__\w+", "1m", expr)}
        for i, expr in enumerate(asked("dashboard"))
    ]
    path = tmp_path / "rules.json"  # JSON is YAML too
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    check(promtool, "check", "rules", path)


def test_the_configuration_is_one_that_prometheus_takes(promtool):
    check(promtool, "check", "config", DEPLOY / "prometheus" / "prometheus.yml")


def test_every_alert_fires_when_its_budget_is_missed_and_only_then(promtool):
    path = ALERTS.with_name("alerts.test.yml")
    check(promtool, "test", "rules", path)
    for alert in re.findall(r"- alert: (\w+)", ALERTS.read_text()):
        assert f'alertname="{alert}"' in path.read_text()


def check(promtool: str, *command: str | Path) -> None:
    ran = subprocess.run(
        [promtool, *command], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
