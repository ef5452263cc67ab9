"""Random people, and how each is photographed: all of it follows from a seed."""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from studio.beard import Beard
from studio.camera import View
from studio.glasses import Glasses
from studio.light import Ambient, Colour, Lamp
from studio.people import Brows, Cloth, Hair, Person, Skin

HAIRS = ("cropped", "short", "tied", "bob", "long")
EXPRESSIONS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "rest": {},
        "smile": {"mouthSmile": 0.4, "mouthUpperUp": 0.4, "mouthLowerDown": 0.45,
                  "jawOpen": 0.12, "cheekSquint": 0.3, "eyeSquint": 0.15},
        "laugh": {"mouthSmile": 0.6, "mouthUpperUp": 0.4, "mouthLowerDown": 0.35,
                  "mouthStretch": 0.2, "jawOpen": 0.4, "cheekSquint": 0.6,
                  "eyeSquint": 0.4},
    }
)  # fmt: skip
# Pairs of modelling targets that make identities, both sides alike: NAME stands for
# NAME-incr and NAME-decr, NAME:a:b for NAME-a and NAME-b.
_OPPOSITES = (
    *("head/head-age", "head/head-fat", "head/head-scale-horiz"),
    *("head/head-scale-vert", "head/head-scale-depth", "chin/chin-bones"),
    *("chin/chin-height", "chin/chin-jaw-drop", "chin/chin-prominent"),
    *("chin/chin-width", "nose/nose-hump", "nose/nose-flaring"),
    *("nose/nose-scale-depth", "nose/nose-scale-horiz", "nose/nose-scale-vert"),
    *("nose/nose-volume", "nose/nose-width1", "nose/nose-width2", "nose/nose-width3"),
    *("nose/nose-point:up:down", "mouth/mouth-cupidsbow", "mouth/mouth-scale-horiz"),
    *("mouth/mouth-scale-vert", "mouth/mouth-lowerlip-height"),
    *("mouth/mouth-upperlip-height", "mouth/mouth-lowerlip-volume"),
    *("mouth/mouth-upperlip-volume", "mouth/mouth-angles:up:down"),
    *("mouth/mouth-trans:up:down", "forehead/forehead-scale-vert"),
    *("forehead/forehead-temple", "eyebrows/eyebrows-angle:up:down"),
    *("eyebrows/eyebrows-trans:up:down", "cheek/{}-cheek-bones"),
    *("cheek/{}-cheek-volume", "cheek/{}-cheek-inner", "eyes/{}-eye-height1"),
    *("eyes/{}-eye-height3", "eyes/{}-eye-corner1:up:down"),
    *("eyes/{}-eye-corner2:up:down", "eyes/{}-eye-trans:in:out"),
    *("ears/{}-ear-scale", "ears/{}-ear-wing"),
)
_SHAPES = ("oval", "round", "square", "diamond", "rectangular", "triangular")
_SPREAD, _MOST = 0.3, 0.7  # standard deviation and largest weight of a direction
# MakeHuman's eyes are small, and its neck is wide.
_ALWAYS = {
    "eyes/{}-eye-scale-incr": 0.55,
    "eyes/{}-eye-height2-incr": 0.22,
    "eyes/{}-eye-bag-decr": 0.5,
    "forehead/forehead-scale-vert-decr": 0.3,
}


@dataclass(frozen=True, slots=True)
class Sitter:
    """Person who is photographed, with light, camera and background."""

    person: Person
    beard: Beard | None
    glasses: Glasses | None
    lamps: tuple[Lamp, ...]
    ambient: Ambient
    view: View
    backdrop: tuple[str, str]  # colours at the top and at the bottom of the picture


@dataclass(frozen=True, slots=True)
class Wishes:
    """Choices that are not left to chance; None is chance."""

    sex: str | None = None  # female, male
    hair: str | None = None  # one of HAIRS
    beard: bool | None = None
    glasses: bool | None = None


@dataclass(frozen=True, slots=True)
class _Tone:
    """Colours of a skin, as those of `Skin`."""

    light: str
    dark: str
    speckle: str
    blush: str
    shadow: str
    lips: tuple[str, str]
    melanin: tuple[float, float]  # of hair: lowest, highest
    irises: tuple[str, ...]


# From the lightest to the darkest.
_TONES = (
    _Tone("ecc4a8", "e0ab8e", "b0764f", "db7d6f", "ad7562", ("bb626b", "cd7d81"),
          (0.12, 0.75), ("7d93a3", "74835d", "8a6a45")),
    _Tone("dba684", "cd9070", "8d5238", "d0705e", "9a6250", ("ab4b53", "c2676a"),
          (0.35, 0.9), ("74835d", "8a5f36", "6d4a2c")),
    _Tone("c6946c", "b37e57", "7b4b30", "b9694f", "845640", ("9c4f4b", "ad6359"),
          (0.75, 0.97), ("7a5230", "5a3a22")),
    _Tone("9a6a48", "84563a", "583520", "954f38", "5e3b28", ("82443d", "945349"),
          (0.9, 1.0), ("5a3a22", "452b18")),
    _Tone("65422f", "523323", "30190f", "6d3a2a", "37211a", ("643630", "7c493f"),
          (0.95, 1.0), ("452b18", "38220f")),
)  # fmt: skip
_SUITS = {
    "female": ("female_casualsuit01", "female_casualsuit02", "female_elegantsuit01"),
    "male": ("male_casualsuit02", "male_casualsuit03", "male_elegantsuit01"),
}


def sitter(seed: int, wishes: Wishes = Wishes()) -> Sitter:
    """Return a random person. A wish changes nothing but what it names."""
    sex = wishes.sex or ("female", "male")[int(_rng(seed, "sex").random() < 0.5)]
    rng = _rng(seed, "ancestry")
    ancestry = rng.dirichlet((0.5, 0.5, 0.5))  # caucasian, asian, african
    tone = float(np.clip(ancestry @ (0.4, 1.3, 3.6) + rng.normal(0, 0.3), 0, 4))
    rng = _rng(seed, "hair")
    at = _TONES[round(tone)].melanin
    grey = rng.random() < 0.12
    melanin = 0.08 if grey else float(rng.uniform(*at))
    redness = 0.05 if grey else float(rng.uniform(0.15, 0.6))
    style = wishes.hair or _style(rng, sex)
    rng = _rng(seed, "extras")
    bearded = sex == "male" and rng.random() < 0.35
    spectacled = rng.random() < 0.2
    bearded = bearded if wishes.beard is None else wishes.beard
    spectacled = spectacled if wishes.glasses is None else wishes.glasses
    lamps, ambient = _light(_rng(seed, "light"), tone)
    view = _view(_rng(seed, "camera"))
    person = Person(
        name=f"sitter{seed}",
        macros=_macros(_rng(seed, "body"), sex, ancestry),
        details=_details(_rng(seed, "identity"), sex),
        neutral=_rest(_rng(seed, "rest")),
        skin=_skin(_rng(seed, "skin"), tone, sex, bearded, melanin),
        iris=str(_rng(seed, "iris").choice(_TONES[round(tone)].irises)),
        hair=_hair(style, melanin, redness),
        brows=_brows(_rng(seed, "brows"), sex, melanin, redness),
        cloth=_cloth(_rng(seed, "cloth"), sex),
        lashes=1.0 if sex == "female" else 0.7,
        seed=seed,
    )
    rng = _rng(seed, "beard")
    beard = Beard(length=float(rng.uniform(0.06, 0.16)), count=30000)
    return Sitter(
        person,
        beard if bearded else None,
        glasses(seed) if spectacled else None,
        lamps,
        ambient,
        view,
        _backdrop(_rng(seed, "backdrop")),
    )


def glasses(seed: int, dark: bool = False) -> Glasses:
    """Return random glasses, or sunglasses if ``dark``."""
    rng = _rng(seed, "glasses")
    tones = ("1a1613", "3a2417", "5b5d63", "22304a")
    return Glasses(
        half_width=float(rng.uniform(0.25, 0.28)),
        half_height=float(rng.uniform(0.18, 0.215)),
        squareness=float(rng.uniform(2.0, 4.0)),
        thickness=float(rng.uniform(0.014, 0.026)),
        colour=str(rng.choice(tones)),
        dark=dark,
    )


def expression(name: str) -> dict[str, float]:
    """Return the ARKit weights of one of EXPRESSIONS, for both sides."""
    sided = ("mouthSmile", "mouthUpperUp", "mouthLowerDown", "mouthStretch")
    sided += ("cheekSquint", "eyeSquint")
    return {
        unit + side: weight
        for unit, weight in EXPRESSIONS[name].items()
        for side in (("Left", "Right") if unit in sided else ("",))
    }


def _rng(seed: int, topic: str) -> np.random.Generator:
    """Return a generator of its own for each topic."""
    return np.random.default_rng([seed, *topic.encode()])


def _style(rng: np.random.Generator, sex: str) -> str:
    female = sex == "female"
    chances = (0.05, 0.1, 0.2, 0.3, 0.35) if female else (0.6, 0.3, 0.05, 0, 0.05)
    return str(rng.choice(HAIRS, p=chances))


def _macros(
    rng: np.random.Generator, sex: str, ancestry: np.ndarray
) -> Mapping[str, float]:
    old = float(rng.uniform(0, 0.6))
    weights = {}
    for name, share in zip(("caucasian", "asian", "african"), ancestry, strict=True):
        weights[f"{name}-{sex}-young"] = float(share) * (1 - old)
        weights[f"{name}-{sex}-old"] = float(share) * old
    heavy = float(rng.normal(0, 0.35))
    build = "maxweight" if heavy > 0 else "minweight"
    body = f"universal-{sex}-young-averagemuscle"
    extreme = min(abs(heavy), 0.6)
    weights[f"{body}-averageweight"] = 1 - extreme
    weights[f"{body}-{build}"] = extreme
    ideal = f"proportions/{sex}-young-averagemuscle-averageweight-idealproportions"
    weights[ideal] = 0.6
    return MappingProxyType(weights)


def _details(rng: np.random.Generator, sex: str) -> Mapping[str, float]:
    details = dict(_ALWAYS)
    narrow = 0.8 if sex == "female" else 0.25
    details["neck/neck-scale-horiz-decr"] = narrow
    details[f"head/head-{rng.choice(_SHAPES)}"] = float(rng.uniform(0.2, 0.7))
    for spec in _OPPOSITES:
        name, up, down = [*spec.split(":"), "incr", "decr"][:3]
        weight = float(np.clip(rng.normal(0, _SPREAD), -_MOST, _MOST))
        details[f"{name}-{up if weight > 0 else down}"] = abs(weight)
    for part in ("jaw", "mouth", "nose"):
        details[f"asym/asym-{part}-1-{rng.choice(('l', 'r'))}"] = 0.15
    return MappingProxyType(details)


def _rest(rng: np.random.Generator) -> Mapping[str, float]:
    """Return a face with closed lips, from grave to a faint smile."""
    smile = float(rng.uniform(0.12, 0.4))
    cheeks, brows = float(rng.uniform(0, 0.2)), float(rng.uniform(0, 0.15))
    return MappingProxyType(
        {
            "mouthClose": 0.06,  # closes the corners, which a smile opens
            "browInnerUp": brows,
            **{f"mouthSmile{side}": smile for side in ("Left", "Right")},
            **{f"cheekSquint{side}": cheeks for side in ("Left", "Right")},
            **{f"eyeSquint{side}": 0.7 * cheeks for side in ("Left", "Right")},
        }
    )


def _skin(
    rng: np.random.Generator, tone: float, sex: str, bearded: bool, melanin: float
) -> Skin:
    below = min(int(tone), len(_TONES) - 2)
    a, b, share = _TONES[below], _TONES[below + 1], tone - below
    female = sex == "female"
    scalp = _mixed("b99a7c", "17100c", melanin**0.5)
    return Skin(
        light=_mixed(a.light, b.light, share),
        dark=_mixed(a.dark, b.dark, share),
        speckle=_mixed(a.speckle, b.speckle, share),
        blush=_mixed(a.blush, b.blush, share),
        blush_strength=float(rng.uniform(0.12, 0.4)),
        shadow=_mixed(a.shadow, b.shadow, share),
        shadow_strength=float(rng.uniform(0.1, 0.4)),
        liner_strength=float(rng.uniform(0.3, 0.7) if female else 0.25),
        lips=(
            _mixed(a.lips[0], b.lips[0], share),
            _mixed(a.lips[1], b.lips[1], share),
        ),
        lips_strength=float(rng.uniform(0.65, 0.9) if female else 0.6),
        lips_wet=float(rng.uniform(0, 0.4) if female else 0),
        scalp=scalp,
        stubble=0.0 if female else 0.55 if bearded else float(rng.uniform(0, 0.4)),
        roughness=(0.4, 0.55) if female else (0.48, 0.62),
    )


def _hair(style: str, melanin: float, redness: float) -> Hair:
    if style == "cropped":
        return Hair(melanin, redness, count=55000, crop=(0.07, 0.34))
    if style in ("short", "tied"):
        name = {"short": "short01", "tied": "ponytail01"}[style]
        return Hair(melanin, redness, style=name)
    if style == "bob":
        return Hair(
            melanin, redness, style="bob02", parting=0.3, swept=True,
            wave_height=0.04, hairline=2000,
        )  # fmt: skip
    return Hair(melanin, redness, style="long01", count=34000, loft=0.12)


def _brows(rng: np.random.Generator, sex: str, melanin: float, redness: float) -> Brows:
    count = 1700 if sex == "female" else 1500
    return Brows(
        "eyebrow001",
        float(np.clip(melanin + rng.uniform(0, 0.15), 0.15, 1)),
        redness,
        count=count,
        length=(0.05, 0.09) if sex == "female" else (0.06, 0.1),
    )


def _cloth(rng: np.random.Generator, sex: str) -> Cloth:
    suit = str(rng.choice(_SUITS[sex]))
    hue, light = rng.random(), float(rng.uniform(0.15, 0.75))
    colour, shade = (
        _hex(colorsys.hsv_to_rgb(hue, 0.15 + 0.5 * rng.random(), light * value))
        for value in (1.0, 0.82)
    )
    if suit == "male_elegantsuit01":
        shirt = ("c9cdd3", "b6bcc6")
        return Cloth(
            suit, colour, shade, inner=MappingProxyType({3: shirt, 6: shirt}),
            tie=("6a1c2c", "561423"), thickness_m=0.0, levels=1, twill=0.12,
        )  # fmt: skip
    return Cloth(suit, colour, shade)


def _light(rng: np.random.Generator, tone: float) -> tuple[tuple[Lamp, ...], Ambient]:
    """Return a key lamp from anywhere in front, a fill on the other side, and rims."""
    side = float(rng.uniform(-60, 60))
    height = float(rng.uniform(8, 45))
    warm = float(rng.uniform(-1, 1))
    size = float(rng.uniform(0.3, 1.4))
    exposure = 1 + 0.08 * tone  # as a camera chooses it
    lamps = [
        _lamp(side, height, size, 32.0 * exposure, warm),
        _lamp(
            -np.sign(side) * float(rng.uniform(25, 60)), float(rng.uniform(-5, 20)),
            1.6, float(rng.uniform(4, 13)) * exposure, -0.4 * warm,
        ),
    ]  # fmt: skip
    if rng.random() < 0.6:
        behind = float(rng.choice((-1, 1)) * rng.uniform(120, 150))
        lamps.append(_lamp(behind, 20.0, 0.9, float(rng.uniform(6, 18)), -warm))
    ambient = Ambient(_white(0.3 * warm), float(rng.uniform(0.08, 0.22)) * exposure)
    return tuple(lamps), ambient


def _lamp(
    azimuth_deg: float, height_deg: float, size_m: float, power_w: float, warm: float
) -> Lamp:
    """Return a lamp 1.3 m from the eyes; azimuth 0 is the camera's side."""
    side, up = np.radians([azimuth_deg, height_deg])
    x, y, z = np.sin(side) * np.cos(up), np.sin(up), np.cos(side) * np.cos(up)
    place = (13 * float(x), 13 * float(y), 13 * float(z))
    return Lamp(place, (size_m, size_m), power_w, _white(warm))


def _white(warm: float) -> Colour:
    """Return a white from bluish (-1) to yellowish (1)."""
    return 1.0, 1 - 0.06 * abs(warm), 1 - 0.3 * warm if warm > 0 else 1 - 0.12 * warm


def _view(rng: np.random.Generator) -> View:
    return View(
        distance_m=float(rng.uniform(0.75, 1.8)),
        yaw_deg=float(rng.uniform(-5, 5)),
        pitch_deg=float(rng.uniform(-4, 5)),
    )


def _backdrop(rng: np.random.Generator) -> tuple[str, str]:
    hue, saturation = rng.random(), 0.4 * rng.random() ** 2
    top = float(rng.uniform(0.25, 0.95))
    bottom = top if rng.random() < 0.4 else top * float(rng.uniform(0.5, 0.9))
    return (
        _hex(colorsys.hsv_to_rgb(hue, saturation, top)),
        _hex(colorsys.hsv_to_rgb(hue, saturation, bottom)),
    )


def _mixed(a: str, b: str, share: float) -> str:
    """Return the colour at ``share`` 0..1 between two hex codes."""
    pairs = ((int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (0, 2, 4))
    return "".join(f"{round(x + share * (y - x)):02x}" for x, y in pairs)


def _hex(rgb: tuple[float, float, float]) -> str:
    return "".join(f"{round(255 * value):02x}" for value in rgb)
