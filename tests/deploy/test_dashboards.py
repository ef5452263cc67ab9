"""Dashboard and alerts use metrics that exist, and the alerts fire when they should."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.report.budgets import LABELS
from lite_gateway.metrics import Metrics
from protocol.errors import BadMessage, TooMuchAudio
from protocol.lite.messages import EndReason

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "lite-gateway.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
# Parts of PromQL whose words are no metrics: labels, ranges, groupings, strings.
NOT_METRICS = r'\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring) *\([^)]*\)|"[^"]*"'


def known_metrics() -> set[str]:
    """Return every name that /metrics may have, and the one that Prometheus adds."""
    names = {"up"}
    for family in Metrics().registry.collect():
        endings = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_sum", "_count"],
        }.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names


def panels() -> list[dict[str, Any]]:
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions(source: str) -> list[str]:
    """Return the expressions of the dashboard or of the alerts."""
    if source == "alerts":
        return re.findall(r"^ *expr: (.+)$", ALERTS.read_text(), re.MULTILINE)
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def metrics_in(expr: str) -> set[str]:
    bare = re.sub(NOT_METRICS, " ", expr)
    words = re.findall(r"[a-zA-Z_:][\w:]*\b(?! *\()", bare)
    return set(words) - {"and", "or", "unless"}


@pytest.fixture(scope="module")
def promtool() -> str:
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed; it is in Debian's package prometheus")
    return path


@pytest.mark.parametrize("source", ["dashboard", "alerts"])
def test_every_metric_in_an_expression_exists(source):
    queries = expressions(source)
    assert len(queries) > 5
    for expr in queries:
        assert metrics_in(expr), expr
        assert metrics_in(expr) <= known_metrics(), expr


def test_counters_of_rare_events_start_at_zero():
    registry = Metrics().registry
    for reason in EndReason:
        labels = {"reason": reason.value}
        assert registry.get_sample_value("lite_sessions_ended_total", labels) == 0
    for source in ("websocket", "datastream"):
        labels = {"source": source}
        assert (
            registry.get_sample_value("lite_added_latency_seconds_count", labels) == 0
        )
        for outcome in ("finished", "interrupted", "stopped"):
            turn = labels | {"outcome": outcome}
            assert registry.get_sample_value("lite_turns_total", turn) == 0
    for error in (BadMessage, TooMuchAudio):
        labels = {"reason": error.__name__}
        assert registry.get_sample_value("lite_ws_refused_total", labels) == 0


def test_the_dashboard_shows_every_metric_of_the_gateway_and_its_resources():
    own = {
        family.name
        for family in Metrics().registry.collect()
        if family.name.startswith("lite_")
    }
    used = {"resident_memory_bytes", "open_fds", "max_fds", "cpu_seconds"}
    text = DASHBOARD.read_text()
    for name in own | {f"process_{resource}" for resource in used}:
        assert name in text


def test_the_panels_fill_the_grid_without_overlap():
    taken = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + row)
        for panel in panels()
        for column in range(panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["h"])
    ]
    rows = 1 + max(row for _, row in taken)
    assert sorted(taken) == sorted({(x, y) for x in range(24) for y in range(rows)})


@pytest.mark.program
def test_every_expression_of_the_dashboard_parses(promtool, tmp_path):
    rules = [
        {"record": f"dashboard:query:{i}", "expr": re.sub(r"\$__\w+", "1m", expr)}
        for i, expr in enumerate(expressions("dashboard"))
    ]
    path = tmp_path / "rules.json"  # JSON is YAML too
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    check(promtool, "check", "rules", path)


@pytest.mark.program
def test_prometheus_accepts_the_configuration(promtool):
    check(promtool, "check", "config", DEPLOY / "prometheus" / "prometheus.yml")


@pytest.mark.program
def test_every_alert_fires_only_when_its_budget_is_missed(promtool):
    path = ALERTS.with_name("alerts.test.yml")
    check(promtool, "test", "rules", path)
    for alert in re.findall(r"- alert: (\w+)", ALERTS.read_text()):
        assert f'alertname="{alert}"' in path.read_text()


def test_the_page_of_budgets_has_every_label_and_alert():
    page = (DEPLOY.parent / "docs" / "budgets.md").read_text()
    for label in LABELS:
        assert f"\n### {label}\n" in page
    alerts = ALERTS.read_text()
    on_budgets = alerts.split("- name: operations")[0]
    for alert in re.findall(r"- alert: (\w+)", on_budgets):
        assert alert in page or alert == "GatewayDown"
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    links = set(re.findall(r"docs/budgets\.md#(\S+)", alerts))
    assert links
    assert links <= anchors


def test_every_alert_has_a_runbook_and_a_unit_test():
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    page = (DEPLOY.parent / "docs" / "runbooks.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    assert list(sections) == [rule["alert"] for rule in rules]
    tests = ALERTS.with_name("alerts.test.yml").read_text()
    for rule in rules:
        name = rule["alert"]
        assert f'alertname="{name}"' in tests
        url = rule["annotations"]["runbook_url"]
        assert url == f"docs/runbooks.md#{name.lower()}"
        for part in ("Means", "Look at", "Do", "Who"):
            assert f"* **{part}**: " in sections[name], name


def check(promtool: str, *command: str | Path) -> None:
    result = subprocess.run(
        [promtool, *command], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
