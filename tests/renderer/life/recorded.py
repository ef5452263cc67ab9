"""
Motion of known seeds, recorded: a change of the code must not change it.

    python -m tests.renderer.life.recorded    # record again, after an intended change
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from renderer.frames import SAMPLE_RATE
from renderer.life.life import Life
from tests.renderer.life.voices import voice

FILE = Path(__file__).with_name("recorded.npz")
SEEDS = (1, 12345)
_FPS = 25
_FRAME_SAMPLES = SAMPLE_RATE // _FPS
_KEPT = 15  # every so many frames are recorded
# Pose, emotion, whether there is speech, and duration in s.
_SCRIPT = (
    ("idle", "neutral", False, 9.0),
    ("listening", "neutral", False, 7.0),
    ("thinking", "neutral", False, 5.0),
    ("talking", "happy", True, 4.0),
    ("idle", "happy", False, 4.0),
    ("listening", "sad", False, 5.0),
    ("thinking", "concerned", False, 3.0),
    ("talking", "serious", True, 5.0),
    ("talking", "neutral", True, 4.0),
    ("idle", "surprised", False, 3.0),
    ("listening", "angry", False, 4.0),
    ("talking", "neutral", True, 3.0),
    ("idle", "neutral", False, 8.0),
)


def motion(begin: Callable[[int], Life], seed: int) -> npt.NDArray[np.float32]:
    """Return every 15th face ``[n, 57]`` of a minute in which all poses occur."""
    life, faces, index, turn = begin(seed), [], 0, 0
    speech = voice(5.0, [1.0, 2.25, 3.5, 4.0])
    for pose, emotion, speaks, duration_s in _SCRIPT:
        turn += speaks
        consumed = 0
        for frame in range(round(duration_s * _FPS)):
            moment = frame * _FRAME_SAMPLES + _FRAME_SAMPLES // 2
            if speaks:
                until = min(moment + 1920, len(speech) // 2)
                pcm = speech[2 * consumed : 2 * until]
                life.add_audio(index / _FPS, turn, pcm, until - moment)
                consumed = until
            face = life.face(index / _FPS, pose, emotion)
            if index % _KEPT == 0:
                faces.append(face)
            index += 1
    return np.stack(faces)


if __name__ == "__main__":
    np.savez_compressed(FILE, np.stack([motion(Life, seed) for seed in SEEDS]))
