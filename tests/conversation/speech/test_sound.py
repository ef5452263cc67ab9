"""WAV files, pieces of speech and the lower voice, without models."""

import io
import itertools
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.speech.lower_voice import FORMANTS, PITCH, lower
from conversation.speech.recognizer import pieces
from conversation.speech.sound import UnreadableSound, pcm16, read_wav, wav_of

RATE = 24_000
HOP = 300


def wav(samples: np.ndarray, rate: int, channels: int, width: int) -> bytes:
    """Return floats [n] as a WAV file with the same sound in each channel."""
    whole = np.repeat(np.round(samples * (2 ** (8 * width - 1) - 1)), channels)
    if width == 1:
        pcm = (whole + 128).astype(np.uint8).tobytes()
    else:
        pcm = whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()


@given(
    st.integers(0, 200),
    st.sampled_from([8_000, 16_000, 44_100, 48_000]),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_pcm_of_any_width_and_channels_is_read(length, rate, channels, width):
    samples = np.sin(np.arange(length)) * 0.9
    sound, read_rate = read_wav(wav(samples, rate, channels, width))
    assert read_rate == rate
    assert len(sound) == length
    np.testing.assert_allclose(sound, samples, atol=2 ** (2 - 8 * width) + 1e-6)


@given(st.binary(max_size=200), st.integers(0, 60), st.booleans())
def test_any_bytes_are_read_or_refused(data, at, cut):
    whole = wav_of(bytes(100))
    broken = whole[:at] if cut else whole[:at] + data + whole[at + len(data) :]
    try:
        sound, rate = read_wav(broken)
    except UnreadableSound as error:
        assert str(error).endswith("16 or 24 kHz.")
    else:
        assert rate > 0
        assert np.isfinite(sound).all()


def test_a_header_that_promises_too_much_is_read_to_the_end_of_the_data():
    data = bytearray(wav_of(b"\x01\x00" * 50))
    data[4:8] = data[40:44] = b"\xff\xff\xff\x7f"
    sound, _ = read_wav(bytes(data))
    assert len(sound) == 50


@given(st.lists(st.floats(-2, 2, width=32), max_size=50))
def test_pcm_is_clipped(samples):
    pcm = np.frombuffer(pcm16(np.array(samples, np.float32)), "<i2")
    expected = np.clip(np.array(samples), -32768 / 32767, 1) * 32767
    np.testing.assert_allclose(pcm, expected, atol=0.51)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.05, 25)), min_size=1, max_size=12)
)
def test_pieces_hold_all_speech_once(gaps_and_lengths):
    intervals, at_s = [], 0.0
    for gap_s, length_s in gaps_and_lengths:
        intervals.append((at_s + gap_s, at_s + gap_s + length_s))
        at_s = intervals[-1][1]
    found = pieces(intervals)
    for start_s, end_s in intervals:
        assert any(a <= start_s and end_s <= b for a, b in found)
    for (_, end_s), (start_s, _) in itertools.pairwise(found):
        assert end_s <= start_s
    longest = max(end_s - start_s for start_s, end_s in intervals)
    assert all(b - a <= max(20, longest) + 0.4 + 1e-6 for a, b in found)


def spoken(pitch_hz: float, seconds: float) -> np.ndarray:
    """Return a pulse train as a voice has it, through one resonance."""
    phase = np.arange(int(RATE * seconds)) * pitch_hz / RATE
    pulses = (np.diff(np.floor(phase), prepend=0) > 0).astype(np.float32)
    ringing = np.arange(400) / RATE
    response = np.exp(-ringing * 800) * np.sin(2 * np.pi * 700 * ringing)
    return np.convolve(pulses, response)[: len(pulses)].astype(np.float32)


def pitch_of(sound: np.ndarray) -> float:
    """Return the pitch with the largest autocorrelation, in Hz."""
    middle = sound[len(sound) // 4 : -len(sound) // 4]
    scores = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    lags = slice(RATE // 400, RATE // 60)
    return RATE / (lags.start + int(np.argmax(scores[lags])))


@pytest.mark.parametrize("pitch_hz", [150.0, 200.0, 260.0])
def test_the_lower_voice_has_a_lower_pitch_and_the_same_loudness(pitch_hz):
    sound = spoken(pitch_hz, 0.6)
    curve = np.full(len(sound) // HOP, pitch_hz, np.float32)
    low = lower(sound, curve, HOP)
    assert len(low) == pytest.approx(len(sound) / FORMANTS, abs=2)
    assert pitch_of(low) == pytest.approx(pitch_hz * PITCH * FORMANTS, rel=0.03)
    loudness = np.sqrt(np.mean(low**2) / np.mean(sound**2))
    assert 0.5 < loudness < 1.5


@given(
    st.lists(
        st.one_of(st.just(0.0), st.floats(41, 500, width=32)), min_size=1, max_size=40
    )
)
def test_any_pitch_curve_gives_a_finite_sound_of_the_right_length(curve):
    sound = np.sin(np.arange(len(curve) * HOP) / 20).astype(np.float32)
    low = lower(sound, np.array(curve, np.float32), HOP)
    assert len(low) == pytest.approx(len(sound) / FORMANTS, abs=2)
    assert np.isfinite(low).all()
    assert np.abs(low).max(initial=0) < 4
