"""Budgets are parsed, printed and judged; the summary lists all of them."""

import argparse
import io
import json

import numpy as np
import pytest
from rich.console import Console

from bench.report import readme
from bench.report.budgets import LABELS, Bound, Budget
from bench.report.figures import Report, read, write
from bench.report.page import page
from bench.report.summary import summarize


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("L1 p50 ≤ 15, p99 ≤ 40", "L1 p50 ≤ 15, p99 ≤ 40"),
        ("L3 p50<=90 ms", "L3 p50 ≤ 90"),
        ("L4 -40 .. +15", "L4 \N{MINUS SIGN}40 … +15"),
        ("L4 \N{MINUS SIGN}40 … +15 ms", "L4 \N{MINUS SIGN}40 … +15"),
        ("L7 ≥ 3", "L7 ≥ 3"),
        ("≤ 150", "≤ 150"),
    ],
)
def test_a_budget_is_printed_as_it_was_parsed(text, printed):
    assert str(Budget.parse(text)) == printed
    assert Budget.parse(printed) == Budget.parse(text)


def test_a_range_is_one_bound_with_two_ends():
    assert Budget.parse("L4 -40 .. +15").bounds == (Bound(None, -40, 15),)


@pytest.mark.parametrize(
    "text", ["", "L5", "L5 3 frames", "fast", "p50 ≤", "≤ 3, soon"]
)
def test_text_that_is_no_budget_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="a budget is like 'L1 p50 ≤ 15, p99 ≤ 40'"):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("text", "samples", "met"),
    [
        ("L1 p50 ≤ 15, p99 ≤ 40", [10.0] * 200, True),
        ("L1 p50 ≤ 15, p99 ≤ 40", [16.0] * 200, False),
        ("L1 p50 ≤ 15, p99 ≤ 40", [10.0] * 195 + [50.0] * 5, False),
        ("L6 ≤ 1000", [100.0] * 98 + [3000.0] * 2, True),
        ("L6 ≤ 1000", [100.0] * 90 + [3000.0] * 10, False),
        ("L4 -40 .. +15", list(np.linspace(-41, 16, 500)), True),
        ("L4 -40 .. +15", list(np.linspace(-60, 10, 500)), False),
        ("L4 -40 .. +15", list(np.linspace(-30, 30, 500)), False),
        ("L7 ≥ 3", [3.0], True),
        ("L7 ≥ 3", [2.0], False),
        ("L3 p50 ≤ 90", [50.0, float("nan"), 50.0], False),
        ("L3 p50 ≤ 90", [], None),
    ],
)
def test_a_budget_is_judged_at_its_percentiles(text, samples, met):
    assert Budget.parse(text).met(samples) is met


def test_the_deciding_percentiles_are_shown():
    budget = Budget.parse("L1 p50 ≤ 15, p99 ≤ 40")
    assert budget.measured(list(np.linspace(0, 100, 101))) == "p50 50.0, p99 99.0"
    assert budget.measured([12.3]) == "12.3"


def two_sides() -> list[Report]:
    """Return a run in which this server is twice as fast as its peer."""
    rng = np.random.default_rng(3)
    latency, peers = Report("latency, burst"), Report("side by side")
    latency.add("sent → seen", "ms", rng.normal(10, 1, 30), "L1 p50 ≤ 15")
    latency.add("sent → heard", "ms", rng.normal(100, 1, 30), "L3 p50 ≤ 90")
    peers.add("given → heard", "ms", rng.normal(50, 2, 30))
    peers.add("given → heard", "ms", rng.normal(100, 4, 30), peer="other")
    return [latency, peers]


def test_the_summary_has_a_verdict_for_every_label():
    summary = summarize([report.as_json() for report in two_sides()])
    met = {verdict.label: verdict.met for verdict in summary.verdicts}
    assert met == dict.fromkeys(LABELS) | {"L1": True, "L3": False}
    assert [verdict.label for verdict in summary.verdicts] == sorted(LABELS)


def test_the_summary_has_the_ratio_of_a_peer_to_ours():
    [ratio] = summarize([report.as_json() for report in two_sides()]).ratios
    assert ratio.peer == "other"
    assert ratio.low < 2.0 < ratio.high
    assert 1.9 < ratio.low < ratio.ratio < ratio.high < 2.1


def test_a_saved_run_has_the_summary_and_can_be_read(tmp_path):
    write(tmp_path / "out.json", two_sides())
    saved = json.loads((tmp_path / "out.json").read_text())
    assert saved["headline"]["ratios"][0]["peer"] == "other"
    assert saved["headline"]["verdicts"][0]["met"] is True
    assert read(tmp_path / "out.json") == saved["reports"]
    (tmp_path / "older.json").write_text(json.dumps(saved["reports"]))
    assert read(tmp_path / "older.json") == saved["reports"]


def test_the_readme_tables_show_the_saved_figures(tmp_path, capsys):
    write(tmp_path / "out.json", two_sides())
    readme.run(argparse.Namespace(saved=tmp_path / "out.json"))
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("| L")]
    assert len(rows) == 2
    assert rows[0].startswith("| L1 | sent → seen | latency, burst | 30 | ")
    assert rows[0].endswith("| p50 ≤ 15 ms | met |")
    assert rows[1].endswith("| p50 ≤ 90 ms | missed |")
    assert any("| **this server** | 30 | " in line for line in lines)
    assert sum("| other | 30 | " in line for line in lines) == 1
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables} == {9, 7}


def test_the_readme_shows_both_ends_of_a_range(tmp_path, capsys):
    report = Report("lips")
    report.add("audio ahead of lips", "ms", list(range(-50, 51)), "L4 -40 .. +15")
    write(tmp_path / "out.json", [report])
    readme.run(argparse.Namespace(saved=tmp_path / "out.json"))
    assert "| 0.0 ms | 45 ms (p5 -45) | " in capsys.readouterr().out


def test_terminal_and_page_show_the_same_summary():
    reports = [report.as_json() for report in two_sides()]
    console = Console(width=160, record=True, file=io.StringIO())
    summarize(reports).show(console)
    printed, html = console.export_text(), page(reports)
    for text in ("sent → seen", "missed", "this server", "other"):
        assert text in printed
        assert text in html
    assert html.index("Budgets: 1 of 2 met") < html.index("Compared with peers")
    assert html.index("Compared with peers") < html.index("<h2>latency, burst")


def test_the_page_is_drawn_though_a_peer_was_never_heard():
    report = Report("side by side")
    report.add("sent → heard", "ms", [10.0, 11.0, float("nan"), 12.0, 13.0])
    report.add("sent → heard", "ms", [float("nan")] * 5, peer="other")
    html = page([report.as_json()])
    assert "other nan ms" in html
