"""The PCM of one turn and its two read positions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.playout.turn_audio import TurnAudio, faded


@given(st.lists(st.binary(max_size=999), max_size=30), st.integers(1, 5000))
def test_both_cursors_read_every_whole_sample_once(pieces, step):
    turn = TurnAudio(1, 0.0)
    heard = played = b""
    for piece in pieces:
        turn.append(piece, 0.0)
        heard += turn.hear(turn.heard + step)
        played += turn.play(step)
    while new := turn.play(step):
        played += new
    heard += turn.hear(turn.end)
    sent = b"".join(pieces)
    assert played == heard == sent[: len(sent) // 2 * 2]


def test_pcm_that_is_behind_both_cursors_is_freed():
    turn = TurnAudio(1, 0.0)
    for _ in range(100):
        turn.append(bytes(48_000), 0.0)
        turn.hear(turn.end)
        turn.play(24_000)
    assert len(turn._bytes) <= 2 * 48_000


def test_a_fade_ends_in_silence_and_starts_where_the_sound_was():
    pcm = np.full(192, 10_000, "<i2").tobytes()
    samples = np.frombuffer(faded(pcm), "<i2")
    assert samples[0] == 10_000
    assert samples[-1] == 0
    assert (np.diff(samples.astype(int)) <= 0).all()
