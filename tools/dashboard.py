"""
The Grafana dashboard with real data and without Grafana: a preview and a check.

``python tools/dashboard.py --prometheus URL --minutes 5 -o out/dashboard.html`` asks a
Prometheus what every panel would ask and draws the answers where the panels lie, as one
page that needs nothing else. A panel whose query fails or is answered with nothing is
named, and the exit status is 1. It is not Grafana: nothing on the page can be clicked.
"""

import argparse
import datetime
import json
import math
import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import httpx
from panels import CannotDraw, Series, draw

ROOT = Path(__file__).resolve().parents[1]
BOARD = ROOT / "deploy" / "grafana" / "lite-gateway.json"
COLUMN_W, ROW_H, GAP = 57.0, 30.0, 8.0  # px of Grafana's grid of 24 columns
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_STYLE = f"""
body {{ margin: 0 auto; padding: 16px; width: {24 * (COLUMN_W + GAP) - GAP:.0f}px;
  background: #111217; color: #ccccdc; font: 13px/1.4 system-ui, sans-serif; }}
header {{ display: flex; justify-content: space-between; align-items: baseline; }}
h1 {{ font-size: 18px; font-weight: 500; margin: 0 0 12px; }}
header p, footer {{ color: #8e909b; margin: 0 0 12px; }}
main {{ display: grid; gap: {GAP}px; grid-auto-rows: {ROW_H}px;
  grid-template-columns: repeat(24, {COLUMN_W}px); }}
svg {{ display: block; }}
footer {{ margin-top: 14px; }}
.panel {{ fill: #181b1f; stroke: #2c3036; }}
text {{ font: 11px system-ui, sans-serif; fill: #ccccdc; }}
text.title {{ font-size: 13px; font-weight: 500; }}
text.axis {{ fill: #8e909b; }}
text.number {{ font-size: 30px; font-weight: 500; }}
section p {{ margin: 0; padding: 10px; color: #f2495c; background: #181b1f; }}
.end {{ text-anchor: end; }}
.middle {{ text-anchor: middle; }}
"""


class Refused(Exception):
    """A query that cannot be asked, or was not answered."""


class Prometheus:
    """The few calls of its HTTP API that a dashboard needs."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/") + "/api/v1/", timeout=30)

    def ask(self, path: str, **parameters: Any) -> Any:
        """The ``data`` of one answer; raises `Refused`."""
        answer = self._http.get(path, params=parameters)
        told: dict[str, Any] = answer.json()
        if told["status"] != "success":
            raise Refused(told["error"])
        return told["data"]

    def now_s(self) -> float:
        """By the server's clock, seconds since 1970."""
        return float(self.ask("query", query="time()")["result"][0])

    def scrape_interval_s(self) -> float:
        """The longest of the active targets'."""
        targets = self.ask("targets", state="active")["activeTargets"]
        return max(duration_s(target["scrapeInterval"]) for target in targets)


@dataclass(frozen=True, slots=True)
class View:
    """The time shown, as Grafana would ask for it."""

    began_s: float
    ended_s: float
    scrape_s: float
    variables: dict[str, str]

    def least_s(self, target: dict[str, Any]) -> float:
        """The query's own least step if it has one, else a scrape."""
        return duration_s(target.get("interval", "")) or self.scrape_s

    def step_s(self, target: dict[str, Any], width: float) -> float:
        """``$__interval``: a point for every pixel, if that many are to be had."""
        points = (self.ended_s - self.began_s) / width / self.least_s(target)
        return self.least_s(target) * max(1, math.ceil(points))

    def filled(self, target: dict[str, Any], step_s: float) -> str:
        """The query with Grafana's variables and our own put in; raises `Refused`."""
        rate_s = max(step_s + self.least_s(target), 4 * self.least_s(target))
        known = {
            "__interval": milliseconds(step_s),
            "__rate_interval": milliseconds(rate_s),
            "__range": milliseconds(self.ended_s - self.began_s),
            **self.variables,
        }
        names = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
        try:
            return names.sub(lambda it: known[it[1] or it[2]], target["expr"])
        except KeyError as name:
            raise Refused(f"no variable ${name.args[0]} in {target['expr']}") from None


def duration_s(text: str) -> float:
    """``1m30s`` as Prometheus writes it."""
    parts = re.findall(r"(\d+)(ms|[smhd])", text)
    return float(sum(int(count) * _UNITS_S[unit] for count, unit in parts))


def milliseconds(seconds: float) -> str:
    """As a duration of PromQL, which knows no fractions."""
    return f"{round(1000 * seconds)}ms"


def variables(board: dict[str, Any], prometheus: Prometheus) -> dict[str, str]:
    """What each template variable stands for at first; raises `Refused`."""
    chosen = {}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = re.fullmatch(r"label_values\((\w+), *(\w+)\)", variable["definition"])
        if found is None:
            raise Refused(f"{variable['definition']} is not understood")
        there = prometheus.ask(f"label/{found[2]}/values", **{"match[]": found[1]})
        if not there:
            raise Refused(f"{variable['definition']} has no value")
        chosen[variable["name"]] = variable["allValue"]
    return chosen


def answers(
    panel: dict[str, Any], prometheus: Prometheus, view: View, width: float
) -> list[Series]:
    """What the panel's queries are answered; raises `Refused`, also for nothing."""
    series = []
    for target in panel["targets"]:
        step_s = view.step_s(target, width)
        query = view.filled(target, step_s)
        if target.get("instant"):
            told = prometheus.ask("query", query=query, time=view.ended_s)
        else:
            # On whole steps, so that a reload moves the lines and does not redraw them.
            times = {
                "start": math.floor(view.began_s / step_s) * step_s,
                "end": math.floor(view.ended_s / step_s) * step_s,
            }
            told = prometheus.ask("query_range", query=query, step=step_s, **times)
        found = [_series(each, target["legendFormat"]) for each in told["result"]]
        if not any(each.values for each in found):
            raise Refused(f"no data for {query}")
        series += [each for each in found if each.values]
    return series


def _series(told: dict[str, Any], legend: str) -> Series:
    labels = told["metric"]
    name = re.sub(r"\{\{ *(\w+) *\}\}", lambda label: labels.get(label[1], ""), legend)
    values = told.get("values") or [told["value"]]
    return Series(name, [(float(at_s), float(value)) for at_s, value in values])


def page(
    board: dict[str, Any], prometheus: Prometheus, view: View
) -> tuple[str, list[str]]:
    """HTML, and what is wrong with each panel that could not be shown."""
    body, faults = [], []
    for panel in board["panels"]:
        at = panel["gridPos"]
        size = (at["w"] * (COLUMN_W + GAP) - GAP, at["h"] * (ROW_H + GAP) - GAP)
        try:
            found = answers(panel, prometheus, view, size[0])
            drawn = draw(panel, found, size, (view.began_s, view.ended_s))
        except (Refused, CannotDraw) as why:
            faults.append(f"{panel['title']}: {why}")
            drawn = f"<p>{escape(faults[-1])}</p>"
        place = (
            f"grid-column:{at['x'] + 1}/span {at['w']};"
            f"grid-row:{at['y'] + 1}/span {at['h']}"
        )
        body.append(f'<section style="{place}">{drawn}</section>')
    return _html(board["title"], "".join(body), view), faults


def _html(title: str, body: str, view: View) -> str:
    began, ended = (
        f"{datetime.datetime.fromtimestamp(at_s, datetime.UTC):%Y-%m-%d %H:%M:%S}"
        for at_s in (view.began_s, view.ended_s)
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}"
        f"</title><style>{_STYLE}</style><header><h1>{escape(title)}</h1>"
        f"<p>{began} to {ended} UTC, scraped every {view.scrape_s:g} s</p></header>"
        f"<main>{body}</main><footer>Drawn by tools/dashboard.py from "
        "deploy/grafana/lite-gateway.json and the answers of a Prometheus: "
        "a preview and a check of the dashboard, not Grafana.</footer></html>\n"
    )


def main() -> None:
    """Draw the page; exit 1 when a panel cannot be shown."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--minutes", type=float, default=15.0, help="shown, up to now")
    parser.add_argument("--board", type=Path, default=BOARD, help="the JSON to draw")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the page")
    given = parser.parse_args()
    board = json.loads(given.board.read_text())
    prometheus = Prometheus(given.prometheus)
    try:
        now_s = prometheus.now_s()
        scrape_s = prometheus.scrape_interval_s()
        chosen = variables(board, prometheus)
    except (httpx.HTTPError, Refused) as why:
        sys.exit(f"{given.prometheus}: {why}")
    view = View(now_s - 60 * given.minutes, now_s, scrape_s, chosen)
    html, faults = page(board, prometheus, view)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(html)
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
