"""
Flite through its program: three voices made from recordings of people, and kal of diphones.

A stop is one segment there, closure and burst together, so the closure's share is assumed.

Errors: ``MissingVoice``, ``UnknownSymbol``.
"""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from training.sounds import MissingVoice, Spoken, laid_out, read_wav, released

# name -> its own mean pitch, Hz
VOICES = {"slt": 170.0, "rms": 100.0, "awb": 130.0, "kal16": 100.0}


def speak(
    voice: str, text: str, *, stretch: float = 1.0, pitch_hz: float = 120.0
) -> Spoken:
    """Say ``text``; ``stretch`` over 1 is slower."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        settings = [
            f"duration_stretch={stretch:.3f}",
            f"int_f0_target_mean={pitch_hz:.1f}",
        ]
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(path)]
        for setting in settings:
            command += ["--setf", setting]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as missing:
            raise MissingVoice(f"flite {voice}", "flite") from missing
        sound, sample_rate = read_wav(path)
    segments = re.findall(r"(\S+):([\d.]+)", done.stdout)
    names = [name for name, _ in segments]
    ends = [float(end) for _, end in segments]
    return Spoken(sound, sample_rate, _phones(names, ends, len(sound) / sample_rate))


def _phones(names: Sequence[str], ends_s: Sequence[float], end_s: float):
    starts = released("radio", names, [0.0, *ends_s[:-1]], ends_s)
    return laid_out("radio", names, starts, end_s)
