"""Property of hold and release, for any sequence of calls, in virtual time."""

import asyncio

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.playout.listening import listening
from tests.playout.scripts import samples_of
from tests.virtual import run

STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 6000)),
    st.tuples(st.just("append"), st.integers(1, 30_000)),
    st.tuples(st.just("hold"), st.just(0)),
    st.tuples(st.just("release"), st.just(0)),
    st.tuples(st.just("seal"), st.just(0)),
    st.tuples(st.just("flush"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 700)),
)


async def _perform(script: list[tuple[str, int]], takes_s: float) -> None:
    """Perform a script, and assert that what was heard is what was not cut."""
    received: dict[int, bytes] = {}
    heard: dict[int, int] = {}  # samples of the turns that were cut
    turn, is_open = 0, False
    async with listening(takes_s=takes_s) as it:
        for kind, size in script:
            match kind:
                case "append":
                    if not is_open:
                        turn, is_open = turn + 1, True
                        received[turn] = b""
                    pcm = samples_of(turn, len(received[turn]) // 2, size)
                    received[turn] += pcm
                    it.s.playout.append(turn, pcm)
                case "hold":
                    it.hold()
                case "release":
                    it.release()
                case "seal":
                    it.s.playout.seal(turn)
                    is_open = False
                case "flush":
                    finished = {n for k, n in it.s.listener.kinds if k == "finished"}
                    cut = sorted(set(received) - finished - set(heard))
                    heard.update(dict.fromkeys(cut, 0))
                    samples = it.flush(turn)
                    if cut:
                        heard[cut[0]] = samples
                    is_open = False
                case "wait":
                    await asyncio.sleep(size / 1000)
        it.s.playout.seal(turn)
        it.release()
        await asyncio.sleep(it.s.playout.buffered_s + 0.3 * turn + 0.5)
        it.check_silence()
        expected = [pcm[: 2 * heard.get(n, len(pcm))] for n, pcm in received.items()]
        assert it.heard == b"".join(expected)
        finished = [n for kind, n in it.s.listener.kinds if kind == "finished"]
        assert finished == [n for n in received if n not in heard]
        started = [n for kind, n in it.s.listener.kinds if kind == "started"]
        assert started == sorted(set(started))
        assert set(finished) <= set(started)


@settings(max_examples=150, deadline=None)
@example([("append", 961), ("seal", 0), ("append", 1)], 0.030)  # a step of 1 sample
@given(st.lists(STEPS, max_size=14), st.sampled_from([0.006, 0.070]))
def test_each_sample_is_heard_once_and_in_order_however_turns_are_held(script, takes_s):
    run(_perform(script, takes_s), debug=False)
