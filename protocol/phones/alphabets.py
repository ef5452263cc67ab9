"""
Alphabets of phones: IPA, ARPAbet, the phonemes of Kokoro, and the visemes of Azure.

A line of a table is ``symbol symbol = PHONEME PHONEME``; two phonemes follow each other
in time. Phonemes are the classes in `renderer.speech.phonemes.PHONEMES`, which are
those that a mouth can show.
"""
# ruff: noqa: RUF001 - IPA letters look like Latin ones, and are meant.

import unicodedata
from functools import lru_cache

# Symbols of all alphabets that aligners write where nothing is spoken.
_SILENT = frozenset({"", "sil", "sp", "spn", "pau", "<eps>", "_", "|", "#"})
_MARKS = frozenset("-'\"ˈˌ.:?;^*˞0123456789")
_STRESSES = {"0": 0, "1": 1, "2": 0}


class UnknownPhone(ValueError):
    """Symbol that an alphabet lacks; the text says which of both."""

    def __init__(self, alphabet: str, symbol: str) -> None:
        super().__init__(f"unknown symbol {symbol!r} of the alphabet {alphabet}")
        self.alphabet = alphabet
        self.symbol = symbol


def phoneme_table(text: str) -> dict[str, tuple[str, ...]]:
    """Parse ``symbol symbol = PHONEME PHONEME`` lines."""
    table: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        symbols, _, phonemes = line.rpartition("=")
        for symbol in symbols.split():
            table[symbol] = tuple(phonemes.split())
    return table


# CMU's "radio" set, in which ARPAbet is contained. Case and stress are left out.
ARPABET = phoneme_table("""
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
ux = UW
ix = IH
axh = AX
wh = W
q = K
""")

# Length, tone and most diacritics are stripped before a symbol is looked up.
IPA = phoneme_table("""
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
s z ts dz ʦ ʣ ɬ ɮ = S
ʃ ʒ ɕ ʑ ʂ ʐ ɧ = SH
tʃ dʒ tɕ dʑ tʂ dʐ ʈʂ ɖʐ ʧ ʤ ʨ ʥ = CH
t ʈ = T
d ɖ ɗ ɾ ɽ = D
n ɳ ɲ = N
l ɫ ɭ ʎ ʟ ɺ = L
r ɹ ɻ = R
k ɡ g ŋ ɴ x ɣ χ ʁ ʀ q ɢ c ɟ ʔ ɰ ɠ = K
h ɦ ħ ʕ ç = H
j ʝ = Y
""")
# Symbols whose diacritic changes the phoneme: they are looked up before stripping.
IPA_WHOLE = phoneme_table("""
ɜː ɜ˞ = ER
ɯᵝ = UH
ᵊ = AX
""")

# Capital letters of Misaki and Kokoro; the others are of IPA.
_KOKORO = phoneme_table("""
A = EE IH
I = AA IH
O Q = OW UH
W = AA UH
Y = AO IH
ɜ = ER
T = D
""")

# One symbol stands for phonemes that look alike.
_AZURE = phoneme_table("""
0 = SIL
1 = AH
2 = AA
3 = AO
4 = EH
5 = ER
6 = IY
7 = UW
8 = OW
9 = AA UH
10 = AO IH
11 = AA IH
12 = H
13 = R
14 = L
15 = S
16 = SH
17 = TH
18 = F
19 = T
20 = K
21 = P
""")

VOWELS = frozenset(
    ("AA", "AE", "AH", "AX", "AO", "EH", "EE", "IH", "IY", "YY", "OE", "UH", "UW")
) | {"OW", "ER"}
LIP_STOPS = frozenset({"P", "B"})
STOPS = LIP_STOPS | {"T", "D", "K", "CH"}
ALPHABETS = ("ipa", "arpabet", "kokoro", "azure")


def is_silent(symbol: str) -> bool:
    """Tell whether a symbol stands for silence, in every alphabet."""
    return symbol.strip().lower() in _SILENT


def phonemes_of(alphabet: str, symbol: str) -> tuple[tuple[str, ...], int | None]:
    """
    Return the phonemes of one symbol in order of time, and its stress: 1, 0 or None.

    ``alphabet`` is one of `ALPHABETS`. Raise `UnknownPhone` if it lacks the symbol.
    """
    stress = None
    if is_silent(symbol):
        phonemes: tuple[str, ...] = ("SIL",)
    elif alphabet == "arpabet":
        letters = symbol.lower().rstrip("012")
        stress = _STRESSES.get(symbol[-1])
        phonemes = ARPABET.get(letters, ())
        if letters == "ah" and stress == 0:
            phonemes = ("AX",)
    elif alphabet == "azure":
        phonemes = _AZURE.get(symbol, ())
    elif alphabet == "kokoro" and symbol in _KOKORO:
        phonemes = _KOKORO[symbol]
    else:
        phonemes = ipa_phonemes(symbol)
    if not phonemes:
        raise UnknownPhone(alphabet, symbol)
    return phonemes, stress


@lru_cache(maxsize=1024)
def ipa_phonemes(symbol: str) -> tuple[str, ...]:
    """
    Return the phonemes of an IPA symbol; none if it has marks only.

    Raise `UnknownPhone` for letters that are not in the table.
    """
    if symbol in IPA_WHOLE:
        return IPA_WHOLE[symbol]
    letters, phonemes = _letters(symbol), list[str]()
    while letters:
        size = 2 if letters[:2] in IPA else 1
        if letters[:size] not in IPA:
            raise UnknownPhone("ipa", symbol)
        phonemes += IPA[letters[:size]]
        letters = letters[size:]
    return tuple(phonemes)


def _letters(symbol: str) -> str:
    """Strip IPA marks that a mouth does not show: length, tone, stress, nasality."""
    # NFD splits ç into a letter and a mark, too, and is undone for it.
    text = unicodedata.normalize("NFD", symbol).replace("c\u0327", "\u00e7")
    return "".join(
        c
        for c in text
        if c not in _MARKS and unicodedata.category(c) not in {"Mn", "Lm", "Sk"}
    )
