"""
Unmodified `pipecat-ai`: its HeyGen/LiveAvatar video service and its transport.

The voice is recorded and the pipeline scripted. LiveKit, the gateway and Pipecat are
real. The class attribute `LiveAvatarApi.BASE_URL` sets the URL of the gateway, because
Pipecat has no option for it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench.probe.listening import MIN_MATCH, Listener, listening
from lite_gateway.offline.wav import read_wav
from tests.clients.program import PROGRAMS, Program, running
from tests.clients.tap import RecordedMessage, Tap
from tests.waiting import best_of, figures, until

pytestmark = [pytest.mark.livekit, pytest.mark.clients, pytest.mark.slow]
SAMPLES = Path(__file__).parents[2] / "web" / "samples"


@dataclass(frozen=True)
class Bot:
    program: Program
    tap: Tap
    listener: Listener
    started_s: float

    def ours(self, *types: str) -> list[RecordedMessage]:
        return self.tap.ours(*types, since=self.started_s)

    def theirs(self, *types: str) -> list[RecordedMessage]:
        return self.tap.theirs(*types, since=self.started_s)

    def await_ours(self, kind: str, count: int = 1) -> RecordedMessage:
        return until(lambda: self.ours(kind)[count - 1 : count])[0]


RunBot = Callable[[str], AbstractContextManager[Bot]]


@pytest.fixture
def run_bot(python, tapped_gateway, livekit, room_token, tmp_path) -> RunBot:
    """Function whose context has a bot of a kind, with a listener in its room."""

    @contextmanager
    def run(kind: str) -> Iterator[Bot]:
        gateway, started_s = tapped_gateway.gateway, time.monotonic()
        before = set(gateway.active_sessions())
        arguments = [kind, f"{gateway.url}/v1", gateway.key, str(SAMPLES)]
        program = PROGRAMS / "pipecat_bot.py"
        with running(python, program, tmp_path, *arguments) as started:
            started.wait("joined")
            [room] = set(gateway.active_sessions()) - before
            token = room_token(room, "listener")
            with listening(livekit.url, token, tmp_path, identity="heygen") as listener:
                listener.wait_for_media()
                yield Bot(started, tapped_gateway.tap, listener, started_s)
        assert "Traceback" not in started.log()
        # The bot has stopped its session.
        until(lambda: room not in gateway.active_sessions())

    return run


def barge_in(bot: Bot) -> float:
    """Let the bot speak, then speak as the user; return the time of that."""
    bot.program.tell("say long")
    bot.await_ours("agent.speak_started", 2)
    time.sleep(1.2)
    bot.program.tell("user starts")
    return bot.program.wait("barging in")["at"]


def speak_again(bot: Bot) -> None:
    ended = len(bot.ours("agent.speak_ended"))
    bot.program.tell("user stops")
    time.sleep(0.2)
    bot.program.tell("say hello")
    bot.await_ours("agent.speak_ended", ended + 1)


@best_of(3)
def test_video_service_shows_every_turn_and_stops_for_the_user(run_bot):
    with run_bot("service") as bot:
        bot.program.tell("say hello")
        ended = bot.await_ours("agent.speak_ended")
        time.sleep(0.3)
        cut_s = barge_in(bot)
        interrupted = bot.await_ours("agent.speak_interrupted")
        rest = bot.await_ours("agent.state_updated", 4)
        time.sleep(0.8)
        speak_again(bot)
        bot.program.tell("seen")
        seen = bot.program.wait("seen")
        heard = bot.listener.leave()
        assert not bot.ours("error")

    assert rest.message["new_state"] in ("idle", "listening")
    assert np.ptp(heard.frames[heard.frames[:, 2] > 0][:, 3]) > 0.3
    assert seen["sizes"] == [[640, 360]]
    likeness, _ = heard.match(read_wav(SAMPLES / "hello.wav"), until_s=ended.at + 0.3)
    with figures():
        assert likeness > MIN_MATCH
        assert interrupted.at - cut_s < 0.3
        assert 900 < interrupted.message["played_ms"] < 1700
        assert heard.rms(cut_s - 0.6, cut_s) > 500
        assert heard.rms(cut_s + 0.4, cut_s + 0.8) < 20
        # Audio and video also arrive in Pipecat's own pipeline.
        assert seen["images"] > 100
        assert seen["loud_s"] > 1.0


@best_of(3)
def test_transport_is_heard_and_continues_after_the_user(run_bot):
    """
    Pipecat's transport never sends its interrupt: it resets its own flag for speech
    before it checks the flag. The audio that it has sent, at most 3 s, is heard.
    """
    with run_bot("transport") as bot:
        bot.program.tell("say hello")
        ended = bot.await_ours("agent.speak_ended")
        time.sleep(0.3)
        cut_s = barge_in(bot)
        over = bot.await_ours("agent.speak_ended", 2)
        speak_again(bot)
        heard = bot.listener.leave()
        assert [message.type for message in bot.theirs("agent.interrupt")] == []
        assert not bot.ours("error")

    likeness, _ = heard.match(read_wav(SAMPLES / "hello.wav"), until_s=ended.at + 0.3)
    with figures():
        assert likeness > MIN_MATCH
        assert over.at - cut_s < 3.5
