"""Speech synthesis by Flite, through its C libraries.

Three voices are models of recordings, and kal16 is made of diphones. Closure and burst
of a stop are one segment in them, which `conversation.speech.closures` divides.

Errors: ``MissingVoice``, ``UnknownSymbol``. Not thread-safe: the voices hold settings.
"""

import ctypes
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np

from conversation.speech.closures import correct_starts
from training.phones import (
    MissingVoice,
    Synthesis,
    phonemes_of,
    phones_from_symbols,
)

# Mean pitch of each voice.
PITCH_HZ = {"slt": 170.0, "rms": 100.0, "awb": 130.0, "kal16": 100.0}

# Constant delay of the audio behind the labels, as `correct_starts` takes it. Measured
# by `training.sync` on 22 minutes. The comments give the medians in ms of vowel>S,
# vowel>T and vowel>F, then of S>vowel, with the numbers of boundaries in parentheses.
LATE_S: dict[str, dict[str, float]] = {
    "slt": {"noise": 0.013, "vowel": -0.009},  # +13 +12 +14 (n 55 to 108); -9 (72)
    "rms": {"noise": 0.006, "vowel": -0.008},  # +8 +8 -2 (46 to 100); -8 (69)
    "kal16": {"noise": 0.007},  # +6 +12 +1 (20 to 60); +2 (30)
}


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("count", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


_SIGNATURES = {
    "flite_synth_text": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.POINTER(_Voice)]),
    "utt_wave": (ctypes.POINTER(_Wave), [ctypes.c_void_p]),
    "utt_relation": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "relation_head": (ctypes.c_void_p, [ctypes.c_void_p]),
    "item_next": (ctypes.c_void_p, [ctypes.c_void_p]),
    "ffeature_string": (ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "ffeature_float": (ctypes.c_float, [ctypes.c_void_p, ctypes.c_char_p]),
    "feat_set_float": (None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]),
    "delete_utterance": (None, [ctypes.c_void_p]),
}


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libflite.so.1")
    except OSError as error:
        raise MissingVoice("flite", "libflite1") from error
    for name, (result_type, argument_types) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result_type, argument_types
    library.flite_init()
    return library


@cache
def _voice(name: str) -> "ctypes._Pointer[_Voice]":
    _library()
    try:
        register = getattr(
            ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}"
        )
    except (OSError, AttributeError) as error:
        raise MissingVoice(f"flite {name}", "libflite1") from error
    register.restype, register.argtypes = ctypes.POINTER(_Voice), [ctypes.c_char_p]
    return register(None)  # type: ignore[no-any-return]  # ctypes is untyped here


def speak(
    name: str, text: str, *, duration_factor: float = 1.0, pitch_hz: float = 120.0
) -> Synthesis:
    """Return ``text`` as speech; a ``duration_factor`` above 1 is slower."""
    library, voice = _library(), _voice(name)
    features = voice.contents.features
    library.feat_set_float(features, b"duration_stretch", duration_factor)
    library.feat_set_float(features, b"int_f0_target_mean", pitch_hz)
    # The library draws its noise from rand().
    ctypes.CDLL(None).srand(zlib.crc32(text.encode()))
    utterance = library.flite_synth_text(text.encode("ascii", "ignore"), voice)
    try:
        wave = library.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(wave.samples, (wave.count,))
        audio = samples.astype(np.float32) / np.float32(32768)
        sample_rate = int(wave.sample_rate)
        segments = list(_segments(library, utterance))
    finally:
        library.delete_utterance(utterance)
    names = [symbol for symbol, _, _ in segments]
    ends = [end for _, end, _ in segments]
    first_phonemes = [phonemes_of("radio", symbol)[0] for symbol in names]
    starts = correct_starts(
        audio, sample_rate, first_phonemes, ends, LATE_S.get(name, {})
    )
    phones = phones_from_symbols(
        "radio",
        names,
        starts,
        len(audio) / sample_rate,
        [stress for *_, stress in segments],
    )
    return Synthesis(audio, sample_rate, phones)


def _segments(library: ctypes.CDLL, utterance: int) -> Iterator[tuple[str, float, int]]:
    """Yield name, end in seconds and stress of each segment."""
    item = library.relation_head(library.utt_relation(utterance, b"Segment"))
    while item:
        stress = library.ffeature_string(item, b"R:SylStructure.parent.stress")
        yield (
            library.ffeature_string(item, b"name").decode(),
            float(library.ffeature_float(item, b"end")),
            int(stress == b"1"),
        )
        item = library.item_next(item)
