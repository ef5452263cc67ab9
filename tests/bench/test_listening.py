"""`Recording.match` and `Recording.delays` with recordings of known defects."""

import numpy as np
import pytest
import soxr

from bench.probe.listening import (
    HEARD_RATE,
    MIN_MATCH,
    SENT_RATE,
    Recording,
    speech,
)

BLOCK = HEARD_RATE // 100  # samples that arrive at once
PACKET = 2 * BLOCK
PAUSE_S = 1.0
SENT = speech(3.0)


def arrived(audio: np.ndarray) -> Recording:
    """Return a recording in which that audio arrived from 0 s on, between pauses."""
    pause = np.zeros(round(PAUSE_S * HEARD_RATE))
    audio = np.concatenate([pause, audio, pause])
    blocks = len(audio) // BLOCK
    return Recording(
        frames=np.zeros((0, 4)),
        thumbnails=np.zeros((0, 64, 64), np.uint8),
        audio=audio[: blocks * BLOCK].astype(np.int16),
        audio_at_s=0.010 * np.arange(1, blocks + 1),
        block_sizes=np.full(blocks, BLOCK),
        left_at_s=0.0,
    )


def heard() -> np.ndarray:
    return soxr.resample(np.frombuffer(SENT, "<i2").astype(float), SENT_RATE, 48_000)


def with_losses(one_in: int) -> np.ndarray:
    audio = heard()
    for start in range(0, len(audio), one_in * PACKET):
        audio[start : start + PACKET] = 0
    return audio


def shortened(pieces: int, seconds: float) -> np.ndarray:
    """Remove 5 ms at regular places of the first second, as a jitter buffer does."""
    starts = np.linspace(0, HEARD_RATE, pieces, endpoint=False).astype(int)
    removed = starts[:, None] + np.arange(round(seconds * HEARD_RATE))
    return np.delete(heard(), removed.ravel())


def test_audio_that_was_not_changed_matches_at_its_start():
    match, start_s = arrived(heard()).match(SENT)
    assert match > 0.99
    assert start_s == pytest.approx(PAUSE_S, abs=0.001)


@pytest.mark.parametrize("gain", [0.1, 0.5, 1.5])
def test_match_does_not_depend_on_the_gain(gain):
    assert arrived(gain * heard()).match(SENT)[0] > 0.99


def test_a_jitter_buffer_that_shrinks_by_30_ms_does_not_spoil_the_match():
    assert arrived(shortened(6, 0.005)).match(SENT)[0] > MIN_MATCH


@pytest.mark.parametrize("one_in", [2, 3, 4])
def test_lost_packets_are_below_the_least_match(one_in):
    assert arrived(with_losses(one_in)).match(SENT)[0] < MIN_MATCH


def test_other_speech_and_silence_do_not_match():
    recording = arrived(heard())
    assert recording.match(speech(20.0)[-len(SENT) :])[0] < 0.6
    assert arrived(np.zeros(3 * HEARD_RATE)).match(SENT)[0] == 0


def test_a_second_half_that_is_missing_is_below_the_least_match():
    audio = heard()
    audio[len(audio) // 2 - PACKET :] = 0
    assert arrived(audio).match(SENT)[0] < MIN_MATCH


def test_delays_of_all_chunks_are_exact_although_their_loudness_differs():
    delays = arrived(heard()).delays(SENT, 0.0, np.inf)
    assert len(delays) == 12
    assert delays[:, 1] == pytest.approx(PAUSE_S, abs=0.0005)
