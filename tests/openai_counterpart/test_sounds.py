"""Voice, recogniser and turn detection of the counterpart, without its process."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.openai_counterpart import voice
from tests.openai_counterpart.realtime.turns import (
    SpeechBegan,
    SpeechEnded,
    TurnDetector,
)
from tests.openai_counterpart.sounds import DEFAULT_WORDS, Clips, default_words

TEXT = "Good morning. My name is Mira, and I count: one two three four five six."
VAD = {"type": "server_vad", "silence_duration_ms": 400}


def at_48_khz(pcm: np.ndarray, noise: float = 0.0) -> np.ndarray:
    at = np.arange(2 * len(pcm)) / 2
    louder = np.interp(at, np.arange(len(pcm)), pcm)
    hiss = np.random.default_rng(1).normal(0, noise * 32768, len(louder))
    return (louder + hiss).astype(np.int16)


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_all_words_are_heard_in_a_recording_at_another_rate(noise):
    recording = at_48_khz(voice.spoken(TEXT), noise)
    assert voice.heard(recording, 48_000, TEXT) == voice.words(TEXT)


@given(st.floats(0, 1))
def test_a_cut_recording_has_the_words_before_the_cut(share):
    pcm = voice.spoken(TEXT)
    cut = round(share * len(pcm))
    whole = [word for word, end in voice.ends(TEXT) if end <= cut]
    heard = voice.heard(pcm[:cut], voice.RATE, TEXT)
    assert heard[: len(whole)] == whole
    assert len(heard) <= len(whole) + 1


def test_words_that_were_left_out_are_not_heard():
    pcm = voice.spoken(TEXT.replace("morning", ""))
    assert voice.heard(pcm, voice.RATE, TEXT) == ["Good"]


@given(st.floats(0.1, 30))
def test_counting_lasts_as_long_as_asked(length_s):
    seconds = voice.seconds(voice.counting(length_s))
    assert length_s <= seconds + 1e-6
    assert seconds < length_s + 1.5


def test_a_clip_is_known_with_noise_and_silence_around_it():
    clips = Clips()
    clips.teach("a", "First words.", voice.spoken("first words here"), voice.RATE)
    clips.teach("b", "Others.", voice.spoken("something. else! entirely"), voice.RATE)
    pause = np.zeros(voice.RATE // 3, np.int16)
    recording = np.concatenate(
        [pause, voice.spoken("something. else! entirely"), pause]
    )
    assert default_words(at_48_khz(recording, 0.002), 48_000, clips) == "Others."
    assert default_words(pause, voice.RATE, clips) == ""
    assert default_words(voice.spoken("a"), voice.RATE, Clips()) == DEFAULT_WORDS


@given(st.integers(1, 5000))
def test_turns_do_not_depend_on_the_pieces_that_audio_comes_in(size):
    quiet = np.zeros(voice.RATE, np.int16)
    pcm = np.concatenate([quiet, voice.spoken("hello there"), quiet])
    detector = TurnDetector(VAD)
    events = [
        event
        for start in range(0, len(pcm), size)
        for event in detector.feed(pcm[start : start + size])
    ]
    began, ended = events
    assert isinstance(began, SpeechBegan)
    assert isinstance(ended, SpeechEnded)
    assert began.at_ms == 700  # with what was before it
    speech_ms = round(voice.seconds("hello there") * 1000)
    assert abs(ended.at_ms - (1000 + speech_ms - 50 + 400)) <= 40
    assert abs(len(ended.pcm) / 24 - (ended.at_ms - began.at_ms)) <= 20


def test_without_turn_detection_audio_waits_for_its_commit():
    detector = TurnDetector(None)
    assert detector.feed(voice.spoken("hello there")) == []
    assert detector.buffered_ms == pytest.approx(voice.seconds("hello there") * 1000)
    assert len(detector.take()) == len(voice.spoken("hello there"))
    assert detector.buffered_ms == 0
