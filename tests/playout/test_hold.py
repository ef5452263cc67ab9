"""Hold and release of a turn: what the listener hears and sees, and when."""

import asyncio

import pytest

from lite_gateway.playout.schedule import FADE_SAMPLES, HeldTurn
from lite_gateway.playout.trace import TurnHeld, TurnReleased
from protocol.lite.messages import SAMPLE_RATE
from tests.fakes import tone
from tests.playout.fixtures import FRAME_SAMPLES, running_playout
from tests.playout.listening import listening
from tests.virtual import run

FADE_S = FADE_SAMPLES / SAMPLE_RATE


@pytest.mark.parametrize("held_s", [0.0, 0.003, 0.05, 1.0, 12.0])
def test_a_held_sentence_is_heard_whole_with_one_gap(held_s):
    async def main():
        async with listening() as it:
            pcm = tone(2.0)
            it.s.playout.append(1, pcm)
            it.s.playout.seal(1)
            await asyncio.sleep(0.777)
            spoken_s = it.s.loop.time()
            held = it.hold()
            await asyncio.sleep(held_s)
            it.release()
            await asyncio.sleep(2.0)
            it.check_silence()
            assert it.heard == pcm
            assert held == HeldTurn(1, round(spoken_s * SAMPLE_RATE))
            return it.s

    s = run(main())
    assert s.listener.kinds == [("started", 1), ("finished", 1)]
    (_, _, finished_s) = s.listener.calls[-1]
    gap_s = max(held_s, 0.010)  # speech waits until the fade is sent
    assert finished_s == pytest.approx(2.0 + gap_s, abs=0.002)
    assert s.metric("lite_underruns_total") == 0
    assert s.metric("lite_turns_held_total", source="websocket") == 1
    turns = {"source": "websocket", "outcome": "finished"}
    assert s.metric("lite_turns_total", **turns) == 1
    assert s.metric("lite_turn_gaps_seconds_count", cause="server") == 0
    assert s.metric("lite_interrupt_seconds_count") == 0


def test_a_hold_is_silent_within_a_fade_and_the_fade_is_heard_again():
    async def main():
        async with listening() as it:
            pcm = tone(2.0)
            it.s.playout.append(1, pcm)
            await asyncio.sleep(0.5)
            held = it.hold()
            held_s = it.s.loop.time()
            await asyncio.sleep(0.2)
            [fade] = it.fades
            assert held_s <= fade.at_s < held_s + 0.040 - FADE_S
            assert len(fade.pcm) == 2 * FADE_SAMPLES
            assert fade.pcm[:2] == pcm[2 * held.heard : 2 * held.heard + 2]
            assert fade.pcm[-2:] == b"\0\0"
            it.release()
            await asyncio.sleep(0.5)
            again = next(e for e in it.events[::-1] if isinstance(e, TurnReleased))
            steps = [sent for sent in it.s.room.audio if sent.at_s == again.at_s]
            return pcm, held, b"".join(step.pcm for step in steps)

    pcm, held, step = run(main())
    assert pcm[2 * held.heard :].startswith(step)
    assert step


def test_while_held_the_face_is_that_of_the_pose_and_the_room_gets_silence():
    async def main():
        async with listening() as it:
            it.s.playout.append(1, tone(3.0))
            await asyncio.sleep(0.505)
            it.hold()
            it.s.playout.pose = "listening"
            held_s = it.s.loop.time()
            await asyncio.sleep(1.0)
            requests = [r for r in it.s.renderer.requests if r[0] >= held_s]
            silence = [sent for sent in it.s.room.audio if sent.at_s > held_s + 0.001]
            return held_s, requests, silence, it.s.room.frames

    held_s, requests, silence, frames = run(main())
    assert requests[0][0] - held_s < 0.010
    assert {(request.turn, request.pose) for _, request in requests} == {
        (0, "listening")
    }
    assert len(requests) == pytest.approx(25, abs=1)
    assert sum(len(sent.pcm) for sent in silence) / 2 / SAMPLE_RATE > 0.9
    assert not any(any(sent.pcm) for sent in silence)
    shown_s = [at_s for at_s, _ in frames if at_s >= held_s]
    assert shown_s[0] - held_s < 0.020  # no frame of the speech comes after the hold


def test_lips_go_on_where_the_sound_does():
    async def main():
        async with running_playout() as s:
            pcm = tone(2.0)
            s.playout.append(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(0.705)
            held = s.playout.hold()
            await asyncio.sleep(0.511)
            s.playout.release()
            released_s = s.loop.time()
            await asyncio.sleep(2.0)
            return pcm, held, released_s, s.renderer.requests

    pcm, held, released_s, requests = run(main())
    spoken = [(at_s, request) for at_s, request in requests if request.turn]
    assert b"".join(request.pcm for _, request in spoken) == pcm  # each sample once
    consumed, moments = 0, []
    for at_s, request in spoken:
        consumed += len(request.pcm) // 2
        if at_s >= released_s:
            moments.append((at_s, consumed - request.lookahead_samples))
    assert moments[0][0] - released_s < 0.010
    for index, (_, moment) in enumerate(moments):
        assert moment == held.heard + index * FRAME_SAMPLES + FRAME_SAMPLES // 2


def test_audio_and_its_end_are_taken_while_held():
    async def main():
        async with listening(missing_end_s=2.0) as it:
            pcm = tone(1.5)
            it.s.playout.append(1, pcm[:24_000])
            await asyncio.sleep(0.3)
            it.hold()
            await asyncio.sleep(5.0)
            it.s.playout.append(1, pcm[24_000:])
            it.s.playout.seal(1)
            it.s.playout.append(2, tone(0.2))
            it.s.playout.seal(2)
            await asyncio.sleep(5.0)
            it.check_silence()
            assert it.s.playout.silent_s == 0
            it.release()
            await asyncio.sleep(3.0)
            it.check_silence()
            assert it.heard == pcm + tone(0.2)
            return it.s

    s = run(main())
    assert s.listener.kinds == [
        *(("started", 1), ("finished", 1), ("started", 2), ("finished", 2))
    ]
    assert s.metric("lite_underruns_total") == 0


def test_a_hold_in_an_underrun_reports_nothing_until_the_limits_after_its_release():
    async def main():
        async with listening(missing_end_s=2.0) as it:
            it.s.playout.append(1, tone(0.4))
            await asyncio.sleep(0.45)
            held = it.hold()
            await asyncio.sleep(10.0)
            it.check_silence()
            it.release()
            released_s = it.s.loop.time()
            await asyncio.sleep(2.05)
            assert it.fades == []
            return held, released_s, it.s

    held, released_s, s = run(main())
    assert held == HeldTurn(1, 9600)
    times = {kind: at_s - released_s for kind, _, at_s in s.listener.calls[1:]}
    assert times["long_underrun"] == pytest.approx(0.5, abs=0.05)
    assert times["missing_end"] == pytest.approx(2.0, abs=0.05)


def test_a_turn_that_is_opened_and_held_starts_after_its_release():
    async def main():
        async with listening() as it:
            it.s.playout.open(1)
            assert it.hold() == HeldTurn(1, 0)
            it.s.playout.append(1, tone(0.5))
            it.s.playout.seal(1)
            await asyncio.sleep(3.0)
            assert it.s.listener.calls == []
            it.release()
            await asyncio.sleep(1.0)
            return it.heard == tone(0.5), it.s

    whole, s = run(main())
    assert whole
    assert s.listener.kinds == [("started", 1), ("finished", 1)]
    latency_s = s.metric("lite_added_latency_seconds_sum", source="websocket")
    assert latency_s < 0.040


def test_a_hold_without_a_turn_holds_the_next_one():
    async def main():
        async with listening() as it:
            await asyncio.sleep(1.0)
            assert it.hold() is None
            assert it.s.playout.silent_s == pytest.approx(1.0)
            it.s.playout.append(1, tone(0.5))
            it.s.playout.seal(1)
            await asyncio.sleep(1.0)
            assert it.hold() == HeldTurn(1, 0)
            assert it.heard == b""
            it.release()
            await asyncio.sleep(1.0)
            return it.heard

    assert run(main()) == tone(0.5)


def test_a_second_hold_returns_the_same_and_a_second_release_does_nothing():
    async def main():
        async with listening() as it:
            it.release()
            it.s.playout.append(1, tone(1.0))
            it.s.playout.seal(1)
            await asyncio.sleep(0.3)
            it.release()
            await asyncio.sleep(0.1)
            first = it.hold()
            await asyncio.sleep(0.5)
            assert it.hold() == first
            it.release()
            it.release()
            await asyncio.sleep(0.2)
            it.release()
            await asyncio.sleep(1.0)
            return it.heard, [type(event) for event in it.events], it.s

    heard, kinds, s = run(main())
    assert heard == tone(1.0)
    assert (kinds.count(TurnHeld), kinds.count(TurnReleased)) == (1, 1)
    assert s.metric("lite_turns_held_total", source="websocket") == 1


@pytest.mark.parametrize("left_s", [0.07, 0.03, 0.001])
def test_a_hold_while_the_last_samples_are_queued_finishes_after_its_release(left_s):
    async def main():
        async with listening() as it:
            it.s.playout.append(1, tone(0.5))
            it.s.playout.seal(1)
            await asyncio.sleep(0.5 - left_s)
            held = it.hold()
            await asyncio.sleep(2.0)
            it.check_silence()
            released_s = it.s.loop.time()
            it.release()
            await asyncio.sleep(1.0)
            it.check_silence()
            assert it.heard == tone(0.5)
            return held, released_s, it.s.listener.calls

    held, released_s, calls = run(main())
    assert held == HeldTurn(1, round((0.5 - left_s) * SAMPLE_RATE))
    [_, (kind, _, finished_s)] = calls
    assert kind == "finished"
    assert finished_s - released_s == pytest.approx(left_s, abs=0.002)


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.015, 0.025])
def test_a_turn_that_is_held_before_its_first_frame_starts_once(after_s):
    async def main():
        async with listening(takes_s=0.030) as it:
            pcm = tone(0.020)
            it.s.playout.append(1, pcm)
            it.s.playout.seal(1)
            await asyncio.sleep(after_s)
            it.hold()
            await asyncio.sleep(1.0)
            it.check_silence()
            it.release()
            await asyncio.sleep(1.0)
            assert it.heard == pcm
            return it.s.listener.kinds

    assert run(main()) == [("started", 1), ("finished", 1)]


def test_a_cut_while_held_returns_the_position_and_is_silent():
    async def main():
        async with listening() as it:
            for turn in (1, 2, 3):
                it.s.playout.append(turn, tone(1.0))
                it.s.playout.seal(turn)
            await asyncio.sleep(0.4)
            held = it.hold()
            await asyncio.sleep(1.0)
            heard, cut = it.heard, it.flush(2)
            await asyncio.sleep(0.03)
            assert it.heard[: len(heard)] == heard
            await asyncio.sleep(2.0)
            return held, heard, cut, it

    held, heard, cut, it = run(main())
    assert cut == held.heard == len(heard) // 2
    assert len([fade for fade in it.fades if any(fade.pcm)]) == 1
    assert it.heard == heard + tone(1.0)  # a cut ends the hold: the third turn plays
    assert it.s.listener.kinds == [("started", 1), ("started", 3), ("finished", 3)]
    turns = {"source": "websocket", "outcome": "interrupted"}
    assert it.s.metric("lite_turns_total", **turns) == 1


def test_a_hold_that_is_cut_at_once_ends_in_its_fade():
    async def main():
        async with listening() as it:
            pcm = tone(1.0)
            it.s.playout.append(1, pcm)
            await asyncio.sleep(0.4)
            held = it.hold()
            assert it.flush(1) == held.heard
            await asyncio.sleep(0.1)
            [fade] = it.fades
            return pcm[2 * held.heard :], fade.pcm

    rest, fade = run(main())
    assert len(fade) == 2 * FADE_SAMPLES
    assert fade[:2] == rest[:2]


def test_the_jitter_buffer_learns_nothing_from_a_held_turn():
    async def main():
        async with running_playout() as s:
            for turn in range(1, 7):  # three calm talkspurts shrink its delay
                s.playout.append(turn, tone(0.2))
                await asyncio.sleep(0.05)
                s.playout.hold()
                await asyncio.sleep(0.05)
                s.playout.release()
                await asyncio.sleep(0.05)
                s.playout.append(turn, tone(0.1))
                s.playout.seal(turn)
                await asyncio.sleep(1.0)
            sent_s = s.loop.time()
            await s.send_paced(9, tone(0.2))
            return sent_s, next(
                sent.at_s
                for sent in s.room.audio
                if sent.at_s >= sent_s and any(sent.pcm)
            )

    sent_s, spoken_s = run(main())
    assert spoken_s - sent_s == pytest.approx(0.020, abs=0.001)
