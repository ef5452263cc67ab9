"""All reports as one page that needs nothing else: tables, and where samples lie."""

import html
from collections.abc import Sequence
from typing import Any

from bench.report.bars import bars
from bench.report.headline import WORDS, Summary, Verdict, headline
from bench.report.timeline import drawing

_WIDTH, _HEIGHT = 420, 56
_FOOT = 14  # of a plot: its axis
_FEWEST = 3  # samples that make a plot

_BESIDE = (
    "<p><small>The same speech with the same cuts, in turns in the same run, at a "
    "subscriber in another process. At the right: the peer's median over ours, and its "
    "95 % interval. The voice alone, without an avatar, is the physical limit; the "
    "model of batching is arithmetic, no product, and is cut a second later, when its "
    "tone is heard.</small></p>"
)
_STYLE = """
:root { color-scheme: light dark; --ink: #16211f; --soft: #66736f; --line: #d8dedb;
  --mark: #0f6b66; --bad: #b3261e; --peer: #aab4b1;
  --ground: #f7f6f2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eeec; --soft: #9aa7a3;
  --line: #35413e; --mark: #5fc7bd; --bad: #ff8a80; --peer: #56635f;
  --ground: #121817; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { padding: .35rem .6rem; border-top: 1px solid var(--line); text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; }
small { color: var(--soft); }
svg { display: block; }
svg text { font-size: 10px; fill: var(--soft); }
svg text.word { font-size: 12.5px; fill: var(--ink); }
figure { margin: 0 0 1rem; }
td.one { white-space: nowrap; }
td.met { color: var(--mark); white-space: nowrap; }
td.missed { color: var(--bad); font-weight: 600; white-space: nowrap; }
td.not, tr.not td { color: var(--soft); white-space: nowrap; }
td.label { font-weight: 600; }
"""


def page(reports: Sequence[dict[str, Any]]) -> str:
    """HTML of what `bench.report.figures.Report.as_json` gives."""
    body = _headline(headline(reports))
    body += "".join(_section(report) for report in reports)
    about = html.escape(_about(reports[0]["machine"])) if reports else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>bench</title>"
        f"<style>{_STYLE}</style><h1>Bench</h1><p><small>{about}</small></p>{body}"
        "<p><small>Each plot: the share of samples at or below a value; "
        "the lines are p50 and p95.</small></p>"
    )


def _about(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {at}" for name, at in machine["versions"].items())
    gpu = machine["gpu"] or "no GPU"
    return (
        f"{machine['at']} · {machine['cpu']}, {machine['cores']} cores, {gpu} · "
        f"commit {machine['commit']} · Python {machine['python']}, {versions}"
    )


def _headline(whole: Summary) -> str:
    judged = [verdict for verdict in whole.verdicts if verdict.n]
    met = sum(verdict.met is True for verdict in judged)
    rows, before = "", ""
    for verdict in whole.verdicts:
        rows += _verdict(verdict, first=verdict.label != before)
        before = verdict.label
    beside = f"<h2>Beside its peers</h2>{_BESIDE}{bars(whole)}" if whole.ratios else ""
    return (
        f"<h2>Budgets: {met} of {len(judged)} met</h2>"
        "<table><tr><th><th>figure<th>taken in<th>N<th>measured<th>budget<th>"
        f"{rows}</table>{beside}"
    )


def _verdict(each: Verdict, *, first: bool) -> str:
    word = WORDS[each.met]
    kind = word.partition(" ")[0]
    told = [html.escape(text) for text in (each.figure, each.scenario, each.measured)]
    figure, scenario, measured = told
    terms = html.escape(f"{each.terms} {each.unit}".strip())
    return (
        f"<tr class={kind}><td class=label>{each.label if first else ''}<td>{figure}"
        f"<td class=one>{scenario}<td class=n>{each.n or ''}"
        f"<td class=one>{measured}<td class=one>{terms}"
        f"<td class={kind}>{word}"
    )


def _section(report: dict[str, Any]) -> str:
    told = ", ".join(f"{name}: {value}" for name, value in report["conditions"].items())
    rows = "".join(_row(figure) for figure in report["figures"])
    drawn = drawing(report["timeline"]) if report.get("timeline") else ""
    return (
        f"<h2>{html.escape(report['scenario'])}</h2>"
        f"<p><small>{html.escape(told)}</small></p>"
        "<table><tr><th>figure<th>N<th>p50<th>p95<th>p99<th>unit<th>budget<th>"
        f"{rows}</table>{drawn}"
    )


def _row(figure: dict[str, Any]) -> str:
    numbers = "".join(f"<td class=n>{figure[p]:.1f}" for p in ("p50", "p95", "p99"))
    peer = f", {figure['peer']}" if figure.get("peer") else ""
    words = (figure["name"] + peer, figure["unit"], figure["budget"])
    name, unit, budget = (html.escape(word) for word in words)
    return (
        f"<tr><td>{name}<td class=n>{figure['n']}{numbers}<td>{unit}<td>{budget}"
        f"<td>{_plot(figure)}"
    )


def _plot(figure: dict[str, Any]) -> str:
    """The share of samples at or below each value."""
    samples: list[float] = sorted(figure["samples"])
    if len(samples) < _FEWEST:
        return ""
    low, high = min(0.0, samples[0]), max(samples[-1], 1e-9)

    def across(value: float) -> float:
        return (value - low) / (high - low) * _WIDTH

    steps = [
        f"H{across(value):.1f} V{(1 - (i + 1) / len(samples)) * _HEIGHT:.1f}"
        for i, value in enumerate(samples)
    ]
    lines = "".join(
        f"<path d='M{across(figure[p]):.1f} 0V{_HEIGHT}' stroke='var(--mark)' "
        "stroke-dasharray='2 3'/>"
        for p in ("p50", "p95")
    )
    axis = f"<path d='M0 {_HEIGHT}H{_WIDTH}' stroke='var(--line)'/>"
    ends = (
        f"<text x=0 y={_HEIGHT + _FOOT}>{low:.0f}</text><text x={_WIDTH} "
        f"y={_HEIGHT + _FOOT} text-anchor=end>{high:.0f} {figure['unit']}</text>"
    )
    path = f"M0 {_HEIGHT}" + "".join(steps)
    return (
        f"<svg width={_WIDTH} height={_HEIGHT + _FOOT + 2} role=img "
        f"aria-label='distribution'>{axis}{lines}"
        f"<path d='{path}' fill=none stroke='var(--mark)' stroke-width=1.5 />"
        f"{ends}</svg>"
    )
