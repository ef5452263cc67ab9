"""Voices of the speech corpus, and the minutes of each.

Seven tenths are voices made from recordings of people, the rest is espeak-ng. Those of
Hibari and Kokoro sound like people. Held out of training, to evaluate on: six espeak-ng
variants, Festival's ked and machac, one woman of Kokoro and the mean of her and its
man, and three languages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training import festival, hibari, kokoro

PLANNED_HOURS = 30.5  # about the sum of the minutes below; another total scales them


@dataclass(frozen=True, slots=True)
class Part:
    """Share of one voice in the corpus; ``name`` is the synthesiser's for it."""

    source: str
    name: str
    language: str
    minutes: float
    held_out: bool = False

    @property
    def voice(self) -> str:
        return f"{self.source}_{self.name}".replace("+", "_")

    @property
    def cost(self) -> float:
        """Processor time of the part in minutes, on the machine of the README."""
        costs = {**_COSTS, **_COSTS_OF_VOICES}
        return self.minutes * costs.get(self.name, costs[self.source])


def _words(text: str) -> list[str]:
    return text.split()


_FLITE_MINUTES = {"slt": 150, "rms": 150, "awb": 140, "kal16": 50}
_FESTIVAL_MINUTES = {"kal_diphone": 60, "cmu_us_slt_arctic_hts": 100}
_FESTIVAL_DEFAULT_MINUTES = 40
_FESTIVAL_HELD_OUT_MINUTES = {"ked_diphone": 5, "czech_machac": 4}

_HIBARI_MINUTES = 130
# Kokoro's minutes cost thirty times those of the others, so they are few, and used
# more often.
_KOKORO_MINUTES = {
    **{"jf_alpha": 4, "jf_gongitsune": 4, "jf_nezumi": 4, "jm_kumo": 14},
    kokoro.BLENDS: 28,
}
_KOKORO_HELD_OUT = (kokoro.HELD_OUT_PACK, f"jm_kumo+{kokoro.HELD_OUT_PACK}")

# Seconds of processor time for each second of speech.
_COSTS = {
    **{"espeak": 0.005, "flite": 0.015, "festival": 0.015},
    **{"hibari": 0.02, "kokoro": 0.55},
}
_COSTS_OF_VOICES = {"kal16": 0.001, "cmu_us_slt_arctic_hts": 0.045}

_VARIANTS = _words("""
f1 m1 f2 m2 f3 m3 f4 m4 m5 m6 m8 klatt klatt2 klatt3 klatt5 klatt6 adam Alex Andrea
Andy Annie antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward Gene
gustave Henrique Hugo iven iven2 Jacky john kaukovalta Lee marcelo Marco Mario max
Michael michel miguel Nguyen pablo paul pedro quincy rob robert sandro shelby steph
steph2 steph3 travis victor zac anika grandpa grandma norbert croak whisperf
""")
_HELD_OUT_VARIANTS = _words("Alicia Mike f5 klatt4 linda m7")
_ACCENTS = _words("""
en-us en en-us en-gb-scotland en-us en-gb-x-rp en-029 en-us-nyc en-gb-x-gbclan
en-gb-x-gbcwmd
""")
_LANGUAGES = _words(
    "de fr es es-419 it pt pt-br pl cs nl hu ru el hi fi da ro ca uk id"
)
_HELD_OUT_LANGUAGES = _words("sv tr ja")


def _flite() -> Iterator[Part]:
    for name, minutes in _FLITE_MINUTES.items():
        yield Part("flite", name, "en", minutes)


def _espeak() -> Iterator[Part]:
    """Yield each variant in one English accent, and each language in five variants."""
    for k, variant in enumerate(_VARIANTS):
        accent = _ACCENTS[k % len(_ACCENTS)]
        yield Part("espeak", f"{accent}+{variant}", "en", 4.4)
    for k, language in enumerate(_LANGUAGES):
        for step in range(5):
            variant = _VARIANTS[(k * 5 + step * 13) % len(_VARIANTS)]
            yield Part("espeak", f"{language}+{variant}", language, 2.6)
    for variant in _HELD_OUT_VARIANTS:
        yield Part("espeak", f"en-us+{variant}", "en", 1.5, held_out=True)
    for language in _HELD_OUT_LANGUAGES:
        for variant in ("m3", "f2"):
            yield Part("espeak", f"{language}+{variant}", language, 1.0, held_out=True)


def _festival() -> Iterator[Part]:
    for voice in festival.VOICES.values():
        held_out = voice.name in _FESTIVAL_HELD_OUT_MINUTES
        minutes = _FESTIVAL_MINUTES.get(voice.name, _FESTIVAL_DEFAULT_MINUTES)
        minutes = _FESTIVAL_HELD_OUT_MINUTES.get(voice.name, minutes)
        yield Part("festival", voice.name, voice.language, minutes, held_out)


def _networks() -> Iterator[Part]:
    yield Part("hibari", hibari.NAME, "en", _HIBARI_MINUTES)
    for name, minutes in _KOKORO_MINUTES.items():
        yield Part("kokoro", name, "en", minutes)
    for name in _KOKORO_HELD_OUT:
        yield Part("kokoro", name, "en", 1.5, held_out=True)


def plan() -> list[Part]:
    """Return the parts of a corpus of ``PLANNED_HOURS``."""
    return [*_flite(), *_festival(), *_networks(), *_espeak()]


def shares(parts: Sequence[Part], count: int) -> list[list[Part]]:
    """Divide parts among ``count`` processes that take about the same time."""
    result: list[list[Part]] = [[] for _ in range(count)]
    for part in sorted(parts, key=lambda part: -part.cost):
        min(result, key=_cost).append(part)
    return result


def _cost(parts: Sequence[Part]) -> float:
    return sum(part.cost for part in parts)


def planned_minutes() -> float:
    """Return the processor time of the whole plan, in minutes."""
    return _cost(plan())
