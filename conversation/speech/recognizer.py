"""
Speech recognition by Moonshine, whose English model is inside its package.

The library's own way splits an utterance at each pause and recognizes the parts
alone. That gets more words wrong, and noise that is recognized gives words. So its
voice activity detection only tells here where speech is, and speech is recognized as
one, or at pauses where it is long.
"""

import logging
from itertools import pairwise
from typing import Any, Self

import numpy as np

from conversation.speech.sound import RECOGNIZER_RATE, Sound, resampled

log = logging.getLogger(__name__)

MODEL_NAME = "moonshine-tiny-en"
_FOLDER = "tiny-en"
# The library copies each sound into its result unless it is told not to.
_FIND_SPEECH = {"return_audio_data": "false", "skip_transcription": "true"}
_RECOGNIZE_ALL = {"return_audio_data": "false", "vad_threshold": "0.0"}
_EDGE_S = 0.2  # kept before and after speech: detection is late and ends early
_MAX_PIECE_S = 20.0  # the model's time grows with the square of the length

Interval = tuple[float, float]  # start and end in seconds


class Recognizer:
    """English recognizer of whole utterances. It is used by one thread at a time."""

    def __init__(self, detector: Any, transcriber: Any) -> None:
        self._detector = detector
        self._transcriber = transcriber

    @classmethod
    def load(cls) -> Self | None:
        """Return a warm recognizer, or None if its package is not installed."""
        try:
            from moonshine_voice import ModelArch
            from moonshine_voice.transcriber import Transcriber
            from moonshine_voice.utils import get_model_path
        except ImportError as error:
            log.warning("no speech recognition: %s", error)
            return None
        folder = get_model_path(_FOLDER)
        detector, transcriber = (
            Transcriber(folder, ModelArch.TINY, options=options)
            for options in (_FIND_SPEECH, _RECOGNIZE_ALL)
        )
        recognizer = cls(detector, transcriber)
        noise = np.random.default_rng(0).normal(0, 0.05, RECOGNIZER_RATE)
        for part in (detector, transcriber):
            part.transcribe_without_streaming(noise.tolist(), RECOGNIZER_RATE)
        return recognizer

    def transcribe(self, sound: Sound, rate: int) -> str:
        """Return the words of a sound at ``rate`` Hz; empty if there is no speech."""
        sound = resampled(sound, rate, RECOGNIZER_RATE)
        found = self._lines(self._detector, sound)
        intervals = [
            (line.start_time, line.start_time + line.duration) for line in found
        ]
        texts = [
            line.text
            for start_s, end_s in pieces(intervals)
            for line in self._lines(self._transcriber, _cut(sound, start_s, end_s))
        ]
        return " ".join(" ".join(texts).split())

    def _lines(self, transcriber: Any, sound: Sound) -> list[Any]:
        if not len(sound):
            return []
        transcript = transcriber.transcribe_without_streaming(
            sound.tolist(), RECOGNIZER_RATE
        )
        return list(transcript.lines)

    def close(self) -> None:
        """Free the models."""
        self._detector.close()
        self._transcriber.close()


def pieces(intervals: list[Interval]) -> list[Interval]:
    """
    Join intervals of speech, in order, into pieces of at most 20 s, and widen the ends.

    An interval that is longer is a piece of its own. Pieces do not overlap.
    """
    if not intervals:
        return []
    joined = [intervals[0]]
    for start_s, end_s in intervals[1:]:
        first_s, last_s = joined[-1]
        if end_s - first_s <= _MAX_PIECE_S:
            joined[-1] = (first_s, max(last_s, end_s))
        else:
            joined.append((max(start_s, last_s), end_s))
    edges = [(before[1] + after[0]) / 2 for before, after in pairwise(joined)]
    starts = [0.0, *edges]
    ends = [*edges, float("inf")]
    return [
        (max(start_s - _EDGE_S, low), min(end_s + _EDGE_S, high))
        for (start_s, end_s), low, high in zip(joined, starts, ends, strict=True)
    ]


def _cut(sound: Sound, start_s: float, end_s: float) -> Sound:
    """Return the part of a sound at 16 kHz between two times."""
    return sound[int(start_s * RECOGNIZER_RATE) : int(end_s * RECOGNIZER_RATE)]
