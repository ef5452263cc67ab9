"""
Noise in place of words: a recording shows which position of an answer it holds.

Each name has a noise of its own, which never repeats.  `heard_until` reads the position
to some milliseconds, also from a recording that has gone through a codec and a jitter
buffer.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from tests.openai_counterpart.voice import RATE

_BAND_HZ = (300, 5000)  # that codecs of speech keep
_TAPS = 129
_LOUDNESS = 0.1  # root mean square, of full scale
_QUIET = 0.005  # root mean square of what is no noise
_MS = RATE // 1000  # samples
_BLOCK = 10 * _MS  # has one position
_HOP = 2 * _MS
_GAP = 40 * _MS  # of silence, between two segments; a fade may follow a shorter one
_TAIL = 50 * _MS  # at the end of a segment, where a fade may repeat or skip something
_ANCHOR = 80 * _MS  # before the tail, is looked for in the whole noise
_DRIFT = 40 * _MS  # by which a fade or a jitter buffer moves a block
_SIMILAR = 0.6  # correlation of a block with its own noise; with another one up to 0.45


def noise(name: str, samples: int) -> NDArray[np.int16]:
    """Return the noise of a name, mono, at 24 kHz; a longer one begins as a short."""
    seed = zlib.crc32(name.encode())
    white = np.random.default_rng(seed).standard_normal(samples + _TAPS - 1)
    low, high = (2 * edge / RATE for edge in _BAND_HZ)
    at = np.arange(_TAPS) - _TAPS // 2
    filter_ = (high * np.sinc(high * at) - low * np.sinc(low * at)) * np.hamming(_TAPS)
    filter_ /= np.linalg.norm(filter_)
    signal = np.convolve(white, filter_, "valid") * _LOUDNESS
    return np.asarray(np.clip(signal, -1, 1) * 32767, np.int16)


def segments(recording: NDArray[np.int16]) -> list[tuple[int, int]]:
    """Return first and last sample of each stretch that is loud, without its gaps."""
    count = len(recording) // _HOP
    blocks = np.asarray(recording[: count * _HOP], np.float64).reshape(count, _HOP)
    loud = np.sqrt((blocks**2).mean(axis=1)) > _QUIET * 32768
    edges = np.flatnonzero(loud)
    if not len(edges):
        return []
    breaks = np.flatnonzero(np.diff(edges) > _GAP // _HOP)
    firsts = edges[np.concatenate(([0], breaks + 1))]
    lasts = edges[np.concatenate((breaks, [len(edges) - 1]))]
    return [
        (int(first) * _HOP, int(last + 1) * _HOP)
        for first, last in zip(firsts, lasts, strict=True)
    ]


def heard_until(
    recording: NDArray[np.int16],
    segment: tuple[int, int],
    of_name: NDArray[np.int16],
) -> int | None:
    """
    Return the furthest position in a noise that a segment of a recording reaches.

    The position is the number of samples of the noise up to there.  None: the segment
    ends with something else.
    """
    first, last = segment
    signal = np.asarray(recording, np.float64)
    # A piece may begin before the noise, and end after it.
    reference = np.pad(np.asarray(of_name, np.float64), _ANCHOR)
    begin = max(first, last - _TAIL - _ANCHOR)
    place, score = _place(signal[begin : max(last - _TAIL, begin + _BLOCK)], reference)
    if score < _SIMILAR:
        return None
    base = place - begin  # from the recording to the noise
    reached = []
    for begin in range(max(first, last - 2 * _TAIL), last - _BLOCK + 1, _HOP):
        low = max(0, begin + base - _DRIFT)
        near = reference[low : begin + base + _BLOCK + _DRIFT]
        if len(near) < _BLOCK:
            continue
        at, score = _place(signal[begin : begin + _BLOCK], near)
        if score > _SIMILAR:
            # Where only the beginning of a block is noise, the score is lower.
            reached.append(low + at + round(_BLOCK * score**2) - _ANCHOR)
    return max(reached, default=None)


def _place(
    piece: NDArray[np.float64], reference: NDArray[np.float64]
) -> tuple[int, float]:
    """Return where a piece fits best in a reference, and the correlation there."""
    if len(piece) < _BLOCK or len(reference) < len(piece):
        return 0, 0.0
    size = 1 << (len(reference) + len(piece)).bit_length()
    product = np.fft.irfft(
        np.fft.rfft(reference, size) * np.conj(np.fft.rfft(piece, size)), size
    )[: len(reference) - len(piece) + 1]
    energy = np.concatenate(([0.0], np.cumsum(reference**2)))
    energies = energy[len(piece) :] - energy[: -len(piece)]
    norm = np.sqrt(np.maximum(energies, 1.0)) * np.linalg.norm(piece)
    scores = product / np.maximum(norm, 1.0)
    best = int(np.argmax(scores))
    return best, float(scores[best])
