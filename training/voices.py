"""
Who speaks in the corpus, and for how long: two thirds people's voices, else espeak's.

Held back, to measure on and never to learn from: six espeak variants, festival's ked
and machac, and three languages.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from training import festival

PLANNED_HOURS = 28.0  # what the minutes below are for; another total scales them


@dataclass(frozen=True, slots=True)
class Part:
    """How much one voice speaks. ``name`` is what its synthesiser calls it."""

    source: str
    name: str
    language: str
    minutes: float
    held: bool = False

    @property
    def voice(self) -> str:
        return f"{self.source}_{self.name}".replace("+", "_")


def _listed(text: str) -> list[str]:
    return text.split()


_FLITE_MINUTES = {"slt": 150, "rms": 150, "awb": 140, "kal16": 50}
_FESTIVAL_MINUTES = {"kal_diphone": 60, "cmu_us_slt_arctic_hts": 100}
_FESTIVAL_OTHERS = 40
_FESTIVAL_HELD = {"ked_diphone": 5, "czech_machac": 4}

_VARIANTS = _listed("""
f1 m1 f2 m2 f3 m3 f4 m4 m5 m6 m8 klatt klatt2 klatt3 klatt5 klatt6 adam Alex Andrea
Andy Annie antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward Gene
gustave Henrique Hugo iven iven2 Jacky john kaukovalta Lee marcelo Marco Mario max
Michael michel miguel Nguyen pablo paul pedro quincy rob robert sandro shelby steph
steph2 steph3 travis victor zac anika grandpa grandma norbert croak whisperf
""")
_HELD_VARIANTS = _listed("Alicia Mike f5 klatt4 linda m7")
_ACCENTS = _listed("""
en-us en en-us en-gb-scotland en-us en-gb-x-rp en-029 en-us-nyc en-gb-x-gbclan
en-gb-x-gbcwmd
""")
_LANGUAGES = _listed(
    "de fr es es-419 it pt pt-br pl cs nl hu ru el hi fi da ro ca uk id"
)
_HELD_LANGUAGES = _listed("sv tr ja")


def _espeak() -> Iterator[Part]:
    """Every variant in some English accent, every language in five variants."""
    for k, variant in enumerate(_VARIANTS):
        accent = _ACCENTS[k % len(_ACCENTS)]
        yield Part("espeak", f"{accent}+{variant}", "en", 4.4)
    for k, language in enumerate(_LANGUAGES):
        for step in range(5):
            variant = _VARIANTS[(k * 5 + step * 13) % len(_VARIANTS)]
            yield Part("espeak", f"{language}+{variant}", language, 2.6)
    for variant in _HELD_VARIANTS:
        yield Part("espeak", f"en-us+{variant}", "en", 1.5, held=True)
    for language in _HELD_LANGUAGES:
        for variant in ("m3", "f2"):
            yield Part("espeak", f"{language}+{variant}", language, 1.0, held=True)


def _festival() -> Iterator[Part]:
    for voice in festival.VOICES.values():
        held = voice.name in _FESTIVAL_HELD
        minutes = _FESTIVAL_MINUTES.get(voice.name, _FESTIVAL_OTHERS)
        minutes = _FESTIVAL_HELD.get(voice.name, minutes)
        yield Part("festival", voice.name, voice.language, minutes, held)


def plan() -> list[Part]:
    """Who speaks for how many minutes, of ``PLANNED_HOURS`` in all."""
    flite = [Part("flite", name, "en", size) for name, size in _FLITE_MINUTES.items()]
    return [*flite, *_festival(), *_espeak()]
