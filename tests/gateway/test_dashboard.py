"""The preview of the dashboard, from a real Prometheus with figures that are known."""

import datetime
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.stack import free_port
from lite_gateway.metrics import Metrics
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "deploy" / "grafana" / "lite-gateway.json"
STEP_S = 5
STEPS = 60
MARKS = {"timeseries": "<polyline", "stat": 'class="number', "bargauge": "<rect x="}


def live(metrics: Metrics) -> None:
    """Five seconds of one busy session: 2 ms a frame, 1 frame in 126 given up."""
    metrics.sessions.set(1)
    for _ in range(125):
        metrics.render.observe(0.004)
        metrics.batch_size.observe(2)
        metrics.frames.inc()
        metrics.frame_late.observe(0.003)
        metrics.publish.observe(0.001)
    metrics.frames_skipped.inc()
    metrics.turns.labels("websocket", "finished").inc()
    metrics.added_latency.labels("websocket").observe(0.012)
    metrics.interrupt.observe(0.003)
    metrics.underruns.inc(0)
    metrics.pcm_buffered.observe(0.3)
    metrics.loop_lag.observe(0.0002)
    metrics.ws_messages.labels("agent.speak").inc()


def history(ended_s: int) -> str:
    """OpenMetrics of `STEPS` scrapes, the last at ``ended_s``."""
    metrics, families = Metrics(), {}
    for step in range(STEPS):
        live(metrics)
        at_s = ended_s - STEP_S * (STEPS - 1 - step)
        for family in metrics.registry.collect():
            lines = families.setdefault(
                family.name, [f"# TYPE {family.name} {family.type}"]
            )
            for name, labels, value, *_ in family.samples:
                if not name.endswith("_created"):
                    marks = {**labels, "instance": "gateway:1"}
                    pairs = ",".join(f'{key}="{mark}"' for key, mark in marks.items())
                    lines.append(f"{name}{{{pairs}}} {value} {at_s}")
    return "\n".join(
        [*(line for text in families.values() for line in text), "# EOF\n"]
    )


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; nothing is scraped, the figures are put into its storage."""
    for name in ("prometheus", "promtool"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is missing; Debian's package prometheus brings it")
    folder = tmp_path_factory.mktemp("prometheus")
    now_s = int(datetime.datetime.now(datetime.UTC).timestamp())
    (folder / "history").write_text(history(now_s))
    blocks = ["tsdb", "create-blocks-from", "openmetrics", "history", "data"]
    subprocess.run(["promtool", *blocks], cwd=folder, check=True, capture_output=True)
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    nobody = f"127.0.0.1:{free_port()}"
    text = text.replace("127.0.0.1:8080", nobody).replace("  - alerts.yml", "  - none")
    (folder / "prometheus.yml").write_text(text)
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--web.listen-address={address}"]
    command += ["--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _wait_until_ready(f"http://{address}", process, folder / "log")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            if httpx.get(f"{url}/-/ready", timeout=PATIENCE_S).status_code == 200:
                targets = httpx.get(f"{url}/api/v1/targets", timeout=PATIENCE_S).json()[
                    "data"
                ]
                if targets["activeTargets"]:
                    return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def preview(url: str, board: Path, page: Path) -> subprocess.CompletedProcess[str]:
    command = ["tools/dashboard.py", "--prometheus", url, "--minutes", "4"]
    return subprocess.run(
        [sys.executable, *command, "--board", board, "-o", page],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def drawn(page: Path) -> dict[str, str]:
    """The panels of a page, by title."""
    pieces = page.read_text().split("<section")[1:]
    titles = [re.search(r'class="title">([^<]+)', piece) for piece in pieces]
    return {t[1]: piece for t, piece in zip(titles, pieces, strict=True) if t}


def test_every_panel_is_drawn_with_the_figures_that_were_counted(prometheus, tmp_path):
    ran = preview(prometheus, BOARD, tmp_path / "page.html")
    assert ran.returncode == 0, ran.stderr
    shown = drawn(tmp_path / "page.html")
    asked = {p["title"]: p["type"] for p in json.loads(BOARD.read_text())["panels"]}
    assert list(shown) == list(asked)
    for title, kind in asked.items():
        assert MARKS[kind] in shown[title], title
    assert ">1</text>" in shown["Sessions open"]
    assert ">2 ms</text>" in shown["Render, a frame"]
    assert ">0.794%</text>" in shown["Frames given up"]
    assert "gateway:1" in shown["Sessions open, by gateway"]


def test_a_panel_without_an_answer_is_named(prometheus, tmp_path):
    board = json.loads(BOARD.read_text())
    spoilt = board["panels"][:4]
    spoilt[0]["targets"][0]["expr"] = "sum(lite_nothing)"
    spoilt[1]["targets"][0]["expr"] = "sum(lite_sessions"
    spoilt[2]["targets"][0]["expr"] = "rate(lite_frames_total[$window])"
    spoilt[3]["type"] = "piechart"
    path = tmp_path / "board.json"
    path.write_text(json.dumps(board))
    ran = preview(prometheus, path, tmp_path / "page.html")
    assert ran.returncode == 1
    told = ran.stderr.splitlines()
    for panel, why, line in zip(
        spoilt, ["no data", "parse error", "$window", "piechart"], told, strict=True
    ):
        assert line.startswith(panel["title"] + ": ")
        assert why in line
