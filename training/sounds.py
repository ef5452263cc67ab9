"""
The sounds a mouth can show, and how every synthesiser's symbols map to them.

A phone is one sound with its time. Of P, B and M the interval is the closure, lips shut
to lips parted; T, D, K and CH begin at their closure too. A diphthong is two phones.

Errors: ``UnknownSymbol``, for a symbol that no table holds (it is never guessed), and
``MissingVoice``.
"""

import unicodedata
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The order is the class number a network may use: it only ever grows at its end.
SOUNDS = (
    *(
        "SIL",
        "AA",
        "AE",
        "AH",
        "AX",
        "AO",
        "EH",
        "EE",
        "IH",
        "IY",
        "YY",
        "OE",
        "UH",
        "UW",
    ),
    *(
        "OW",
        "ER",
        "W",
        "P",
        "B",
        "M",
        "F",
        "V",
        "TH",
        "S",
        "SH",
        "CH",
        "T",
        "D",
        "N",
        "L",
    ),
    *("R", "K", "H", "Y"),
)
VOWELS = frozenset(SOUNDS[1:16])
LIP_STOPS = frozenset({"P", "B"})
STOPS = LIP_STOPS | {"T", "D", "K", "CH"}

DIPHTHONG_FIRST = 0.6  # of a diphthong's time belongs to its first sound


class UnknownSymbol(ValueError):
    """A synthesiser named a phone that its table does not hold."""

    def __init__(self, alphabet: str, symbol: str) -> None:
        super().__init__(f"{alphabet}: {symbol!r}")


class MissingVoice(RuntimeError):
    """A synthesiser or a voice is not installed; says which Debian package brings it."""

    def __init__(self, voice: str, package: str) -> None:
        super().__init__(f"{voice} is missing: apt-get install {package}")
        self.package = package


class Phone(NamedTuple):
    """One sound from ``start_s`` to ``end_s``; stress is 1, 0, or None where it is not known."""

    sound: str
    start_s: float
    end_s: float
    stress: int | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a synthesiser said: sound [n] float32 at ``sample_rate``, phones that cover it."""

    sound: NDArray[np.float32]
    sample_rate: int
    phones: list[Phone]


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """Parse ``symbol symbol: SOUND SOUND`` lines."""
    table: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        symbols, _, sounds = line.rpartition("=")
        for symbol in symbols.split():
            table[symbol] = tuple(sounds.split())
    return table


# Flite and the English voices of festival (CMU's "radio" set).
_RADIO = _table("""
pau h# brth ssil # = SIL
aa = AA
ae = AE
ah = AH
ao = AO
ax = AX
axr er = ER
aw = AA UH
ay = AA IH
eh = EH
ey = EE IH
ih = IH
iy = IY
ow = OW UH
oy = AO IH
uh = UH
uw = UW
p = P
b = B
m em = M
f = F
v = V
th dh = TH
s z = S
sh zh = SH
ch jh = CH
t = T
d dx = D
n en nx = N
l = L
el = AX L
r = R
w = W
k g ng = K
hh hv = H
y = Y
""")

_ITALIAN = _table("""
# = SIL
a a1 = AA
e e1 = EE
E E1 = EH
i i1 = IY
o o1 = OW
O O1 = AO
u u1 = UW
j = Y
w = W
p = P
b = B
m = M
f = F
v = V
s z ts dz = S
S Z = SH
tS dZ = CH
t = T
d = D
n J nf = N
l L = L
r = R
k g ng = K
""")

_CZECH = _table("""
# _ = SIL
a a: = AA
e e: = EH
i i: = IY
o o: = OW
u u: = UW
p = P
b = B
m = M
f = F
v = V
s z c dz = S
s~ z~ = SH
c~ dz~ = CH
r~ r~* = R
t t~ = T
d d~ = D
n n~ = N
l = L
r = R
k g ch n* = K
h = H
j = Y
""")

_FINNISH = _table("""
# ## = SIL
a a: = AA
@ @: = AE
e e: = EH
i i: = IY
o o: = OW
u u: = UW
y y: = YY
7 7: = OE
p p: = P
b b: = B
m m: = M
f f: = F
v v: = V
T T: D: = TH
s s: z: = S
S S: Z: = SH
t t: = T
d d: = D
n n: = N
l l: L L: = L
r r: = R
w w: = W
k k: g g: N N: = K
h h: = H
j j: = Y
""")

_CATALAN = _table("""
pau _ # = SIL
ax = AX
a a1 = AA
e e1 = EE
E E1 = EH
i i1 = IY
o o1 = OW
O O1 = AO
u u1 = UW
p = P
b = B
m = M
f = F
s z = S
S Z = SH
t = T
d = D
n J = N
l L = L
r rr = R
w = W
k g = K
j = Y
""")

_RUSSIAN = _table("""
pau = SIL
aa a = AA
ae ay = AX
e ee = EH
i ii = IY
y yy = IH
oo = AO
u uu ur = UW
p pp = P
b bb = B
m mm = M
f ff = F
v vv = V
s ss z zz c = S
sh sch zh = SH
ch = CH
t tt = T
d dd = D
n nn = N
l ll = L
r rr = R
k kk g gg h hh = K
j = Y
""")

# Espeak: IPA letters without length, tone and most diacritics.
_IPA = _table("""
_ | = SIL
a ɑ ɶ = AA
æ = AE
ʌ ɤ = AH
ə ɐ ɜ ɘ = AX
ɔ ɒ = AO
ɛ ε = EH
e = EE
ɪ ɨ ɯ ᵻ = IH
i = IY
y ʏ = YY
ø œ ɞ = OE
ʊ ɵ = UH
u ʉ = UW
o = OW
ɚ ɝ = ER
w ʍ ɥ = W
p ɓ = P
b = B
m ɱ = M
f ɸ = F
v ʋ β ⱱ = V
θ ð = TH
s z ts dz ɬ ɮ = S
ʃ ʒ ɕ ʑ ʂ ʐ ɧ = SH
tʃ dʒ tɕ dʑ tʂ dʐ ʈʂ ɖʐ = CH
t ʈ = T
d ɖ ɗ ɾ ɽ = D
n ɳ ɲ = N
l ɫ ɭ ʎ ʟ ɺ = L
r ɹ ɻ = R
k ɡ g ŋ ɴ x ɣ χ ʁ ʀ q ɢ c ɟ ʔ ɰ ɠ = K
h ɦ ħ ʕ ç = H
j ʝ = Y
""")
# Of these the diacritic is the difference: looked up before it is stripped.
_IPA_WHOLE = _table("""
ɜː = ER
ɯᵝ = UH
""")

ALPHABETS = {
    "radio": _RADIO,
    "italian": _ITALIAN,
    "czech": _CZECH,
    "finnish": _FINNISH,
    "catalan": _CATALAN,
    "russian": _RUSSIAN,
}


def _letters(symbol: str) -> str:
    """IPA without what a mouth does not show: length, tone, stress, nasality, secondary marks."""
    kept = symbol.replace("ç", "\0")
    kept = "".join(
        c
        for c in unicodedata.normalize("NFD", kept)
        if c not in "-'\"ˈˌ.:?;^*˞0123456789"
    )
    kept = "".join(c for c in kept if unicodedata.category(c) not in {"Mn", "Lm", "Sk"})
    return kept.replace("\0", "ç")


def _ipa(symbol: str) -> tuple[str, ...]:
    if symbol in _IPA_WHOLE:
        return _IPA_WHOLE[symbol]
    letters, found = _letters(symbol), list[str]()
    while letters:
        size = 2 if letters[:2] in _IPA else 1
        if letters[:size] not in _IPA:
            raise UnknownSymbol("ipa", symbol)
        found += _IPA[letters[:size]]
        letters = letters[size:]
    return tuple(found) or ("SIL",)


def sounds_of(alphabet: str, symbol: str) -> tuple[str, ...]:
    """The sounds of one symbol, in time. Raises ``UnknownSymbol``."""
    if alphabet == "ipa":
        return _ipa(symbol)
    try:
        return ALPHABETS[alphabet][symbol]
    except KeyError:
        raise UnknownSymbol(alphabet, symbol) from None


def read_wav(path: Path) -> tuple[NDArray[np.float32], int]:
    """Sound [n] of a PCM16 mono WAV file, and its rate in Hz."""
    with wave.open(str(path), "rb") as file:
        raw = file.readframes(file.getnframes())
        return np.frombuffer(raw, "<i2").astype(np.float32) / 32768, file.getframerate()


def laid_out(
    alphabet: str,
    symbols: Sequence[str],
    starts_s: Sequence[float],
    end_s: float,
    stresses: Sequence[int | None] | None = None,
) -> list[Phone]:
    """Phones from symbols and where they start, without gaps from 0 to ``end_s``.

    Only vowels keep a stress; a symbol without time goes; SIL beside SIL is one.
    """
    starts = [min(max(start, 0.0), end_s) for start in starts_s]
    phones = (
        []
        if starts and starts[0] <= 0
        else [Phone("SIL", 0.0, (starts or [end_s])[0], None)]
    )
    given = stresses or [None] * len(symbols)
    for symbol, start, end, stress in zip(
        symbols, starts, [*starts[1:], end_s], given, strict=True
    ):
        sounds = sounds_of(alphabet, symbol)
        for sound, first, last in _shared(sounds, start, end):
            if last <= first:
                continue
            if phones and phones[-1].sound == sound == "SIL":
                phones[-1] = phones[-1]._replace(end_s=last)
            else:
                phones.append(
                    Phone(sound, first, last, stress if sound in VOWELS else None)
                )
    return phones


def _shared(
    sounds: Sequence[str], start_s: float, end_s: float
) -> list[tuple[str, float, float]]:
    """Lay the sounds of one symbol over its interval."""
    if len(sounds) == 2:
        shares = [0.0, DIPHTHONG_FIRST, 1.0]
    else:
        shares = [k / len(sounds) for k in range(len(sounds) + 1)]
    times = [start_s + share * (end_s - start_s) for share in shares]
    return list(zip(sounds, times, times[1:], strict=False))
