"""First lines of ``dev``: where to open the page, and who hears, answers and speaks."""

from pathlib import Path

import pytest

from bench.probe.stack import running_gateway
from tests.e2e.calls import LEAN
from tests.waiting import until

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytest.importorskip("moonshine_voice", reason="needs lite-gateway[speech]")
pytestmark = [pytest.mark.livekit, pytest.mark.process]


def test_dev_says_which_parts_of_a_conversation_are_built_in(
    livekit_binary: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with running_gateway(
        *("", "", "", log),  # it runs a LiveKit server of its own
        LITE_CONVERSATIONS="auto",
        LITE_LLM_URL="http://127.0.0.1:9/v1",
        LITE_LLM_MODEL="small-model",
        LITE_ALLOW_CREATE="on",
        **LEAN,
    ) as gateway:
        until(lambda: "stop with Ctrl-C" in log.read_text())
    text = log.read_text()
    assert "built-in speech: small English models" in text
    assert "answers by small-model at http://127.0.0.1:9/v1" in text
    assert f"{gateway.url}/#talk" in text
    assert f"{gateway.url}/create to make an avatar" in text
