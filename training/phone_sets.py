"""Phone sets of the synthesisers, mapped to the phonemes of `training.phones`.

The set of Flite and of the English voices of Festival is in `protocol.phones`.

A line is ``symbol symbol = PHONEME PHONEME``; two phonemes follow each other in time.
"""

from protocol.phones.alphabets import ARPABET, phoneme_table

_ITALIAN = phoneme_table("""
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
_HINDI = phoneme_table("""
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

_CZECH = phoneme_table("""
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

_FINNISH = phoneme_table("""
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

_CATALAN = phoneme_table("""
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

_RUSSIAN = phoneme_table("""
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

PHONE_SETS = {
    "radio": ARPABET,
    "italian": _ITALIAN,
    "hindi": _HINDI,
    "czech": _CZECH,
    "finnish": _FINNISH,
    "catalan": _CATALAN,
    "russian": _RUSSIAN,
}
