"""Input of a conversation in virtual time: agent, commands and playout in one place."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.errors import Refused, RoomUnavailable
from lite_gateway.sessions.session import EndInfo, Limits
from protocol.link.messages import (
    Attend,
    Clear,
    Command,
    Ended,
    Happened,
    Hold,
    OpenTurn,
    Release,
    SealTurn,
    SpeechHeld,
    SpeechStarted,
    TurnAudioPiece,
    TurnPhones,
)
from protocol.lite.messages import SAMPLE_RATE, EndReason
from protocol.phones.phone_list import TimedPhone
from renderer.frames import Phone
from tests.conversation.conversing import ConversationFixture, conversation
from tests.fakes import tone
from tests.virtual import run


def heard_s(fixture: ConversationFixture) -> float:
    return len(fixture.room.speech) / 2 / SAMPLE_RATE


def test_a_turn_is_heard_and_reported_to_both_sides():
    async def main() -> None:
        async with conversation() as at:
            at.speak(1, 2.0)
            await asyncio.sleep(4)
            assert at.link.of(SpeechStarted) == [SpeechStarted(3, 1)]
            assert at.link.finished == [(1, 2 * SAMPLE_RATE, False)]
            assert heard_s(at) == 2.0
            assert at.client.kinds == ["avatar.speak_started", "avatar.speak_ended"]
            name = "lite_conversation_turns_total"
            assert at.sample(name, outcome="finished") == 1
            turns = {"source": "websocket", "outcome": "finished"}
            assert at.sample("lite_turns_total", **turns) == 1

    run(main())


def test_phones_of_a_turn_reach_the_driver_and_those_of_one_that_is_over_do_not():
    async def main() -> None:
        async with conversation() as at:
            at.says(OpenTurn, turn=1)
            at.says(TurnPhones, turn=1, phones=(TimedPhone("M", 0.2, 0.4),))
            at.says(TurnAudioPiece, turn=1, pcm=tone(1.0))
            at.says(SealTurn, turn=1)
            await asyncio.sleep(2)
            at.says(TurnPhones, turn=1, phones=(TimedPhone("P", 0.5, 0.6),))
            at.speak(2, 0.5)
            await asyncio.sleep(1)
            phones = [p for _, r in at.renderer.requests for p in r.phones]
            assert phones == [Phone("M", 0.2, 0.4)]
            assert heard_s(at) == 1.5

    run(main())


def test_turns_play_in_order_and_a_clear_cuts_all_of_them():
    async def main() -> None:
        async with conversation() as at:
            for turn in (1, 2, 3):
                at.speak(turn, 2.0)
            await asyncio.sleep(3)
            at.says(Clear)
            (one, two, three) = at.link.finished
            assert one == (1, 2 * SAMPLE_RATE, False)
            assert two[::2] == (2, True)
            assert 0.5 * SAMPLE_RATE < two[1] < 1.5 * SAMPLE_RATE
            assert three == (3, 0, True)
            at.says(TurnAudioPiece, turn=2, pcm=tone(1))  # over: dropped
            at.says(SealTurn, turn=2)
            before = heard_s(at)
            await asyncio.sleep(3)
            assert heard_s(at) == pytest.approx(before, abs=0.05)  # a fade
            assert len(at.link.finished) == 3

    run(main())


def test_nothing_that_was_made_before_an_interrupt_is_heard_after_it():
    async def main() -> None:
        async with conversation() as at:
            at.speak(1, 5.0)
            await asyncio.sleep(1)
            at.client.command("avatar.interrupt")
            assert [turn for turn, _, _ in at.link.finished] == [1]
            assert [c.name for c in at.link.of(Command)] == ["interrupt"]
            before = heard_s(at)
            at.speak(2, 5.0, interrupts=0)  # was on its way
            assert at.link.finished[1:] == [(2, 0, True)]
            await asyncio.sleep(1)
            assert heard_s(at) == pytest.approx(before, abs=0.05)
            at.speak(3, 1.0, interrupts=1)
            await asyncio.sleep(2)
            assert at.link.finished[2:] == [(3, SAMPLE_RATE, False)]
            started = at.client.kinds.count("avatar.speak_started")
            assert started == at.client.kinds.count("avatar.speak_ended") == 2

    run(main())


def test_a_hold_is_silent_and_a_release_goes_on_with_the_same_sample():
    async def main() -> None:
        async with conversation() as at:
            at.says(Hold)
            at.says(Release)
            assert not at.link.of(SpeechHeld)  # nothing was spoken
            at.speak(1, 4.0)
            await asyncio.sleep(2)
            at.says(Hold)
            [held] = at.link.of(SpeechHeld)
            assert held.turn == 1
            assert 0.5 * SAMPLE_RATE < held.samples < 2.5 * SAMPLE_RATE
            await asyncio.sleep(5)
            assert not at.link.finished
            at.says(Release)
            await asyncio.sleep(5)
            assert at.link.finished == [(1, 4 * SAMPLE_RATE, False)]

    run(main())


def test_commands_reach_the_agent_and_lines_the_store():
    async def main() -> None:
        async with conversation(push_to_talk=True) as at:
            at.client.hear()
            at.client.command("avatar.speak_text", text="one")
            at.client.command("avatar.speak_response", text="two")
            at.client.command("user.start_push_to_talk")
            at.says(Happened, event="user.transcription", text="three")
            at.client.command("user.stop_push_to_talk")
            sent = [(c.name, c.text) for c in at.link.of(Command)]
            assert sent == [
                ("listener", ""),  # once
                ("speak_text", "one"),
                ("speak_response", "two"),
                ("interrupt", ""),
                ("push_to_talk_start", ""),
                ("push_to_talk_stop", ""),
            ]
            assert at.lines == [("user", "two"), ("user", "three")]
            await asyncio.sleep(1)
            assert at.client.kinds[:2] == [
                "avatar.transcription",
                "user.push_to_talk_started",
            ]

    run(main())


def test_the_pose_follows_agent_user_and_commands():
    async def main() -> None:
        async with conversation() as at:
            at.says(Attend, agent="thinking")
            assert at.playout.pose == "thinking"
            at.says(Attend, user="speaking")
            assert at.playout.pose == "listening"
            at.says(Attend, agent="idle", user="listening")
            assert at.playout.pose == "idle"
            at.client.command("avatar.start_listening")
            assert at.playout.pose == "listening"
            at.client.command("avatar.stop_listening")
            assert at.playout.pose == "idle"

    run(main())


@pytest.mark.parametrize("talks", [True, False])
def test_speech_and_commands_keep_a_session_from_idling(talks):
    async def main() -> None:
        async with conversation(Limits(idle_s=10)) as at:
            for _ in range(5):
                await asyncio.sleep(8)
                if talks:
                    at.says(Happened, event="user.speak_started")
                else:
                    at.client.command("avatar.stop_listening")
            assert at.end_info is None
            await asyncio.sleep(12)
            assert at.end_info.reason is EndReason.IDLE_TIMEOUT

    run(main())


def test_a_lost_agent_silences_the_avatar_in_that_call_and_ends_the_session():
    async def main() -> None:
        async with conversation() as at:
            at.speak(1, 20.0)
            await asyncio.sleep(2)
            at.speech.lost("the agent is gone")
            silent_s = asyncio.get_running_loop().time()
            await asyncio.sleep(1)
            at.speak(2, 1.0)
            assert at.link.finished[1:] == [(2, 0, True)]
            await asyncio.sleep(1)
            late = [s for s in at.room.audio if any(s.pcm) and s.at_s > silent_s + 0.1]
            assert not late
            reason = EndReason.SERVER_ERROR
            assert at.end_info == EndInfo(reason, "the agent is gone")
        error, stopped = (
            next(e for e in at.client.events if e["event_type"] == kind)
            for kind in ("error", "session.stopped")
        )
        assert (error["code"], error["message"]) == ("restarting", "the agent is gone")
        assert stopped["stop_reason"] == "SERVER_ERROR"
        assert at.client.events[-1] is stopped
        labels = {"part": "agent", "kind": "restarting"}
        assert at.sample("lite_conversation_errors_total", **labels) == 1

    run(main())


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (Ended(3, "SERVER_ERROR", "no key", "auth"), EndReason.SERVER_ERROR),
        (Ended(3, "AGENT_HANG_UP", "bye"), EndReason.AGENT_HANG_UP),
        (Ended(3, "of tomorrow", "bye"), EndReason.SERVER_ERROR),
    ],
)
def test_an_agent_that_leaves_ends_the_session_with_its_reason(ended, reason):
    async def main() -> None:
        async with conversation() as at:
            at.speech.receive(ended)
            await asyncio.sleep(1)
            assert at.end_info == EndInfo(reason, ended.text)
        errors = [e["code"] for e in at.client.events if e["event_type"] == "error"]
        assert errors == ([ended.code] if ended.code else [])

    run(main())


def test_a_client_can_stop_the_session_and_learns_that_it_is_over():
    async def main() -> None:
        async with conversation() as at:
            at.speak(1, 5.0)
            await asyncio.sleep(1)
            at.client.command("session.stop")
            await asyncio.sleep(1)
            assert at.end_info.reason is EndReason.USER_CLOSED
        kinds = ["avatar.speak_started", "avatar.speak_ended", "session.stopped"]
        assert at.client.kinds == kinds
        assert at.client.events[-1]["source_event_id"] == "session.stop"

    run(main())


def test_a_start_waits_for_the_agent_and_says_why_it_failed():
    async def main() -> None:
        async with conversation(joined=False) as late:
            with pytest.raises(RoomUnavailable, match="within 10 s"):
                await late.speech.joined()
        async with conversation(joined=False) as lost:
            lost.speech.lost("it is gone")
            with pytest.raises(Refused, match="it is gone") as refused:
                await lost.speech.joined()
            assert refused.value.status == 503
        async with conversation(joined=False) as ended:
            ended.says(Ended, reason="SERVER_ERROR", text="no such room")
            with pytest.raises(RoomUnavailable, match="no such room"):
                await ended.speech.joined()

    run(main())


def test_nonsense_of_the_agent_is_an_error_of_this_conversation():
    async def main() -> None:
        async with conversation() as at:
            at.speak(5, 0.1)
            with pytest.raises(ValueError, match="half a sample"):
                at.says(TurnAudioPiece, turn=5, pcm=b"abc")
            with pytest.raises(ValueError, match="turn 5 was opened after"):
                at.says(OpenTurn, turn=5)

    run(main())


STEPS = st.sampled_from(
    ["open", "audio", "seal", "clear", "hold", "release", "interrupt", "wait", "lost"]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_each_turn_is_finished_once_in_order_whatever_happens(steps):
    async def main() -> None:
        turn = read = 0
        async with conversation() as at:
            for step in steps:
                match step:
                    case "open":
                        turn += 1
                        # Some turns were opened before the newest one was read.
                        read = max(read, len(at.link.of(Command)) - turn % 2)
                        at.says(OpenTurn, turn=turn, interrupts=read)
                    case "audio":
                        at.says(TurnAudioPiece, turn=turn, pcm=tone(0.3))
                    case "seal":
                        at.says(SealTurn, turn=turn)
                    case "clear" | "hold" | "release":
                        at.says(
                            {"clear": Clear, "hold": Hold, "release": Release}[step]
                        )
                    case "interrupt":
                        at.client.command("avatar.interrupt")
                    case "wait":
                        await asyncio.sleep(0.4)
                    case "lost":
                        at.speech.lost("gone")
        assert [number for number, _, _ in at.link.finished] == [*range(1, turn + 1)]
        started = at.client.kinds.count("avatar.speak_started")
        assert started == at.client.kinds.count("avatar.speak_ended")
        assert at.client.kinds[-1] == "session.stopped"

    run(main(), debug=False)
