"""Playout: what the listener hears and sees, and when."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.playout.schedule import FADE_SAMPLES
from protocol.lite.messages import SAMPLE_RATE
from tests.fakes import tone
from tests.playout.fixtures import FRAME_SAMPLES, running_playout
from tests.virtual import run


def test_a_burst_is_heard_when_it_arrives_and_seen_one_render_later():
    async def main():
        async with running_playout() as s:
            await asyncio.sleep(0.987)
            s.playout.append(1, tone(1.0))
            arrived_s = s.loop.time()
            await asyncio.sleep(0.3)
            [(_, _, started_s)] = s.listener.calls
            spoken_s = next(sent.at_s for sent in s.room.audio if any(sent.pcm))
            assert spoken_s == arrived_s
            return started_s - arrived_s, s.renderer.takes_s

    waited_s, render_s = run(main())
    # At most, an idle frame is being rendered, and then the first frame of speech.
    assert render_s <= waited_s <= 2 * render_s + 0.001


def test_all_audio_is_heard_once_and_in_order():
    async def main():
        async with running_playout() as s:
            pcm = tone(1.23)
            s.playout.append(1, pcm[:50_001])
            s.playout.append(1, pcm[50_001:])
            s.playout.seal(1)
            await asyncio.sleep(2)
            return pcm, s.room.speech, s.listener.kinds

    sent, heard, calls = run(main())
    assert heard == sent
    assert calls == [("started", 1), ("finished", 1)]


def test_a_turn_finishes_when_its_last_sample_was_heard():
    async def main():
        async with running_playout() as s:
            sent_s = s.loop.time()
            s.playout.append(1, tone(2.0))
            s.playout.seal(1)
            await asyncio.sleep(3)
            _, (_, _, finished_s) = s.listener.calls
            return finished_s - sent_s

    assert run(main()) == pytest.approx(2.0, abs=0.005)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=12))
def test_any_split_of_the_audio_plays_the_same_pcm(sizes):
    async def main():
        async with running_playout() as s:
            pcm = tone(1.0)
            start = 0
            for size in [*sizes, len(pcm)]:
                s.playout.append(1, pcm[start : start + size])
                start += size
            s.playout.seal(1)
            await asyncio.sleep(2)
            return s.room.speech == pcm

    assert run(main())


def test_at_most_100_ms_of_audio_are_queued():
    async def main():
        async with running_playout() as s:
            await s.send_paced(1, tone(0.5))
            s.playout.append(1, tone(1.0))
            s.playout.seal(1)
            await asyncio.sleep(2)
            longest = max(len(sent.pcm) for sent in s.room.audio)
            return s.room.max_queued_s, longest / 2 / SAMPLE_RATE

    queued_s, longest_s = run(main())
    assert queued_s <= 0.1005
    assert longest_s <= 0.040


def test_real_time_audio_in_20_ms_messages_plays_without_a_gap():
    async def main():
        async with running_playout() as s:
            pcm = tone(3.0)
            await s.send_paced(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(0.5)
            return (
                s.room.speech == pcm,
                s.metric("lite_underruns_total"),
                s.listener.kinds,
            )

    whole, underruns, calls = run(main())
    assert whole
    assert underruns == 0
    assert calls == [("started", 1), ("finished", 1)]


def test_frames_and_audio_are_counted_from_the_same_sample():
    async def main():
        async with running_playout() as s:
            s.playout.append(1, tone(2.0))
            s.playout.seal(1)
            await asyncio.sleep(2.5)
            return [request for _, request in s.renderer.requests if request.turn]

    requests = run(main())
    assert len(requests) == 50
    consumed = 0
    for index, request in enumerate(requests):
        consumed += len(request.pcm) // 2
        assert request.index == requests[0].index + index
        middle = index * FRAME_SAMPLES + FRAME_SAMPLES // 2
        assert request.lookahead_samples == consumed - middle


def test_a_driver_is_given_every_sample_once_and_at_most_120_ms_early():
    async def main():
        async with running_playout() as s:
            pcm = tone(1.0)
            s.playout.append(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(2)
            requests = [request for _, request in s.renderer.requests if request.turn]
            return pcm, requests

    pcm, requests = run(main())
    assert b"".join(request.pcm for request in requests) == pcm
    assert (
        max(request.lookahead_samples for request in requests)
        == FRAME_SAMPLES // 2 + SAMPLE_RATE * 120 // 1000
    )


def test_an_interrupt_fades_out_and_returns_what_was_heard():
    async def main():
        async with running_playout() as s:
            pcm = tone(5.0)
            spoken_s = s.loop.time()
            s.playout.append(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(1.0)
            cut_s = s.loop.time()
            heard_s = s.playout.flush(1)
            await asyncio.sleep(1.0)
            spoken = [sent for sent in s.room.audio if any(sent.pcm)]
            return pcm, s.room.speech, heard_s, cut_s - spoken_s, cut_s, spoken

    pcm, heard, heard_s, spoken_s, cut_s, spoken = run(main())
    assert heard_s == pytest.approx(spoken_s, abs=0.001)
    whole = 2 * round(heard_s * SAMPLE_RATE)
    assert heard[:whole] == pcm[:whole]
    assert len(heard) - whole <= 2 * FADE_SAMPLES
    assert spoken[-1].at_s - cut_s < 0.005
    assert spoken[-1].pcm[-2:] == b"\0\0"


@pytest.mark.parametrize("held", [False, True], ids=["cut", "hold"])
def test_the_fade_is_submitted_in_the_call_that_clears_the_room(held):
    """A turn of the event loop later, a room of LiveKit has sent silence before it."""

    async def main():
        async with running_playout() as s:
            pcm = tone(1.0)
            s.playout.append(1, pcm)
            await asyncio.sleep(0.5)
            if held:
                heard = s.playout.hold().heard
            else:
                heard = round(s.playout.flush(1) * SAMPLE_RATE)
            [fade] = s.room.fades
            assert s.room.audio[-1] is fade
            assert fade.pcm[:2] == pcm[2 * heard : 2 * heard + 2]
            assert len(fade.pcm) == 2 * FADE_SAMPLES

    run(main())


def test_a_turn_of_which_the_room_has_sent_nothing_ends_without_a_fade():
    async def main():
        async with running_playout() as s:
            s.playout.append(1, tone(1.0))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert s.room.speech
            assert s.playout.flush(1) == 0
            assert (s.room.speech, s.room.fades) == (b"", [])

    run(main())


def test_the_next_turn_begins_after_the_fade_of_a_cut():
    async def main():
        async with running_playout() as s:
            s.playout.append(1, tone(1.0))
            await asyncio.sleep(0.5)
            s.playout.append(2, tone(0.2, hz=300.0))
            s.playout.flush(1)
            await asyncio.sleep(0.5)
            [fade] = s.room.fades
            assert len(fade.pcm) == 2 * FADE_SAMPLES  # no clear has cut it
            after = s.room.speech.partition(fade.pcm)[2]
            assert after == tone(0.2, hz=300.0)

    run(main())


def test_the_first_frame_after_an_interrupt_is_idle():
    async def main():
        async with running_playout() as s:
            s.playout.append(1, tone(5.0))
            await asyncio.sleep(0.5)
            s.playout.flush(1)
            cut_s = s.loop.time()
            await asyncio.sleep(0.5)
            after = [it for it in s.renderer.requests if it[0] >= cut_s]
            return cut_s, after

    cut_s, after = run(main())
    assert all(request.turn == 0 for _, request in after)
    assert after[0][0] - cut_s < 0.010


def test_a_turn_that_is_cut_during_its_first_render_fades_out_and_has_not_started():
    async def main():
        async with running_playout(takes_s=0.030) as s:
            s.playout.append(1, tone(1.0))
            await asyncio.sleep(0.005)
            s.playout.flush(1)
            await asyncio.sleep(1.0)
            return s.listener.kinds, s.room.speech

    calls, heard = run(main())
    assert calls == []
    assert len(heard) <= 2 * (SAMPLE_RATE * 5 // 1000 + FADE_SAMPLES)


def test_after_an_underrun_a_turn_goes_on_where_it_was():
    async def main():
        async with running_playout() as s:
            pcm = tone(1.0)
            s.playout.append(1, pcm[:24_000])
            await asyncio.sleep(1.5)
            idle = s.renderer.requests[-1][1]
            s.playout.append(1, pcm[24_000:])
            s.playout.seal(1)
            await asyncio.sleep(1.5)
            spoken = [request for _, request in s.renderer.requests if request.turn]
            return pcm, s, idle, spoken

    pcm, s, idle, spoken = run(main())
    assert s.room.speech == pcm
    assert idle.turn == 0
    assert s.metric("lite_underruns_total") == 1
    assert s.listener.kinds == [
        ("started", 1),
        ("long_underrun", 1),
        ("gaps", 1),
        ("finished", 1),
    ]
    assert b"".join(request.pcm for request in spoken) == pcm


def test_a_missing_end_is_reported_after_its_limit():
    async def main():
        async with running_playout(missing_end_s=3.0) as s:
            s.playout.append(1, tone(0.5))
            await asyncio.sleep(6)
            return next(
                at_s for kind, _, at_s in s.listener.calls if kind == "missing_end"
            )

    assert run(main()) == pytest.approx(3.0, abs=0.05)


def test_buffered_turns_are_played_in_order_and_cut_together():
    async def main():
        async with running_playout() as s:
            for turn in (1, 2, 3):
                s.playout.append(turn, tone(0.4))
                s.playout.seal(turn)
            await asyncio.sleep(0.6)
            s.playout.flush(3)
            await asyncio.sleep(2)
            return s.listener.kinds

    assert run(main()) == [("started", 1), ("finished", 1), ("started", 2)]


def test_the_wait_behind_another_turn_is_no_added_latency():
    async def main():
        async with running_playout() as s:
            for turn in (1, 2):
                s.playout.append(turn, tone(1.0))
                s.playout.seal(turn)
            await asyncio.sleep(3)
            name, label = "lite_added_latency_seconds", {"source": "websocket"}
            return s.metric(f"{name}_sum", **label), s.metric(f"{name}_count", **label)

    total_s, count = run(main())
    assert count == 2
    assert total_s < 0.05


def test_idle_frames_come_at_25_a_second_and_carry_the_pose():
    async def main():
        async with running_playout() as s:
            await asyncio.sleep(2.0)
            s.playout.pose = "listening"
            await asyncio.sleep(2.0)
            return [request for _, request in s.renderer.requests]

    requests = run(main())
    assert abs(len(requests) - 100) <= 1
    assert requests[10].pose == "idle"
    assert requests[-1].pose == "listening"


def test_silence_is_sent_between_turns():
    async def main():
        async with running_playout() as s:
            await asyncio.sleep(2.0)
            return sum(len(sent.pcm) for sent in s.room.audio) / 2 / SAMPLE_RATE

    assert run(main()) == pytest.approx(2.0, abs=0.09)


def test_a_slow_renderer_skips_frames_and_never_delays_the_voice():
    async def main():
        async with running_playout(takes_s=0.110) as s:
            pcm = tone(2.0)
            sent_s = s.loop.time()
            s.playout.append(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(3)
            (_, _, started_s), (_, _, finished_s) = s.listener.calls
            return s.room.speech == pcm, finished_s - sent_s, started_s - sent_s, s

    whole, lasted_s, started_s, s = run(main())
    assert whole
    assert lasted_s == pytest.approx(2.0, abs=0.001)
    assert started_s <= 0.041
    assert s.metric("lite_frames_skipped_total") > 20


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("speak"), st.integers(1, 20_000)),
            st.tuples(st.just("end"), st.just(0)),
            st.tuples(st.just("cut"), st.just(0)),
            st.tuples(st.just("wait"), st.integers(1, 400)),
        ),
        max_size=14,
    )
)
def test_each_turn_starts_and_finishes_at_most_once(script):
    async def main():
        async with running_playout(missing_end_s=1.0) as s:
            turn, is_open = 0, False
            for kind, size in script:
                match kind:
                    case "speak":
                        turn += not is_open
                        is_open = True
                        s.playout.append(turn, bytes(range(1, 251)) * (size // 250 + 1))
                    case "end":
                        s.playout.seal(turn)
                        is_open = False
                    case "cut":
                        s.playout.flush(turn)
                        is_open = False
                    case "wait":
                        await asyncio.sleep(size / 1000)
            s.playout.flush(turn)
            await asyncio.sleep(0.1)
            return s.listener.kinds, s.room.queued_s

    calls, _ = run(main())
    started = [turn for kind, turn in calls if kind == "started"]
    finished = [turn for kind, turn in calls if kind == "finished"]
    assert started == sorted(set(started))
    assert finished == sorted(set(finished))
