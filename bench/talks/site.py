"""Servers of the scenario ``conversation``: gateway, agent process, and counterpart."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.probe.conversation_gateway import LINK, WAKES, read_delays
from bench.probe.stack import Gateway, running_gateway
from lite_gateway.conversation.link import LinkDelay
from lite_gateway.devserver.process import LiveKit
from tests.openai_counterpart.process import RunningCounterpart, running_counterpart

AGENT = "conversation.agent"  # module of the agent process
KEY = "sk-bench"
READY_S = 180.0  # for the agent process, on a busy machine
PROMPT = "You are measured."
LONG_S = 8.0  # of speech that is cut
ANSWER = {"text": "I see."}
# Realtime is asked to repeat texts; in FULL mode they go to the voice at once.
SCRIPT: dict[str, Any] = {
    "chat": ANSWER,
    "responses": [{"when": {"contains": "repeat"}, "seconds": LONG_S}, ANSWER],
}


@dataclass(frozen=True)
class ConversationSite:
    """Gateway whose conversations use the counterpart, and the files that it writes."""

    gateway: Gateway
    counterpart: RunningCounterpart
    folder: Path

    @property
    def trace(self) -> Path:
        return self.folder / "trace.jsonl"

    @property
    def wakes(self) -> Path:
        return self.folder / WAKES

    def delays(self, since_s: float, until_s: float) -> list[LinkDelay]:
        """Return how long pings took on the link in that time."""
        return read_delays(self.folder / LINK, since_s, until_s)

    def agent(self) -> "AgentUse":
        """Return the agent process."""
        children = psutil.Process(self.gateway.pid).children(recursive=True)
        found = [child for child in children if AGENT in child.cmdline()]
        assert found, f"the gateway has no agent process; see {self.gateway.log_path}"
        return AgentUse(found)

    def start_full(self, avatar: str, quality: str, **fields: Any) -> dict[str, Any]:
        """Start a session in FULL mode; return the data of ``start``."""
        persona = {"context_id": self._context()}
        body = {"mode": "FULL", "avatar_persona": persona, **fields}
        return self._start(avatar, quality, body)

    def start_realtime(self, avatar: str, quality: str) -> dict[str, Any]:
        """Start a session with OpenAI Realtime; return the data of ``start``."""
        secret = {
            "secret_name": "bench",
            "secret_type": "OPENAI_API_KEY",
            "secret_value": KEY,
        }
        config = {
            "secret_id": self.gateway.call("POST", "/v1/secrets", secret)["id"],
            "context_id": self._context(),
        }
        body = {"mode": "LITE", "openai_realtime_config": config}
        return self._start(avatar, quality, body)

    def _context(self) -> str:
        name = f"bench {time.monotonic_ns()}"
        body = {"name": name, "prompt": PROMPT, "opening_text": ""}
        return str(self.gateway.call("POST", "/v1/contexts", body)["id"])

    def _start(
        self, avatar: str, quality: str, fields: dict[str, Any]
    ) -> dict[str, Any]:
        body = {"avatar_id": avatar, "video_settings": {"quality": quality}, **fields}
        token = self.gateway.call("POST", "/v1/sessions/token", body)["session_token"]
        headers = {"Authorization": f"Bearer {token}"}
        response = self.gateway.post("/v1/sessions/start", headers=headers)
        response.raise_for_status()
        started: dict[str, Any] = response.json()["data"]
        return started


class AgentUse:
    """Use of processor and memory by the agent process: its root and its worker."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes

    @property
    def processor_s(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return float(sum(it.user + it.system for it in times))

    @property
    def memory_mb(self) -> float:
        """Resident memory, in which what they share counts once."""
        root, *workers = self._processes
        resident = sum(it.memory_info().rss for it in workers or [root])
        alone = root.memory_full_info().uss if workers else 0
        return float((resident + alone) / 2**20)


@contextlib.contextmanager
def running_site(
    livekit: LiveKit, folder: Path, *, wakes: bool = False
) -> Iterator[ConversationSite]:
    """
    Run gateway and counterpart until the context ends; the agent process is warm.

    ``wakes`` also records how late the gateway's event loop wakes.
    """
    probe = ("-m", "bench.probe.conversation_gateway", str(folder))
    with (
        running_counterpart() as counterpart,
        running_gateway(
            *(livekit.url, livekit.key, livekit.secret, folder / "gateway.log"),
            command=(*probe, "--wakes") if wakes else probe,
            LITE_CONVERSATIONS="auto",
            LITE_DEFAULT_AVATAR="fiducial",  # quick to warm up
            LITE_TRACE=str(folder / "trace.jsonl"),
            LITE_REALTIME_URL=counterpart.url,
            LITE_REALTIME_TURNS="server_vad",
            LITE_STT_URL=counterpart.url,
            LITE_STT_KEY=KEY,
            LITE_TTS_URL=counterpart.url,
            LITE_TTS_KEY=KEY,
            LITE_LLM_URL=counterpart.url,
            LITE_LLM_KEY=KEY,
            LITE_LLM_MODEL="bench",
        ) as gateway,
    ):
        _wait_for_agent(gateway)
        counterpart.script(**SCRIPT)
        yield ConversationSite(gateway, counterpart, folder)


def _wait_for_agent(gateway: Gateway) -> None:
    deadline_s = time.monotonic() + READY_S
    while (state := gateway.get("/ready").json()["conversations"]) != "ready":
        if state in ("off", "not installed"):
            raise SystemExit("conversation: pip install 'lite-gateway[agent]' first")
        assert time.monotonic() < deadline_s, f"no agent process; {gateway.log_path}"
        time.sleep(0.1)
