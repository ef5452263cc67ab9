"""Phone sets of the synthesisers, mapped to the phonemes of `training.phones`.

A line is ``symbol symbol = PHONEME PHONEME``; two phonemes follow each other in time.
"""
# ruff: noqa: RUF001 - IPA letters look like Latin ones, and are meant.


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """Parse ``symbol symbol = PHONEME PHONEME`` lines."""
    table: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        symbols, _, phonemes = line.rpartition("=")
        for symbol in symbols.split():
            table[symbol] = tuple(phonemes.split())
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

# In this Hindi set, t and d with h are dental, with or without aspiration.
_HINDI = _table("""
pau = SIL
aa = AA
a @ = AX
eh ay = EH
ee = EE
ih = IH
iy = IY
uh = UH
uw = UW
oh oo = OW
aw = AO
p = P
b bh = B
m = M
f = F
v w = V
s sri = S
sh zh ksh = SH
ch j = CH
T td th tth = T
D dh ddh = D
N n = N
l L = L
r R = R
k kh g gh x = K
h = H
y = Y
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

# Espeak-ng names phones in IPA. Length, tone and most diacritics are stripped first.
IPA = _table("""
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
# Symbols whose diacritic changes the phoneme: they are looked up before stripping.
IPA_WHOLE = _table("""
ɜː = ER
ɯᵝ = UH
""")

PHONE_SETS = {
    "radio": _RADIO,
    "italian": _ITALIAN,
    "hindi": _HINDI,
    "czech": _CZECH,
    "finnish": _FINNISH,
    "catalan": _CATALAN,
    "russian": _RUSSIAN,
}
