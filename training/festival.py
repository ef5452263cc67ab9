"""Speech synthesis by Festival, many sentences in one process.

Its voices are diphones or statistical models of recorded people. Closure and burst of
a stop are one segment in them, which `conversation.speech.closures` divides.

Errors: ``MissingVoice``. A sentence that fails yields a ``SynthesisError``.
"""

import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conversation.speech.closures import correct_starts
from training.phones import (
    MissingVoice,
    Synthesis,
    SynthesisError,
    phonemes_of,
    phones_from_symbols,
    read_wav,
)

TIMEOUT_S = 300  # of one process
# Constant delay of the audio behind the labels, as `correct_starts` takes it. Measured
# by `training.sync` on 21 minutes. The comments give the medians in ms of vowel>S,
# vowel>T and vowel>F, then of S>vowel, with the numbers of boundaries in parentheses.
LATE_S: dict[str, dict[str, float]] = {
    "kal_diphone": {"noise": 0.012},  # +11 +12 +15 (n 14 to 67); 0 (34)
    "cmu_us_slt_arctic_hts": {"noise": 0.015},  # +13 +16 +19 (26 to 76); -4 (37)
    "upc_ca_ona_hts": {
        "noise": 0.012,
        "vowel": 0.012,
    },  # +9 +17 +10 (14 to 63); +19 (52)
    "czech_krb": {"noise": 0.010},  # +10 +10 +8 (13 to 60); -6 (37)
    "czech_dita": {"noise": 0.007, "vowel": -0.008},  # +8 +5 +4 (9 to 65); -8 (37)
    "suo_fi_lj_diphone": {"noise": 0.012, "vowel": 0.008},  # +10 +15 (55, 66); +8 (56)
    "hy_fi_mv_diphone": {"noise": 0.006, "vowel": 0.010},  # +1 +9 (63, 68); +15 (52)
}


@dataclass(frozen=True, slots=True)
class Voice:
    """Voice of Festival: its name, language, phone set and text encoding."""

    name: str
    language: str
    phone_set: str
    encoding: str
    package: str  # of Debian
    pitch_hz: float | None  # mean pitch; None if ``int_lr_params`` cannot change it


VOICES = {
    voice.name: voice
    for voice in (
        Voice("kal_diphone", "en", "radio", "ascii", "festvox-kallpc16k", 105),
        Voice("ked_diphone", "en", "radio", "ascii", "festvox-kdlpc16k", 105),
        Voice(
            "cmu_us_slt_arctic_hts", "en", "radio", "ascii", "festvox-us-slt-hts", None
        ),
        Voice("lp_diphone", "it", "italian", "latin-1", "festvox-italp16k", None),
        Voice("pc_diphone", "it", "italian", "latin-1", "festvox-itapc16k", None),
        Voice("czech_dita", "cs", "czech", "iso-8859-2", "festvox-czech-dita", None),
        Voice(
            "czech_machac", "cs", "czech", "iso-8859-2", "festvox-czech-machac", None
        ),
        Voice("czech_ph", "cs", "czech", "iso-8859-2", "festvox-czech-ph", None),
        Voice("czech_krb", "cs", "czech", "iso-8859-2", "festvox-czech-krb", None),
        Voice(
            "suo_fi_lj_diphone", "fi", "finnish", "latin-1", "festvox-suopuhe-lj", None
        ),
        Voice(
            "hy_fi_mv_diphone", "fi", "finnish", "latin-1", "festvox-suopuhe-mv", None
        ),
        Voice("upc_ca_ona_hts", "ca", "catalan", "utf-8", "festvox-ca-ona-hts", None),
        Voice("msu_ru_nsh_clunits", "ru", "russian", "utf-8", "festvox-ru", None),
        Voice("hindi_NSK_diphone", "hi", "hindi", "utf-8", "festvox-hi-nsk", None),
    )
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """Text to say; a ``duration_factor`` above 1 is slower than usual."""

    text: str
    duration_factor: float = 1.0
    pitch_factor: float = 1.0


def speak(
    name: str, sentences: Sequence[Sentence]
) -> Iterator[Synthesis | SynthesisError]:
    """Yield the speech of each sentence, or the error that it failed with."""
    voice = VOICES[name]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.scm")
        lines = [f"(voice_{name})", _SAY_TO, "(set! czech-rand-range 1)"]
        for number, sentence in enumerate(sentences):
            if voice.pitch_hz is not None:
                lines.append(_PITCH.format(voice.pitch_hz * sentence.pitch_factor))
            text = sentence.text.replace('"', "").replace("\\", "")
            stretch = sentence.duration_factor * _replay_speed(voice, sentence)
            lines.append(f"(Parameter.set 'Duration_Stretch {stretch:.3f})")
            # The Czech voices draw their intonation from the random generator.
            lines.append(f"(srand {zlib.crc32(text.encode())})")
            lines.append(f'(say_to "{text}" "{folder}/{number}")')
        script.write_bytes("\n".join(lines).encode(voice.encoding, "ignore"))
        if f"unbound variable : voice_{name}" in _run(script):
            raise MissingVoice(f"festival {name}", voice.package)
        for number, sentence in enumerate(sentences):
            try:
                synthesis = _read(voice, Path(folder, str(number)))
            except SynthesisError as error:
                yield error
            else:
                yield _played_faster(synthesis, _replay_speed(voice, sentence))


def _run(script: Path) -> str:
    """Run ``script`` and return stderr; files written before a timeout are kept."""
    command = ["festival", "-b", str(script)]
    try:
        process = subprocess.run(
            command, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except OSError as error:
        raise MissingVoice("festival", "festival") from error
    except subprocess.TimeoutExpired:
        return ""
    return process.stderr.decode(errors="replace")


def _replay_speed(voice: Voice, sentence: Sentence) -> float:
    """Return the replay speed that raises the pitch of a voice without a pitch setting.

    It moves the formants too, as if a larger or smaller person spoke, so the square
    root keeps it small. A duration of the same factor compensates the pace.
    """
    return 1.0 if voice.pitch_hz is not None else sentence.pitch_factor**0.5


def _played_faster(synthesis: Synthesis, factor: float) -> Synthesis:
    """Return the same samples, played ``factor`` times as fast."""
    rate = round(synthesis.sample_rate * factor)
    ratio = synthesis.sample_rate / rate
    phones = [
        phone._replace(start_s=phone.start_s * ratio, end_s=phone.end_s * ratio)
        for phone in synthesis.phones
    ]
    return Synthesis(synthesis.audio, rate, phones)


# Scheme function that writes the WAV, and one line for each segment: name, end in
# seconds, stress or 0.
_SAY_TO = """
(define (say_to text path)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text))))
        (file (fopen (string-append path ".segs") "w")))
    (utt.save.wave utt (string-append path ".wav") 'riff)
    (mapcar
      (lambda (segment)
        (format file "%s %f %s\\n" (item.name segment) (item.feat segment "end")
          (item.feat segment "R:SylStructure.parent.stress")))
      (utt.relation.items utt 'Segment))
    (fclose file)))
"""
_PITCH = """(set! int_lr_params '((target_f0_mean {:.1f}) (target_f0_std 14)
  (model_f0_mean 170) (model_f0_std 34)))"""


def _read(voice: Voice, path: Path) -> Synthesis:
    segments, wav = path.with_suffix(".segs"), path.with_suffix(".wav")
    complete = segments.exists() and wav.exists()
    text = segments.read_text(voice.encoding) if complete else ""
    rows = [line.split() for line in text.splitlines()]
    if not rows:
        raise SynthesisError(f"festival {voice.name} failed to synthesise a sentence")
    audio, sample_rate = read_wav(wav)
    names = [name for name, _, _ in rows]
    ends = [float(end) for _, end, _ in rows]
    late_s = LATE_S.get(voice.name, {})
    first_phonemes = [phonemes_of(voice.phone_set, name)[0] for name in names]
    starts = correct_starts(audio, sample_rate, first_phonemes, ends, late_s)
    stresses = [
        int(float(stress) > 0) if voice.language == "en" else None
        for _, _, stress in rows
    ]
    phones = phones_from_symbols(
        voice.phone_set, names, starts, len(audio) / sample_rate, stresses
    )
    return Synthesis(audio, sample_rate, phones)
