"""
The sounds that a mouth can show, where each pulls it, and how far that reaches.

After Cohen and Massaro (1993): a sound pulls each articulator towards its own target,
with a strength that rises before it and falls after.  Jaw and lips have strengths of
their own, as in JALI (Edwards et al. 2016).  Training draws its targets by this table,
the driver its mouths.
"""

from typing import NamedTuple

# The order is the class number that the network uses: it only ever grows at its end.
# fmt: off
SOUNDS = (
    "SIL",
    "AA", "AE", "AH", "AX", "AO", "EH", "EE", "IH", "IY", "YY", "OE", "UH", "UW",
    "OW", "ER",
    "W", "P", "B", "M", "F", "V", "TH", "S", "SH", "CH",
    "T", "D", "N", "L", "R", "K", "H", "Y",
)
# fmt: on

# How far a sound reaches beyond itself, in s: there its strength has fallen to 1/e.
JAW_S = 0.035
LIPS_S, ROUND_AHEAD_S, ROUND_AFTER_S = 0.040, 0.080, 0.050
TONGUE_S = 0.020
_ROUNDED = 0.4


class PhonemeTarget(NamedTuple):
    """Where one sound pulls the mouth, 0..1, and how strongly."""

    jaw: float
    jaw_pull: float
    round: float = 0.0
    funnel: float = 0.0
    spread: float = 0.0
    lip_pull: float = 0.4
    teeth: float = 0.0
    tongue: float = 0.0

    @property
    def rounded(self) -> bool:
        """Lips come forward for it early."""
        return self.round + self.funnel > _ROUNDED

    @property
    def tongue_pull(self) -> float:
        return max(self.teeth, self.tongue, 0.35)


# fmt: off
TARGETS: dict[str, PhonemeTarget] = {
    "SIL": PhonemeTarget(.00, .9, lip_pull=.5),
    # vowels, open to close
    "AA": PhonemeTarget(.95, 1.0, lip_pull=.6),
    "AE": PhonemeTarget(.85, 1.0, spread=.40, lip_pull=.6),
    "AH": PhonemeTarget(.60, .80, spread=.05),
    "AX": PhonemeTarget(.38, .40, lip_pull=.2),
    "AO": PhonemeTarget(.70, 1.0, round=.35, funnel=.35, lip_pull=.9),
    "EH": PhonemeTarget(.56, .90, spread=.40, lip_pull=.7),
    "EE": PhonemeTarget(.40, .90, spread=.60, lip_pull=.8),
    "IH": PhonemeTarget(.32, .70, spread=.40, lip_pull=.6),
    "IY": PhonemeTarget(.20, .90, spread=.85, lip_pull=1.0),
    "YY": PhonemeTarget(.18, .90, round=.85, funnel=.15, lip_pull=1.0),
    "OE": PhonemeTarget(.40, .90, round=.60, funnel=.25, lip_pull=1.0),
    "UH": PhonemeTarget(.30, .70, round=.45, funnel=.25, lip_pull=.7),
    "UW": PhonemeTarget(.17, .90, round=.95, funnel=.10, lip_pull=1.0),
    "OW": PhonemeTarget(.42, 1.0, round=.75, funnel=.20, lip_pull=1.0),
    "ER": PhonemeTarget(.36, .70, round=.10, funnel=.40, lip_pull=.7, tongue=.1),
    # made with the lips
    "W": PhonemeTarget(.16, .80, round=1.0, funnel=.05, lip_pull=1.1),
    "P": PhonemeTarget(.08, 1.0, lip_pull=.15),
    "B": PhonemeTarget(.08, 1.0, lip_pull=.15),
    "M": PhonemeTarget(.08, 1.0, lip_pull=.15),
    "F": PhonemeTarget(.12, .90, lip_pull=.35),
    "V": PhonemeTarget(.12, .90, lip_pull=.35),
    # made with the tongue
    "TH": PhonemeTarget(.22, .70, spread=.10, lip_pull=.3, teeth=.15, tongue=1.0),
    "S": PhonemeTarget(.09, .95, spread=.35, lip_pull=.4, teeth=1.0, tongue=.2),
    "SH": PhonemeTarget(
        .13, .95, round=.15, funnel=.80, lip_pull=1.0, teeth=.8, tongue=.2
    ),
    "CH": PhonemeTarget(
        .13, .95, round=.15, funnel=.70, lip_pull=.9, teeth=.7, tongue=.4
    ),
    "T": PhonemeTarget(.18, .55, spread=.10, lip_pull=.12, teeth=.4, tongue=.7),
    "D": PhonemeTarget(.18, .55, spread=.10, lip_pull=.12, teeth=.4, tongue=.7),
    "N": PhonemeTarget(.21, .50, spread=.10, lip_pull=.12, teeth=.2, tongue=.7),
    "L": PhonemeTarget(.30, .50, spread=.10, lip_pull=.15, tongue=.9),
    "R": PhonemeTarget(.26, .50, round=.25, funnel=.40, lip_pull=.7, tongue=.2),
    "K": PhonemeTarget(.28, .20, spread=.10, lip_pull=.1),
    "H": PhonemeTarget(.38, .10, lip_pull=.06),
    "Y": PhonemeTarget(.20, .70, spread=.60, lip_pull=.7, tongue=.2),
}
# fmt: on
