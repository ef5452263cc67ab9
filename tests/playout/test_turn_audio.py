"""PCM of one turn, and the positions of the driver and of the room's SDK."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.turn_audio import TurnAudio, fade_out


@given(st.lists(st.binary(max_size=999), max_size=30), st.integers(1, 5000))
def test_driver_and_room_get_every_whole_sample_once(fragments, step):
    turn = TurnAudio(1, 0.0)
    consumed = submitted = b""
    for fragment in fragments:
        turn.append(fragment, 0.0)
        consumed += turn.consume(turn.consumed + step)
        submitted += turn.submit(step)
    while pcm := turn.submit(step):
        submitted += pcm
    consumed += turn.consume(turn.end)
    received = b"".join(fragments)
    assert submitted == consumed == received[: len(received) // 2 * 2]


def test_pcm_behind_both_positions_is_freed():
    turn = TurnAudio(1, 0.0)
    for _ in range(100):
        turn.append(bytes(48_000), 0.0)
        turn.consume(turn.end)
        turn.submit(24_000)
    assert turn.kept_bytes <= 2 * 48_000


def test_a_fade_starts_at_the_level_of_the_audio_and_ends_in_silence():
    pcm = np.full(192, 10_000, "<i2").tobytes()
    samples = np.frombuffer(fade_out(pcm), "<i2")
    assert samples[0] == 10_000
    assert samples[-1] == 0
    assert (np.diff(samples.astype(int)) <= 0).all()
