"""
Festival, many sentences to a process: diphones and statistics of recorded people.

A stop is one segment there, closure and burst together: ``closures`` parts them.

Errors: ``MissingVoice``. What befalls one sentence is given in its place.
"""

import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.closures import mended
from training.sounds import MissingVoice, Spoken, Unspoken, laid_out, read_wav

TIMEOUT_S = 300
# Measured by ``sync`` on 21 minutes: medians of vowel>S, >T, >F, and of S>vowel, in ms.
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
    """How festival calls a voice, how its text is encoded, which phones it has."""

    name: str
    language: str
    alphabet: str
    encoding: str
    package: str
    pitch_hz: float | None  # mean of its own where ``int_lr_params`` sets it


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
    """One thing to say; ``stretch`` over 1 is slower, ``pitch`` is a factor."""

    text: str
    stretch: float = 1.0
    pitch: float = 1.0


def speak(name: str, sentences: Sequence[Sentence]) -> Iterator[Spoken | Unspoken]:
    """Say each sentence, in one process, or why it could not be said."""
    voice = VOICES[name]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.scm")
        lines = [f"(voice_{name})", _SAY, "(set! czech-rand-range 1)"]
        for number, sentence in enumerate(sentences):
            if voice.pitch_hz is not None:
                lines.append(_PITCH.format(voice.pitch_hz * sentence.pitch))
            text = sentence.text.replace('"', "").replace("\\", "")
            stretch = sentence.stretch * _replayed(voice, sentence)
            lines.append(f"(Parameter.set 'Duration_Stretch {stretch:.3f})")
            lines.append(
                f"(srand {zlib.crc32(text.encode())})"
            )  # Czech draws its melody
            lines.append(f'(say_to "{text}" "{folder}/{number}")')
        script.write_bytes("\n".join(lines).encode(voice.encoding, "ignore"))
        if f"unbound variable : voice_{name}" in _run(script):
            raise MissingVoice(f"festival {name}", voice.package)
        for number, sentence in enumerate(sentences):
            try:
                spoken = _read(voice, Path(folder, str(number)))
            except Unspoken as unspoken:
                yield unspoken
            else:
                yield _faster(spoken, _replayed(voice, sentence))


def _run(script: Path) -> str:
    """What festival complains of; what it said until its time was over is kept."""
    command = ["festival", "-b", str(script)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except OSError as missing:
        raise MissingVoice("festival", "festival") from missing
    except subprocess.TimeoutExpired:
        return ""
    return done.stderr.decode(errors="replace")


def _replayed(voice: Voice, sentence: Sentence) -> float:
    """Factor of speed: what raises the pitch of a voice that knows no other way.

    It moves the formants too, as if a larger or smaller person spoke, so it is kept
    small. The stretch that goes with it keeps the pace.
    """
    return 1.0 if voice.pitch_hz is not None else sentence.pitch**0.5


def _faster(spoken: Spoken, factor: float) -> Spoken:
    """The same sound, played ``factor`` times as fast."""
    rate = round(spoken.sample_rate * factor)
    ratio = spoken.sample_rate / rate
    phones = [
        phone._replace(start_s=phone.start_s * ratio, end_s=phone.end_s * ratio)
        for phone in spoken.phones
    ]
    return Spoken(spoken.sound, rate, phones)


# Segments with their stress, one a line: name, end in seconds, stress or 0.
_SAY = """
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


def _read(voice: Voice, path: Path) -> Spoken:
    segments, sounded = path.with_suffix(".segs"), path.with_suffix(".wav")
    whole = segments.exists() and sounded.exists()
    text = segments.read_text(voice.encoding) if whole else ""
    rows = [line.split() for line in text.splitlines()]
    if not rows:
        raise Unspoken(f"festival {voice.name} failed on a sentence")
    sound, sample_rate = read_wav(sounded)
    names = [name for name, _, _ in rows]
    ends = [float(end) for _, end, _ in rows]
    late_s = LATE_S.get(voice.name, {})
    starts = mended(sound, sample_rate, voice.alphabet, names, ends, late_s)
    stresses = [
        int(float(stress) > 0) if voice.language == "en" else None
        for _, _, stress in rows
    ]
    phones = laid_out(voice.alphabet, names, starts, len(sound) / sample_rate, stresses)
    return Spoken(sound, sample_rate, phones)
