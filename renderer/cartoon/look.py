"""What a drawn avatar looks like: colours as ``#rrggbb`` and a few features."""

from dataclasses import dataclass

HAIR_STYLES = ("bob", "quiff", "bun", "crop")
CLOTHES = ("blazer", "crew", "hoodie")


@dataclass(frozen=True, slots=True)
class Style:
    """Everything that tells one drawn person from another."""

    skin: str
    lips: str
    lip_weight: float  # thickness, 1 is full
    hair: str
    hair_style: str  # one of HAIR_STYLES
    brows: str
    brow_weight: float  # half thickness at the thick end, in units of 1/512 picture
    iris: str
    lashes: float  # 0 plain .. 1 long
    stubble: float  # 0 none .. 1 dense
    jaw: float  # 0 narrow .. 1 broad
    clothes: str  # one of CLOTHES
    clothing: str
    clothing_under: str  # what shows at the collar
    background: str
    background_glow: str
