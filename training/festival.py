"""
Festival, many sentences to a process: diphones and statistics of recorded people.

A stop is one segment there, closure and burst together, so the closure's share is assumed.

Errors: ``MissingVoice``; ``UnknownSymbol``.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.sounds import MissingVoice, Spoken, laid_out, read_wav, released

TIMEOUT_S = 300


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
    )
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing to say; ``stretch`` over 1 is slower, ``pitch`` is a factor on the voice's own."""

    text: str
    stretch: float = 1.0
    pitch: float = 1.0


def speak(name: str, sentences: Sequence[Sentence]) -> Iterator[Spoken | None]:
    """Say each sentence, in one process; None for one that festival failed on."""
    voice = VOICES[name]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.scm")
        lines = [f"(voice_{name})", _SAY]
        for number, sentence in enumerate(sentences):
            if voice.pitch_hz is not None:
                lines.append(_PITCH.format(voice.pitch_hz * sentence.pitch))
            text = sentence.text.replace('"', "").replace("\\", "")
            lines.append(f"(Parameter.set 'Duration_Stretch {sentence.stretch:.3f})")
            lines.append(f'(say_to "{text}" "{folder}/{number}")')
        script.write_bytes("\n".join(lines).encode(voice.encoding, "ignore"))
        try:
            done = subprocess.run(
                ["festival", "-b", str(script)],
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except OSError as missing:
            raise MissingVoice("festival", "festival") from missing
        if (
            not Path(folder, "0.segs").exists()
            and b"unbound variable: voice_" in done.stderr
        ):
            raise MissingVoice(f"festival {name}", voice.package)
        for number in range(len(sentences)):
            yield _read(voice, Path(folder, str(number)))


# Segments with their stress, one a line: name, end in seconds, stress or 0.
_SAY = """
(define (say_to text path)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))) (file (fopen (string-append path ".segs") "w")))
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


def _read(voice: Voice, path: Path) -> Spoken | None:
    segments = path.with_suffix(".segs")
    if not segments.exists() or not path.with_suffix(".wav").exists():
        return None
    rows = [line.split() for line in segments.read_text(voice.encoding).splitlines()]
    if not rows:
        return None
    sound, sample_rate = read_wav(path.with_suffix(".wav"))
    names = [name for name, _, _ in rows]
    ends = [float(end) for _, end, _ in rows]
    starts = released(voice.alphabet, names, [0.0, *ends[:-1]], ends)
    stresses = [
        int(float(stress) > 0) if voice.language == "en" else None
        for _, _, stress in rows
    ]
    phones = laid_out(voice.alphabet, names, starts, len(sound) / sample_rate, stresses)
    return Spoken(sound, sample_rate, phones)
