"""
Unmodified `livekit-plugins-liveavatar` in a real AgentSession.

Language model and voice are scripted. LiveKit, the gateway, the plugin, the voice
activity detector and the audio of the user are real.
"""

import base64
import json
import math
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soxr

from bench.probe.listening import HEARD_RATE, MIN_MATCH, Listener, Recording, listening
from lite_gateway.offline.wav import read_wav
from tests.clients.program import PROGRAMS, Program, running
from tests.clients.tap import Tap
from tests.waiting import best_of, figures

pytestmark = [pytest.mark.livekit, pytest.mark.clients]
SAMPLES = Path(__file__).parents[2] / "web" / "samples"
LINES = {
    sample["text"] for sample in json.loads((SAMPLES / "samples.json").read_text())
}
AVATAR = "liveavatar-avatar-agent"  # identity that the plugin sets
LOUD = 500  # 16-bit amplitude
SENT_RATE = 24_000
END = SENT_RATE * 3 // 10
TURNS = 7


@dataclass(frozen=True)
class Agent:
    """Agent with its avatar in a room, and the recorded messages of the gateway."""

    program: Program
    tap: Tap
    room: str

    def turn(self, command: str, over: str) -> dict:
        self.program.tell(command)
        return self.program.wait(over)

    def events(
        self, kind: str, since_s: float, until_s: float = math.inf
    ) -> list[dict]:
        events = [event for event in self.program.events if event["event"] == kind]
        return [event for event in events if since_s <= event["at"] < until_s]


@pytest.fixture(scope="module")
def agent(
    python, tapped_gateway, livekit, room_token, tmp_path_factory
) -> Iterator[Agent]:
    gateway, room = tapped_gateway.gateway, f"agent-{uuid.uuid4().hex[:8]}"
    arguments = [
        f"{gateway.url}/v1/sessions",
        gateway.key,
        livekit.url,
        room_token(room, "agent", "agent"),
        str(SAMPLES),
    ]
    env = {
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.key,
        "LIVEKIT_API_SECRET": livekit.secret,
    }
    folder, program = tmp_path_factory.mktemp("agent"), PROGRAMS / "livekit_agent.py"
    with running(python, program, folder, *arguments, **env) as started:
        started.wait("joined")
        yield Agent(started, tapped_gateway.tap, room)
    log = started.log()
    assert "called more times" not in log
    assert "Traceback" not in log
    assert "LiveAvatar error" not in log


Join = Callable[[], AbstractContextManager[Listener]]


@pytest.fixture
def join(agent, livekit, room_token, tmp_path) -> Join:
    """Function whose context has a listener in the room."""

    @contextmanager
    def joined() -> Iterator[Listener]:
        token = room_token(agent.room, f"listener-{uuid.uuid4().hex[:8]}")
        with listening(livekit.url, token, tmp_path, identity=AVATAR) as listener:
            listener.wait_for_media()
            yield listener

    return joined


def pcm(name: str) -> bytes:
    return read_wav(SAMPLES / f"{name}.wav")


def length(name: str) -> float:
    return len(pcm(name)) / 2 / SENT_RATE


@best_of(3)
def test_say_returns_when_the_avatar_has_spoken(agent, join):
    with join() as listener:
        started_s = time.monotonic()
        result = agent.turn("say hello", "said")
        answered = agent.turn("ask anything", "answered")
        time.sleep(0.5)
        heard = listener.leave()

    assert not result["interrupted"]
    late_s = result["at"] - started_s - length("hello")
    assert late_s > 0
    [first, _] = agent.events("playback_finished", started_s)
    assert first["position"] == pytest.approx(length("hello"), abs=0.1)
    assert not first["interrupted"]
    [text] = answered["texts"]
    assert text in LINES
    until_s = result["at"] + 0.2
    likeness, first_s = heard.match(pcm("hello"), until_s=until_s)
    [started, _] = agent.events("playback_started", started_s)
    numbered = heard.frames[heard.frames[:, 2] > 0]
    talking = numbered[numbered[:, 0] < until_s]
    assert np.ptp(talking[:, 3]) > 0.3  # the mouth follows the words
    with figures():
        assert late_s < 1.5
        assert likeness > MIN_MATCH
        assert abs(first_s - started["at"]) < 0.15
        assert len(talking) > 20 * length("hello")


@pytest.mark.slow
@best_of(3)
def test_avatar_stops_when_the_user_barges_in(
    agent, join, livekit, room_token, tmp_path
):
    with join() as listener:
        started_s, heard, spoke_s, result = barged_in(
            agent, listener, livekit.url, room_token(agent.room, "user"), tmp_path
        )
    assert result["interrupted"]
    [interrupt] = agent.tap.theirs("agent.interrupt", since=started_s)
    [interrupted] = agent.tap.ours("agent.speak_interrupted", since=started_s)
    again = agent.turn("say hello", "said")
    assert not again["interrupted"]
    with figures():
        assert (
            0.3 < interrupt.at - spoke_s < 1.5
        )  # the detector needs half a second of speech
        assert interrupted.at - interrupt.at < 0.05
        assert heard.rms(interrupt.at - 0.5, interrupt.at) > LOUD
        assert heard.rms(interrupt.at + 0.3, interrupt.at + 1.5) < 20


def barged_in(
    agent: Agent, listener: Listener, url: str, token: str, folder: Path
) -> tuple[float, Recording, float, dict]:
    """Barge in as a user; return start, recording, the user's start and the result."""
    started_s = time.monotonic()
    program = PROGRAMS / "user.py"
    with running(Path(sys.executable), program, folder, url, token) as user:
        user.wait("heard")
        agent.program.tell("say long")
        agent.program.wait("playback_started")
        time.sleep(0.3)
        user.tell(f"say {SAMPLES / 'hello.wav'}")
        spoke_s = user.wait("speaking")["at"]
        result = agent.program.wait("said")
        user.wait("spoken")
        time.sleep(1.0)  # the session ends the user's turn after a pause
    return started_s, listener.leave(), spoke_s, result


@dataclass(frozen=True)
class Cut:
    """Length of an interrupted turn by several measures, in seconds of speech."""

    heard: float  # until the last loud sample
    by_gateway: float  # until the last loud sample before the gateway's `played_ms`
    by_clock: float  # from playback_started until the cut
    by_plugin: float  # position of playback_finished
    sent: float


def one_cut(agent: Agent, after_s: float) -> tuple[float, float]:
    """Speak and interrupt; return the time of the start and of the end."""
    started_s = time.monotonic()
    agent.program.tell("say long")
    agent.program.wait("playback_started")
    time.sleep(after_s)
    agent.program.tell("cut")
    agent.program.wait("said")
    time.sleep(0.6)
    return started_s, time.monotonic()


def measured(agent: Agent, heard: Recording, started_s: float, until_s: float) -> Cut:
    speech = np.frombuffer(pcm("long"), "<i2").astype(float)
    audio = heard.audio[heard.sample_range(started_s, until_s)].astype(float)
    span = {"since": started_s, "until": until_s}
    [interrupted] = agent.tap.ours("agent.speak_interrupted", **span)
    played = speech[: round(interrupted.message["played_ms"] * SENT_RATE / 1000)]
    [finished] = agent.events("playback_finished", started_s, until_s)
    [cutting] = agent.events("cutting", started_s, until_s)
    [started] = agent.events("playback_started", started_s, until_s)
    sent = agent.tap.theirs("agent.speak", **span)
    chunks = [base64.b64decode(speak.message["audio"]) for speak in sent]
    return Cut(
        place_of_end(audio[: last_loud(audio)], speech) / SENT_RATE,
        last_loud(played) / SENT_RATE,
        cutting["at"] - started["at"],
        finished["position"],
        sum(len(chunk) for chunk in chunks) / 2 / SENT_RATE,
    )


def last_loud(audio: np.ndarray) -> int:
    return int(np.flatnonzero(np.abs(audio) > LOUD)[-1])


def place_of_end(heard: np.ndarray, speech: np.ndarray) -> int:
    """Return the position in ``speech`` of the last heard audio, by correlation."""
    end = soxr.resample(heard, HEARD_RATE, SENT_RATE)[-END:]
    size = 1 << (len(end) + len(speech)).bit_length()
    spectrum = np.fft.rfft(speech, size) * np.conj(np.fft.rfft(end, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(speech)])) + len(end)


@pytest.mark.slow
@best_of(3)
def test_reported_position_of_an_interrupt_is_within_100_ms(
    agent, join, record_property
):
    with join() as listener:
        spans = [one_cut(agent, after_s) for after_s in (0.5, 1.1, 2.6)]
        heard = listener.leave()
    cuts = [measured(agent, heard, *span) for span in spans]
    for name in ("by_gateway", "by_clock"):
        off_ms = [1000 * (getattr(cut, name) - cut.heard) for cut in cuts]
        record_property(name, [round(ms, 1) for ms in off_ms])
        print(name, off_ms)
        with figures():
            assert max(map(abs, off_ms)) < 100
    for cut in cuts:  # the plugin reports the audio that it sent, not what was heard
        assert cut.by_plugin == pytest.approx(cut.sent, abs=0.01)


def some_turns(agent: Agent) -> list[float]:
    """Speak `TURNS`, two after an interrupt; return the delay of each in seconds."""
    names, late = ["hello", "question"], []
    for number in range(TURNS):
        name = names[number % len(names)]
        requested_s = time.monotonic()
        result = agent.turn(f"say {name}", "said")
        late.append(result["at"] - requested_s - length(name))
        if number % 3 == 2:
            one_cut(agent, 0.4)
    return late


@pytest.mark.slow
@pytest.mark.timeout(600)
@best_of(3)
def test_turns_in_a_row_do_not_stall(agent, join):
    with join() as listener:
        started_s = time.monotonic()
        late = some_turns(agent)
        heard = listener.leave()
        over_s = time.monotonic()
    print("late", [round(late_s, 3) for late_s in late])
    finished = agent.events("playback_finished", started_s)
    assert [event["interrupted"] for event in finished].count(False) == TURNS
    assert [event["interrupted"] for event in finished].count(True) == TURNS // 3
    assert len(agent.tap.ours("agent.speak_ended", since=started_s)) == TURNS
    with figures():
        assert max(late) < 1.5
        assert heard.frame_rate(started_s, over_s - 1) > 22
