"""
Sentences of the demo page, spoken by the built-in voices.

``sh tools/samples.sh`` writes them into web/samples: each by the voice "heart", and by
the lower one for avatars whose voice that is. It needs the extra ``speech``. The
repository contains the files: you need this only to make them again.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conversation.speech.sound import VOICE_RATE, pcm16, wav_of
from conversation.speech.voices import HIBARI_NAMES, Voice, load_voices

SAMPLES = Path(__file__).resolve().parents[1] / "web" / "samples"
SENTENCES = {  # file: title and text
    "hello": ("A short hello", "Hello there, it is very good to see you today."),
    "question": (
        "A question",
        "What would you like to talk about today, and where should we begin?",
    ),
    "lips": (
        "Many P, B and M",
        "Bob bought a big bumpy pumpkin, and Mummy put plum jam beside my purple map.",
    ),
    "long": (
        "A long one, to interrupt",
        "I could go on like this for a while, so stop me when you like: I rest at"
        " once.",
    ),
}
# Level of what is spoken, and the peak that it may have.
LEVEL, MAX_PEAK = 10 ** (-18 / 20), 10 ** (-1 / 20)
# Speech begins with the first message and ends with the last one.
BEFORE_S, AFTER_S = 0.02, 0.04
_SILENT, _SPOKEN = 10 ** (-38 / 20), 10 ** (-26 / 20)  # of the loudest 10 ms
_STEP = VOICE_RATE // 100

Sound = npt.NDArray[np.float64]


def spoken(voice: Voice, text: str) -> Sound:
    """Return a text as sound at `LEVEL`, without the silence around it."""
    pcm = b"".join(voice.say(sentence, 1.0).pcm for sentence in voice.sentences(text))
    sound = np.frombuffer(pcm, "<i2") / 32768
    sound = sound[: len(sound) // _STEP * _STEP]
    levels = np.sqrt(np.square(sound).reshape(-1, _STEP).mean(1))
    loud = np.flatnonzero(levels > _SILENT * levels.max())
    first = max(0, loud[0] * _STEP - round(BEFORE_S * VOICE_RATE))
    last = (loud[-1] + 1) * _STEP + round(AFTER_S * VOICE_RATE)
    trimmed = sound[first:last].copy()
    begin, end = (np.linspace(0, 1, round(s * VOICE_RATE)) for s in (0.005, AFTER_S))
    trimmed[: len(begin)] *= begin
    trimmed[-len(end) :] *= end[::-1]
    level = np.sqrt(np.square(levels[levels > _SPOKEN * levels.max()]).mean())
    gain = float(min(LEVEL / level, MAX_PEAK / np.abs(trimmed).max()))
    return trimmed * gain


def main() -> None:
    """Write the files and ``samples.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SAMPLES)
    folder = parser.parse_args().folder
    voices = load_voices()
    if missing := set(HIBARI_NAMES) - set(voices):
        names = ", ".join(sorted(missing))
        sys.exit(f"no voice {names}: run pip install 'lite-gateway[speech]'")
    rows = []
    for name, (title, text) in SENTENCES.items():
        files = {voice: f"{name}-{voice}.wav" for voice in HIBARI_NAMES[1:]}
        row = {"file": f"{name}.wav", "title": title, "text": text, "voices": files}
        for voice, file in {HIBARI_NAMES[0]: row["file"], **files}.items():
            sound = spoken(voices[voice], text).astype(np.float32)
            (folder / str(file)).write_bytes(wav_of(pcm16(sound)))
        rows.append(json.dumps(row))
    (folder / "samples.json").write_text("[\n  " + ",\n  ".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
