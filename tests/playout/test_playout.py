import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.playout.schedule import FACE_DELAY_SAMPLES, FADE_SAMPLES
from protocol.lite.messages import SAMPLE_RATE
from tests.fakes import FakeRenderer, MemoryRoom, RecordingListener, tone
from tests.virtual import run

FRAME = SAMPLE_RATE // 25


class PlayoutFixture:
    """A playout between stand-ins, in virtual time."""

    def __init__(self, takes_s: float = 0.006, **options) -> None:
        self.loop = asyncio.get_running_loop()
        self.room, self.notes, self.studio = (
            MemoryRoom(),
            RecordingListener(),
            FakeRenderer(takes_s),
        )
        self.metrics = Metrics()
        self.playout = Playout(
            self.studio.render,
            self.room,
            self.metrics,
            now=self.loop.time,
            **options,
        )

    @contextlib.asynccontextmanager
    async def running(self):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.playout.run(self.notes))
            yield self
            task.cancel()

    async def paced(self, turn: int, pcm: bytes, piece_s: float = 0.020) -> None:
        size = 2 * round(piece_s * SAMPLE_RATE)
        for start in range(0, len(pcm), size):
            self.playout.append(turn, pcm[start : start + size])
            await asyncio.sleep(piece_s)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextlib.asynccontextmanager
async def stand(**options):
    async with PlayoutFixture(**options).running() as made:
        yield made


def test_a_burst_is_heard_and_seen_one_render_after_it_arrives():
    async def main():
        async with stand() as s:
            await asyncio.sleep(0.987)
            s.playout.append(1, tone(1.0))
            came_s = s.loop.time()
            await asyncio.sleep(0.3)
            [(_, _, started_s)] = s.notes.calls
            return started_s - came_s, s.studio.takes_s

    waited_s, render_s = run(main())
    # At most: an idle frame under way, then our own.
    assert render_s <= waited_s <= 2 * render_s + 0.001


def test_everything_sent_is_heard_once_and_in_order():
    async def main():
        async with stand() as s:
            pcm = tone(1.23)
            s.playout.append(1, pcm[:50_001])
            s.playout.append(1, pcm[50_001:])
            s.playout.seal(1)
            await asyncio.sleep(2)
            return pcm, s.room.speech, s.notes.kinds

    sent, heard, news = run(main())
    assert heard == sent
    assert news == [("started", 1), ("finished", 1)]


def test_a_turn_is_finished_when_its_last_sample_was_heard():
    async def main():
        async with stand() as s:
            s.playout.append(1, tone(2.0))
            s.playout.seal(1)
            await asyncio.sleep(3)
            (_, _, started_s), (_, _, finished_s) = s.notes.calls
            return finished_s - started_s

    assert run(main()) == pytest.approx(2.0, abs=0.005)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=12))
def test_any_split_of_the_audio_gives_the_same_sound(sizes):
    async def main():
        async with stand() as s:
            pcm = tone(1.0)
            start = 0
            for size in [*sizes, len(pcm)]:
                s.playout.append(1, pcm[start : start + size])
                start += size
            s.playout.seal(1)
            await asyncio.sleep(2)
            return s.room.speech == pcm

    assert run(main())


def test_at_most_40_ms_of_sound_ever_stand_before_the_listener():
    async def main():
        async with stand() as s:
            await s.paced(1, tone(0.5))
            s.playout.append(1, tone(1.0))
            s.playout.seal(1)
            await asyncio.sleep(2)
            longest = max(len(piece.pcm) for piece in s.room.audio)
            return s.room.max_queued_s, longest / 2 / SAMPLE_RATE

    queued_s, longest_s = run(main())
    assert queued_s <= 0.0405
    assert longest_s <= 0.020


def test_real_time_audio_in_20_ms_messages_plays_without_a_gap():
    async def main():
        async with stand() as s:
            pcm = tone(3.0)
            await s.paced(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(0.5)
            return s.room.speech == pcm, s.value("lite_underruns_total"), s.notes.kinds

    whole, underruns, news = run(main())
    assert whole
    assert underruns == 0
    assert news == [("started", 1), ("finished", 1)]


def test_frames_and_sound_are_counted_from_the_same_sample():
    async def main():
        async with stand() as s:
            s.playout.append(1, tone(2.0))
            s.playout.seal(1)
            await asyncio.sleep(2.5)
            return [request for _, request in s.studio.requests if request.turn]

    requests = run(main())
    assert len(requests) == 50
    heard = 0
    for place, request in enumerate(requests):
        heard += len(request.pcm) // 2
        assert request.index == requests[0].index + place
        assert (
            request.lookahead_samples
            == heard - place * FRAME - FRAME // 2 + FACE_DELAY_SAMPLES
        )


def test_a_driver_hears_every_sample_once_and_at_most_120_ms_early():
    async def main():
        async with stand() as s:
            pcm = tone(1.0)
            s.playout.append(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(2)
            requests = [request for _, request in s.studio.requests if request.turn]
            return pcm, requests

    pcm, requests = run(main())
    assert b"".join(request.pcm for request in requests) == pcm
    assert (
        max(request.lookahead_samples for request in requests)
        == FRAME // 2 + SAMPLE_RATE * 120 // 1000 + FACE_DELAY_SAMPLES
    )


def test_an_interrupt_is_silent_within_a_fade_and_says_how_far_it_got():
    async def main():
        async with stand() as s:
            pcm = tone(5.0)
            s.playout.append(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(1.0)
            (_, _, started_s) = s.notes.calls[0]
            cut_s = s.loop.time()
            played_s = s.playout.flush(1)
            await asyncio.sleep(1.0)
            spoken = [piece for piece in s.room.audio if any(piece.pcm)]
            return pcm, s.room.speech, played_s, cut_s - started_s, cut_s, spoken

    pcm, heard, played_s, since_start_s, cut_s, spoken = run(main())
    assert played_s == pytest.approx(since_start_s, abs=0.001)
    whole = 2 * round(played_s * SAMPLE_RATE)
    assert heard[:whole] == pcm[:whole]
    assert len(heard) - whole <= 2 * FADE_SAMPLES
    assert spoken[-1].at_s - cut_s < 0.005
    assert spoken[-1].pcm[-2:] == b"\0\0"


def test_the_mouth_rests_in_the_first_frame_after_an_interrupt():
    async def main():
        async with stand() as s:
            s.playout.append(1, tone(5.0))
            await asyncio.sleep(0.5)
            s.playout.flush(1)
            cut_s = s.loop.time()
            await asyncio.sleep(0.5)
            after = [(at, request) for at, request in s.studio.requests if at >= cut_s]
            return cut_s, after

    cut_s, after = run(main())
    assert all(request.turn == 0 for _, request in after)
    assert after[0][0] - cut_s < 0.010


def test_a_cut_turn_stays_cut_when_its_frame_was_being_drawn():
    async def main():
        async with stand(takes_s=0.030) as s:
            s.playout.append(1, tone(1.0))
            await asyncio.sleep(0.005)
            s.playout.flush(1)
            await asyncio.sleep(1.0)
            return s.notes.kinds, s.room.speech

    assert run(main()) == ([], b"")


def test_an_underrun_keeps_the_turn_and_recovers_where_it_was():
    async def main():
        async with stand() as s:
            pcm = tone(1.0)
            s.playout.append(1, pcm[:24_000])
            await asyncio.sleep(1.5)
            resting = s.studio.requests[-1][1]
            s.playout.append(1, pcm[24_000:])
            s.playout.seal(1)
            await asyncio.sleep(1.5)
            spoken = [request for _, request in s.studio.requests if request.turn]
            return pcm, s, resting, spoken

    pcm, s, resting, spoken = run(main())
    assert s.room.speech == pcm
    assert resting.turn == 0
    assert s.value("lite_underruns_total") == 1
    assert s.notes.kinds == [("started", 1), ("underrun", 1), ("finished", 1)]
    assert b"".join(request.pcm for request in spoken) == pcm


def test_a_missing_speak_end_is_told_after_its_limit():
    async def main():
        async with stand(missing_end_s=3.0) as s:
            s.playout.append(1, tone(0.5))
            await asyncio.sleep(6)
            return next(at for what, _, at in s.notes.calls if what == "expired")

    assert run(main()) == pytest.approx(3.0, abs=0.05)


def test_two_buffered_turns_are_both_heard_and_cut_together():
    async def main():
        async with stand() as s:
            for turn in (1, 2, 3):
                s.playout.append(turn, tone(0.4))
                s.playout.seal(turn)
            await asyncio.sleep(0.6)
            s.playout.flush(3)
            await asyncio.sleep(2)
            return s.notes.kinds

    assert run(main()) == [("started", 1), ("finished", 1), ("started", 2)]


def test_a_turn_behind_another_does_not_count_its_waiting_as_our_delay():
    async def main():
        async with stand() as s:
            for turn in (1, 2):
                s.playout.append(turn, tone(1.0))
                s.playout.seal(turn)
            await asyncio.sleep(3)
            name, label = "lite_added_latency_seconds", {"source": "websocket"}
            return s.value(f"{name}_sum", **label), s.value(f"{name}_count", **label)

    total_s, count = run(main())
    assert count == 2
    assert total_s < 0.05


def test_idle_frames_come_at_25_a_second_and_carry_the_pose():
    async def main():
        async with stand() as s:
            await asyncio.sleep(2.0)
            s.playout.pose = "listening"
            await asyncio.sleep(2.0)
            return [request for _, request in s.studio.requests]

    requests = run(main())
    assert abs(len(requests) - 100) <= 1
    assert requests[10].pose == "idle"
    assert requests[-1].pose == "listening"


def test_silence_flows_between_turns():
    async def main():
        async with stand() as s:
            await asyncio.sleep(2.0)
            return sum(len(piece.pcm) for piece in s.room.audio) / 2 / SAMPLE_RATE

    assert run(main()) == pytest.approx(2.0, abs=0.05)


def test_a_slow_renderer_skips_frames_and_never_delays_the_voice():
    async def main():
        async with stand(takes_s=0.110) as s:
            pcm = tone(2.0)
            s.playout.append(1, pcm)
            s.playout.seal(1)
            await asyncio.sleep(3)
            (_, _, began), (_, _, ended) = s.notes.calls
            return s.room.speech == pcm, ended - began, began, s

    whole, lasted_s, began_s, s = run(main())
    assert whole
    assert lasted_s == pytest.approx(2.0, abs=0.025)
    assert began_s <= 0.040 + 0.025
    assert s.value("lite_frames_skipped_total") > 20


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
def test_whatever_is_asked_each_turn_heard_ends_at_most_once(script):
    async def main():
        async with stand(missing_end_s=1.0) as s:
            turn, is_open = 0, False
            for what, size in script:
                match what:
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
            return s.notes.kinds, s.room.queued_s

    news, _ = run(main())
    started = [turn for what, turn in news if what == "started"]
    finished = [turn for what, turn in news if what == "finished"]
    assert started == sorted(set(started))
    assert finished == sorted(set(finished))
