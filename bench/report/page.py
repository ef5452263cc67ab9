"""Report page: one HTML file with tables and charts that loads nothing else."""

import html
from collections.abc import Sequence
from typing import Any

from bench.report.charts import distribution, peer_charts
from bench.report.summary import VERDICTS, Summary, Verdict, summarize
from bench.report.timeline import drawing

_PEERS = (
    "<p><small>All systems get the same speech with the same interrupts, in turns in "
    "the same run; a subscriber in another process measures. On the right: the peer's "
    "median divided by ours, with its 95 % interval. “Voice alone” publishes the audio "
    "without an avatar and is the physical limit. “Model of batching” is arithmetic "
    "on published constants and no product; it is interrupted one second later, when "
    "its tone can be heard.</small></p>"
)
_STYLE = """
:root { color-scheme: light; --ink: #16211f; --soft: #66736f; --line: #d8dedb;
  --mark: #0f6b66; --bad: #b3261e; --ground: #f7f6f2; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { padding: .35rem .6rem; border-top: 1px solid var(--line); text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; }
small { color: var(--soft); }
img { display: block; max-width: 100%; height: auto; }
td img { min-width: 16rem; }
figure { margin: 0 0 1rem; }
td.one { white-space: nowrap; }
td.met { color: var(--mark); white-space: nowrap; }
td.missed { color: var(--bad); font-weight: 600; white-space: nowrap; }
td.not { white-space: nowrap; }
tr.not td { color: var(--soft); }
td.label { font-weight: 600; }
"""


def page(reports: Sequence[dict[str, Any]]) -> str:
    """Return the HTML of ``reports``, each of which is a `Report.as_json`."""
    body = _summary(summarize(reports))
    body += "".join(_section(report) for report in reports)
    conditions = html.escape(_machine(reports[0]["machine"])) if reports else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>bench</title>"
        f"<style>{_STYLE}</style><h1>Bench</h1><p><small>{conditions}</small></p>{body}"
        "<p><small>The chart of a row shows the share of samples at or below a value; "
        "the dotted lines are p50 and p95.</small></p>"
    )


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {at}" for name, at in machine["versions"].items())
    gpu = machine["gpu"] or "no GPU"
    return (
        f"{machine['at']} · {machine['cpu']}, {machine['cores']} cores, {gpu} · "
        f"commit {machine['commit']} · Python {machine['python']}, {versions}"
    )


def _summary(summary: Summary) -> str:
    judged = [verdict for verdict in summary.verdicts if verdict.n]
    met = sum(verdict.met is True for verdict in judged)
    rows, before = "", ""
    for verdict in summary.verdicts:
        rows += _verdict(verdict, first=verdict.label != before)
        before = verdict.label
    peers = ""
    if summary.ratios:
        peers = f"<h2>Compared with peers</h2>{_PEERS}{peer_charts(summary)}"
    return (
        f"<h2>Budgets: {met} of {len(judged)} met</h2>"
        "<table><tr><th><th>figure<th>scenario<th>N<th>measured<th>budget<th>"
        f"{rows}</table>{peers}"
    )


def _verdict(verdict: Verdict, *, first: bool) -> str:
    word = VERDICTS[verdict.met]
    kind = word.partition(" ")[0]
    figure, scenario, measured = (
        html.escape(text)
        for text in (verdict.figure, verdict.scenario, verdict.measured)
    )
    terms = html.escape(f"{verdict.terms} {verdict.unit}".strip())
    return (
        f"<tr class={kind}><td class=label>{verdict.label if first else ''}<td>{figure}"
        f"<td class=one>{scenario}<td class=n>{verdict.n or ''}"
        f"<td class=one>{measured}<td class=one>{terms}"
        f"<td class={kind}>{word}"
    )


def _section(report: dict[str, Any]) -> str:
    conditions = ", ".join(
        f"{name}: {value}" for name, value in report["conditions"].items()
    )
    rows = "".join(_row(figure) for figure in report["figures"])
    timeline = drawing(report["timeline"]) if report.get("timeline") else ""
    return (
        f"<h2>{html.escape(report['scenario'])}</h2>"
        f"<p><small>{html.escape(conditions)}</small></p>"
        "<table><tr><th>figure<th>N<th>p50<th>p95<th>p99<th>unit<th>budget<th>"
        f"{rows}</table>{timeline}"
    )


def _row(figure: dict[str, Any]) -> str:
    numbers = "".join(f"<td class=n>{figure[p]:.1f}" for p in ("p50", "p95", "p99"))
    peer = f", {figure['peer']}" if figure.get("peer") else ""
    name, unit, budget = (
        html.escape(text)
        for text in (figure["name"] + peer, figure["unit"], figure["budget"])
    )
    return (
        f"<tr><td>{name}<td class=n>{figure['n']}{numbers}<td>{unit}<td>{budget}"
        f"<td>{distribution(figure)}"
    )
