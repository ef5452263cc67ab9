"""Style of a drawn avatar: colours as ``#rrggbb`` and a few features."""

from dataclasses import dataclass

HAIR_STYLES = ("bob", "quiff", "bun", "crop")
CLOTHES = ("blazer", "crew", "hoodie")


@dataclass(frozen=True, slots=True)
class Style:
    """Colours and features of one drawn person: ``look`` in ``avatar.json``."""

    skin: str
    lips: str
    lip_weight: float  # thickness, 1 is full
    hair: str
    hair_style: str  # one of HAIR_STYLES
    brows: str
    brow_weight: float  # half the thickness at the thick end, 1/512 of the frame
    iris: str
    lashes: float  # 0 plain .. 1 long
    stubble: float  # 0 none .. 1 dense
    jaw: float  # 0 narrow .. 1 broad
    clothes: str  # one of CLOTHES
    clothing: str
    clothing_under: str  # colour of the garment that shows at the collar
    background: str
    background_glow: str
