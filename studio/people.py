"""Descriptions of the people: all settings of their looks. Blender is not needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Weights = Mapping[str, float]

_IDEAL = "proportions/{}-young-averagemuscle-averageweight-idealproportions"


@dataclass(frozen=True, slots=True)
class Skin:
    """Skin of a person. Colours are sRGB hex codes; strengths are 0..1."""

    light: str = "dca584"
    dark: str = "cf9272"
    speckle: str = "8d5238"
    blush: str = "d2705e"
    blush_strength: float = 0.34
    shadow: str = "9a6250"  # on the lids
    shadow_strength: float = 0.28
    liner_strength: float = 0.7
    lips: tuple[str, str] = ("ad4853", "c4656a")
    lips_strength: float = 0.82
    lips_wet: float = 0.35
    scalp: str = "2a1a12"
    stubble: float = 0.0
    roughness: tuple[float, float] = (0.37, 0.52)


@dataclass(frozen=True, slots=True)
class Hair:
    """
    Hair of a person: strands along the cards of a MakeHuman hair, or cropped hair.

    Lengths are in decimetres.
    """

    melanin: float
    redness: float
    style: str = ""  # MakeHuman hair; empty for cropped hair
    crop: tuple[float, float] = (0.08, 0.3)  # length at the sides and on top
    count: int = 30000
    cut_below_chin: float | None = None  # strands end this far below the chin
    clumping: float = 0.022
    parting: float = 0.0  # position, from the middle towards the person's left
    swept: bool = False  # whether a fringe over one eye is moved past the temple
    waves: float = 1.2  # from root to tip
    wave_height: float = 0.03
    hairline: int = 4500  # fine strands along the forehead
    loft: float | None = None  # largest height over the top of the head


@dataclass(frozen=True, slots=True)
class Brows:
    """Eyebrows of a person. Lengths are in decimetres."""

    style: str
    melanin: float
    redness: float
    count: int = 900
    thickness: float = 1.0
    length: tuple[float, float] = (0.07, 0.12)


@dataclass(frozen=True, slots=True)
class Cloth:
    """Suit of a person; ``inner`` colours some of its texture islands differently."""

    suit: str
    colour: str
    shade: str
    inner: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    tie: tuple[str, str] | None = None  # colour and shade, for male_elegantsuit01
    ribs_m: float = 0.0  # width of a knitted rib, metres
    folds: float = 0.8
    levels: int = 2  # subdivision levels: 1 keeps the edges of a lapel sharp
    twill: float = 0.0  # strength of a diagonal weave
    roughness: float = 0.7
    thickness_m: float = 0.002


@dataclass(frozen=True, slots=True)
class Person:
    """
    Settings of one person.

    ``{}`` in the name of a detail stands for both sides. The names of rendered images
    in --work contain a hash of these settings: renaming a field renders everything
    again.
    """

    name: str
    macros: Weights
    details: Weights
    neutral: Weights
    skin: Skin
    iris: str
    hair: Hair
    brows: Brows
    cloth: Cloth
    lashes: float = 1.0
    seed: int = 3
    upper_teeth_drop: float = 0.035
    lower_teeth_drop: float = 0.09
    teeth_back: float = 0.0
    gaze_inward_deg: float = 1.0
    rim_light: float = 1.0
    backdrop: tuple[str, str] = ("#93a8b0", "#26333c")  # middle and edge of the wall

    @property
    def title(self) -> str:
        return self.name.capitalize()

    def targets(self) -> list[tuple[str, float]]:
        """Return the names of modelling targets with their weights."""
        named = [(f"macrodetails/{name}", w) for name, w in self.macros.items()]
        for name, weight in self.details.items():
            sides = ("l", "r") if "{}" in name else ("",)
            named += [(name.format(side), weight) for side in sides]
        return named


def _both(**values: float) -> dict[str, float]:
    """Return each unit for both sides, such as mouthSmileLeft and mouthSmileRight."""
    return {n + side: w for n, w in values.items() for side in ("Left", "Right")}


_MIRA = Person(
    name="mira",
    macros=MappingProxyType(
        {
            "caucasian-female-young": 0.62,
            "asian-female-young": 0.23,
            "african-female-young": 0.15,
            "universal-female-young-averagemuscle-averageweight": 0.8,
            "universal-female-young-averagemuscle-minweight": 0.2,
            _IDEAL.format("female"): 0.7,
        }
    ),
    details=MappingProxyType(
        {
            "head/head-oval": 0.5,
            "head/head-fat-decr": 0.5,
            "head/head-age-decr": 0.35,
            "head/head-scale-horiz-decr": 0.55,
            "forehead/forehead-scale-vert-decr": 0.4,
            "chin/chin-width-decr": 0.5,
            "chin/chin-bones-decr": 0.45,
            "chin/chin-triangle": 0.35,
            "chin/chin-height-decr": 0.45,
            "nose/nose-scale-horiz-decr": 0.35,
            "nose/nose-scale-vert-decr": 0.25,
            "nose/nose-width2-decr": 0.2,
            "nose/nose-point-up": 0.25,
            "nose/nose-hump-decr": 0.3,
            "mouth/mouth-upperlip-volume-incr": 0.25,
            "mouth/mouth-lowerlip-volume-incr": 0.15,
            "mouth/mouth-scale-horiz-incr": 0.2,
            "mouth/mouth-angles-up": 0.3,
            "mouth/mouth-cupidsbow-incr": 0.3,
            "neck/neck-scale-horiz-decr": 0.9,
            "neck/measure-neck-circ-decr": 0.5,
            "torso/measure-shoulder-dist-decr": 0.3,
            "arms/{}-upperarm-shoulder-muscle-decr": 0.8,
            "arms/{}-upperarm-scale-horiz-decr": 0.7,
            "head/head-invertedtriangular": 0.2,
            "eyebrows/eyebrows-angle-up": 0.3,
            "eyebrows/eyebrows-trans-up": 0.3,
            "eyes/{}-eye-scale-incr": 0.85,
            "eyes/{}-eye-height2-incr": 0.28,
            "eyes/{}-eye-corner2-up": 0.3,
            "eyes/{}-eye-bag-decr": 0.6,
            "cheek/{}-cheek-bones-incr": 0.2,
            "cheek/{}-cheek-volume-decr": 0.25,
            "asym/asym-jaw-1-l": 0.2,
            "asym/asym-mouth-1-r": 0.15,
            "asym/asym-brown-1-r": 0.1,
            "asym/asym-nose-1-l": 0.15,
        }
    ),
    neutral=MappingProxyType(
        {
            "mouthClose": 0.09,  # closes the corners, which a smile opens
            **_both(mouthSmile=0.36, mouthDimple=0.04),
            **_both(cheekSquint=0.18, eyeSquint=0.16),
        }
    ),
    skin=Skin(),
    iris="8a5f36",
    hair=Hair(
        style="bob02",
        melanin=0.7,
        redness=0.38,
        parting=0.3,
        swept=True,
        wave_height=0.045,
        hairline=2000,
    ),
    brows=Brows(
        "eyebrow001", melanin=0.82, redness=0.22, count=1900, length=(0.05, 0.09)
    ),
    cloth=Cloth("female_casualsuit01", "1f4a52", "163840", ribs_m=0.004),
)

_THEO = Person(
    name="theo",
    macros=MappingProxyType(
        {
            "caucasian-male-young": 0.55,
            "african-male-young": 0.3,
            "asian-male-young": 0.15,
            "universal-male-young-averagemuscle-averageweight": 1.0,
            _IDEAL.format("male"): 0.6,
        }
    ),
    details=MappingProxyType(
        {
            "head/head-oval": 0.3,
            "head/head-age-incr": 0.1,
            "head/head-scale-horiz-decr": 0.2,
            "forehead/forehead-scale-vert-decr": 0.3,
            "chin/chin-bones-incr": 0.15,
            "nose/nose-scale-horiz-decr": 0.25,
            "nose/nose-hump-decr": 0.2,
            "mouth/mouth-scale-horiz-incr": 0.15,
            "mouth/mouth-angles-up": 0.3,
            "neck/neck-scale-horiz-decr": 0.2,
            "eyes/{}-eye-scale-incr": 0.6,
            "eyes/{}-eye-height2-incr": 0.25,
            "eyes/{}-eye-bag-decr": 0.5,
        }
    ),
    neutral=MappingProxyType(
        {
            "mouthClose": 0.05,
            **_both(mouthSmile=0.36, mouthDimple=0.04),
            **_both(cheekSquint=0.15, eyeSquint=0.12),
        }
    ),
    skin=Skin(
        light="b98560",
        dark="a06c48",
        speckle="6a3f28",
        blush="a85a40",
        blush_strength=0.22,
        shadow="75462f",
        shadow_strength=0.2,
        liner_strength=0.35,
        lips=("8c4a43", "9d5c52"),
        lips_strength=0.6,
        lips_wet=0.0,
        scalp="1a120d",
        stubble=0.4,
        roughness=(0.5, 0.64),
    ),
    iris="7a5230",
    hair=Hair(melanin=0.97, redness=0.3, count=60000, crop=(0.06, 0.38)),
    brows=Brows(
        "eyebrow001", melanin=0.97, redness=0.3, count=1500, length=(0.06, 0.1)
    ),
    cloth=Cloth(
        "male_elegantsuit01",
        "111b30",
        "0c1424",
        tie=("6a1c2c", "561423"),
        inner=MappingProxyType({3: ("b4c2d3", "a5b4c6"), 6: ("b4c2d3", "a5b4c6")}),
        thickness_m=0.0,
        levels=1,
        twill=0.12,
    ),
    lashes=0.7,
    rim_light=0.6,
    seed=11,
)

PEOPLE: Mapping[str, Person] = MappingProxyType({"mira": _MIRA, "theo": _THEO})
