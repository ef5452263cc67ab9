"""
Unmodified `DataStreamAudioOutput` of livekit-agents with an avatar of this gateway.

T1 to T5 are the numbers of the list in the specification, which measured the stock
`AvatarRunner`. `python -m bench side-by-side` measures both in one run.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.interrupt import last_loud, steady_tone
from bench.probe.listening import MIN_MATCH, Listener, Recording, listening, speech
from tests.clients.avatar_room import AGENT, AvatarRoom, avatar_room, write_pcm
from tests.clients.program import PROGRAMS, Program, running
from tests.waiting import best_of, figures

pytestmark = [pytest.mark.livekit, pytest.mark.clients]
ANNOUNCED_S = 3.2  # LiveKit announces participants without tracks up to 3 s late
CUTS = 5
STALL_S = 0.5  # the stock sender waits 2 s for the answer to a clear


@dataclass
class Talk:
    """Agent and avatar in a room, with a listener."""

    room: AvatarRoom
    program: Program
    listener: Listener
    folder: Path
    rate: int
    session_id: str

    def say(self, pcm: bytes, how: str = "say") -> float:
        """Send speech; return the time when the first frame was given to the output."""
        path = write_pcm(self.folder, f"said-{len(pcm)}", pcm, self.rate)
        self.program.tell(f"{how} {path}")
        return self.program.wait("taken")["given"]

    def wait(self, *kinds: str) -> dict[str, Any]:
        return self.program.wait(*kinds)

    def events(self, *kinds: str, since: float = 0.0) -> list[dict[str, Any]]:
        events = [event for event in self.program.events if event["at"] >= since]
        return [event for event in events if event["event"] in kinds]

    def cut(self) -> float:
        self.program.tell("cut")
        return self.wait("cutting")["at"]


Begin = Callable[..., Talk]


@pytest.fixture
def begin(python, livekit, gateway, tmp_path) -> Iterator[Begin]:
    """Function that starts an avatar and an agent; the fixture stops both."""
    with ExitStack() as stack:

        def start(
            rate: int = 24_000, waits: str = "started", *, listens: bool = True
        ) -> Talk:
            stack.close()  # of an earlier try
            room = avatar_room(livekit, gateway)
            args = [livekit.url, room.token(AGENT), room.avatar, str(rate), waits]
            program = PROGRAMS / "stream_agent.py"
            agent = stack.enter_context(running(python, program, tmp_path, *args))
            token = room.token("listener", "standard")
            listener = stack.enter_context(  # starts while the agent does
                listening(livekit.url, token, tmp_path) if listens else nullcontext()
            )
            agent.wait("joined")
            answer = room.start()
            assert answer.status_code == 200, answer.text
            session_id = answer.json()["session_id"]
            stack.callback(room.stop, session_id)
            if listener is not None:
                listener.wait_for_media()
            return Talk(room, agent, listener, tmp_path, rate, session_id)

        yield start


def heard_first(heard: Recording, pcm: bytes, since_s: float, until_s: float) -> float:
    return heard.arrival_s(heard.find(pcm, since_s, until_s))


def added(talk: Talk, source: str = "datastream") -> tuple[float, float]:
    """Return sum and count of the added latency that the gateway measures."""
    name, metrics = "lite_added_latency_seconds", talk.room.gateway.metrics()
    label = f'{{source="{source}"}}'
    sums = metrics.get(f"{name}_sum{label}", 0.0)
    return sums, metrics.get(f"{name}_count{label}", 0.0)


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("rate", "waits"),
    [
        (24_000, "started"),
        pytest.param(24_000, "unstarted", marks=_SLOW),
        pytest.param(16_000, "started", marks=_SLOW),
        pytest.param(48_000, "unstarted", marks=_SLOW),
    ],
)
@best_of(3)
def test_segment_is_heard_seen_and_reported(begin, rate, waits):
    talk = begin(rate, waits)
    pcm = speech(2.0)
    given_s = talk.say(pcm)
    over = talk.wait("finished")
    time.sleep(0.5)
    heard = talk.listener.leave()

    assert over["interrupted"] is False
    assert over["position"] == pytest.approx(2.0, abs=0.002)
    assert "Traceback" not in talk.program.log()
    [started] = talk.events("started")
    assert started["at"] >= given_s
    likeness, first_s = heard.match(pcm)
    frames = heard.frames[heard.frames[:, 2] > 0]
    with figures():
        assert started["at"] - given_s < 0.6
        assert over["at"] - started["at"] < 2.35
        assert likeness > MIN_MATCH
        assert first_s - given_s < 0.8
        assert len(frames) > 40
        assert over["at"] >= frames[-1, 0] - 0.15  # nothing is told before it is over


@pytest.mark.slow
@best_of(3)
def test_t1_frames_in_real_time_are_heard_when_they_arrive(begin):
    talk = begin()
    pcm = speech(2.0)
    given_s = talk.say(pcm, "pace")
    over = talk.wait("finished")
    time.sleep(0.3)
    heard = talk.listener.leave()

    assert over["position"] == pytest.approx(2.0, abs=0.002)
    likeness, first_s = heard.match(pcm)
    with figures():
        assert likeness > MIN_MATCH
        assert first_s - given_s < 0.8


@best_of(3)
def test_t3_video_is_published_although_no_user_subscribes(begin):
    talk = begin(listens=False)
    started_s = time.monotonic()
    talk.say(speech(0.5))
    over = talk.wait("finished")
    assert over["position"] == pytest.approx(0.5, abs=0.002)
    with figures():
        assert over["at"] - started_s < 5


@pytest.mark.slow
@best_of(3)
def test_t4_clear_is_answered_at_once_and_the_next_segment_reported(begin):
    talk = begin()
    talk.say(speech(0.8) + steady_tone(3.0))
    talk.wait("started")
    time.sleep(1.2)
    cut_s = talk.cut()
    over = talk.wait("finished")
    time.sleep(0.5)
    given_s = talk.say(speech(1.0))
    second_over = talk.wait("finished")
    time.sleep(0.5)
    heard = talk.listener.leave()

    assert over["interrupted"] is True
    # One for each segment; the cleared one starts nothing after the clear.
    [first, second] = talk.events("started")
    assert second["at"] >= given_s
    assert second_over["interrupted"] is False
    assert second_over["position"] == pytest.approx(1.0, abs=0.002)
    first_s = heard_first(heard, speech(1.0), given_s, second_over["at"] + 0.3)
    with figures():
        assert over["at"] - cut_s < 0.1
        assert over["position"] == pytest.approx(cut_s - first["at"], abs=0.15)
        assert last_loud(heard, cut_s, 0.4) - cut_s < 0.15
        assert first_s - given_s < 0.8


@pytest.mark.slow
@best_of(3)
def test_t4b_clear_reports_both_queued_segments(begin):
    talk = begin()
    talk.say(steady_tone(2.0))
    talk.say(steady_tone(2.0))
    cut_s = talk.cut()
    overs = [talk.wait("finished"), talk.wait("finished")]
    given_s = talk.say(speech(1.0))
    last = talk.wait("finished")

    assert [over["interrupted"] for over in overs] == [True, True]
    assert overs[1]["position"] == 0
    assert (last["interrupted"], last["position"]) == (
        False,
        pytest.approx(1.0, abs=0.002),
    )
    with figures():
        assert overs[1]["at"] - cut_s < STALL_S
        assert last["at"] - given_s < 1.0 + STALL_S


@best_of(3)
def test_t4c_clear_right_after_the_first_bytes_does_not_stall(begin):
    talk = begin()
    talk.program.tell(f"brief {write_pcm(talk.folder, 'brief', steady_tone(1.0))}")
    cut_s = talk.wait("cutting")["at"]
    over = talk.wait("finished")
    given_s = talk.say(speech(1.0))
    last = talk.wait("finished")

    assert over["interrupted"] is True
    assert over["position"] <= 0.02
    with figures():
        assert over["at"] - cut_s < STALL_S
        assert last["at"] - given_s < 1.0 + STALL_S


@best_of(3)
def test_clear_interrupts_a_segment_whose_stream_has_ended(begin):
    talk = begin()
    talk.say(steady_tone(3.0))
    started = talk.wait("started")
    time.sleep(0.5)
    cut_s = talk.cut()
    over = talk.wait("finished")
    assert over["interrupted"] is True
    with figures():
        assert over["at"] - cut_s < 0.1
        assert over["position"] == pytest.approx(cut_s - started["at"], abs=0.2)


@pytest.mark.slow
@best_of(3)
def test_t5_agent_that_dies_in_a_stream_speaks_after_it_rejoins(begin, python):
    talk = begin()
    time.sleep(ANNOUNCED_S)
    talk.say(steady_tone(3.0), "open")
    talk.program.tell("die")
    time.sleep(1.0)
    room = talk.room
    args = [room.livekit.url, room.token(AGENT), room.avatar]
    program = PROGRAMS / "stream_agent.py"
    folder = talk.folder / "again"
    folder.mkdir(exist_ok=True)
    with running(python, program, folder, *args, "24000", "started") as rejoined:
        rejoined.wait("joined")
        pcm = speech(1.5)
        started_s = time.monotonic()
        rejoined.tell(f"say {write_pcm(folder, 'again', pcm)}")
        given_s = rejoined.wait("taken")["given"]
        over = rejoined.wait("finished")
        time.sleep(0.5)
    heard = talk.listener.leave()

    assert over["interrupted"] is False
    assert over["position"] == pytest.approx(1.5, abs=0.002)
    first_s = heard_first(heard, pcm, given_s, over["at"] + 0.3)
    with figures():
        assert given_s - started_s < 1
        assert over["at"] - given_s < 1.5 + STALL_S
        assert first_s - given_s < 0.8


def test_states_of_agent_and_user_are_accepted(begin):
    talk = begin(listens=False)
    talk.say(speech(0.3))  # the avatar has joined when this is accepted
    talk.wait("finished")
    for line in ("user speaking", "agent thinking", "user away", "agent nonsense"):
        talk.program.tell(line)
        assert talk.wait("answered")["answer"] == "ok"
    talk.say(speech(0.3))
    assert talk.wait("finished")["position"] == pytest.approx(0.3, abs=0.002)


@pytest.mark.slow
@best_of(3)
def test_added_latency_tail_and_clears_keep_their_budgets(begin, record_property):
    """
    This gateway adds 40 ms where the stock runner adds 100, and a clear costs no 2 s.

    The limits leave room for a busy machine. `bench side-by-side` measures the figures.
    """
    talk = begin()
    sum_s, count = added(talk)
    tails, reports_s, cuts = [], [], []
    for number in range(CUTS):
        talk.say(speech(0.8) + steady_tone(3.0))
        talk.wait("started")
        time.sleep(1.1 + 0.037 * number)
        cuts.append(talk.cut())
        reports_s.append(talk.wait("finished")["at"] - cuts[-1])
        time.sleep(0.8)
    sum_after_s, count_after = added(talk)
    heard = talk.listener.leave()
    tails = [1000 * (last_loud(heard, cut_s, 0.7) - cut_s) for cut_s in cuts]
    added_ms = 1000 * (sum_after_s - sum_s) / (count_after - count)
    reports_ms = [1000 * report_s for report_s in reports_s]
    record_property("added_ms", round(added_ms, 1))
    record_property("tails_ms", [round(tail_ms, 1) for tail_ms in tails])
    print("added", added_ms, "tails", tails, "reports", reports_ms)
    assert count_after - count == CUTS
    with figures():
        assert added_ms < 80
        assert statistics.median(tails) < 200  # includes codec and jitter buffer
        assert statistics.median(reports_ms) < 80
