"""
Phonemes of the lip-sync network, and the targets and dominance of each.

The model is that of Cohen and Massaro (1993): a phoneme pulls each articulator towards
its own target, with a dominance that rises before the phoneme and falls after it. Jaw
and lips have separate dominances, as in JALI (Edwards et al. 2016). Training computes
its targets from this table, the driver its curves.
"""

from typing import NamedTuple

# The index of a phoneme is its class in the network: only append to this list.
# fmt: off
PHONEMES = (
    "SIL",
    "AA", "AE", "AH", "AX", "AO", "EH", "EE", "IH", "IY", "YY", "OE", "UH", "UW",
    "OW", "ER",
    "W", "P", "B", "M", "F", "V", "TH", "S", "SH", "CH",
    "T", "D", "N", "L", "R", "K", "H", "Y",
)
# fmt: on

# Distance from a phoneme at which its dominance has fallen to 1/e, in s.
JAW_REACH_S = 0.035
LIP_REACH_S, ROUND_AHEAD_S, ROUND_AFTER_S = 0.040, 0.080, 0.050
TONGUE_REACH_S = 0.020
_MIN_ROUNDED = 0.4  # sum of round and funnel


class PhonemeTarget(NamedTuple):
    """Target of each articulator for one phoneme, 0..1, and the dominances."""

    jaw: float
    jaw_dominance: float
    round: float = 0.0
    funnel: float = 0.0
    spread: float = 0.0
    lip_dominance: float = 0.4
    teeth: float = 0.0
    tongue: float = 0.0

    @property
    def rounded(self) -> bool:
        """True if the phoneme rounds the lips, which then begin to move early."""
        return self.round + self.funnel > _MIN_ROUNDED

    @property
    def tongue_dominance(self) -> float:
        return max(self.teeth, self.tongue, 0.35)


# fmt: off
TARGETS: dict[str, PhonemeTarget] = {
    "SIL": PhonemeTarget(.00, .9, lip_dominance=.5),
    # vowels, from open to close
    "AA": PhonemeTarget(.95, 1.0, lip_dominance=.6),
    "AE": PhonemeTarget(.85, 1.0, spread=.40, lip_dominance=.6),
    "AH": PhonemeTarget(.60, .80, spread=.05),
    "AX": PhonemeTarget(.38, .40, lip_dominance=.2),
    "AO": PhonemeTarget(.70, 1.0, round=.35, funnel=.35, lip_dominance=.9),
    "EH": PhonemeTarget(.56, .90, spread=.40, lip_dominance=.7),
    "EE": PhonemeTarget(.40, .90, spread=.60, lip_dominance=.8),
    "IH": PhonemeTarget(.32, .70, spread=.40, lip_dominance=.6),
    "IY": PhonemeTarget(.20, .90, spread=.85, lip_dominance=1.0),
    "YY": PhonemeTarget(.18, .90, round=.85, funnel=.15, lip_dominance=1.0),
    "OE": PhonemeTarget(.40, .90, round=.60, funnel=.25, lip_dominance=1.0),
    "UH": PhonemeTarget(.30, .70, round=.45, funnel=.25, lip_dominance=.7),
    "UW": PhonemeTarget(.17, .90, round=.95, funnel=.10, lip_dominance=1.0),
    "OW": PhonemeTarget(.42, 1.0, round=.75, funnel=.20, lip_dominance=1.0),
    "ER": PhonemeTarget(.36, .70, round=.10, funnel=.40, lip_dominance=.7, tongue=.1),
    # lip consonants
    "W": PhonemeTarget(.16, .80, round=1.0, funnel=.05, lip_dominance=1.1),
    "P": PhonemeTarget(.08, 1.0, lip_dominance=.15),
    "B": PhonemeTarget(.08, 1.0, lip_dominance=.15),
    "M": PhonemeTarget(.08, 1.0, lip_dominance=.15),
    "F": PhonemeTarget(.12, .90, lip_dominance=.35),
    "V": PhonemeTarget(.12, .90, lip_dominance=.35),
    # tongue consonants
    "TH": PhonemeTarget(.22, .70, spread=.10, lip_dominance=.3, teeth=.15, tongue=1.0),
    "S": PhonemeTarget(.09, .95, spread=.35, lip_dominance=.4, teeth=1.0, tongue=.2),
    "SH": PhonemeTarget(
        .13, .95, round=.15, funnel=.80, lip_dominance=1.0, teeth=.8, tongue=.2
    ),
    "CH": PhonemeTarget(
        .13, .95, round=.15, funnel=.70, lip_dominance=.9, teeth=.7, tongue=.4
    ),
    "T": PhonemeTarget(.18, .55, spread=.10, lip_dominance=.12, teeth=.4, tongue=.7),
    "D": PhonemeTarget(.18, .55, spread=.10, lip_dominance=.12, teeth=.4, tongue=.7),
    "N": PhonemeTarget(.21, .50, spread=.10, lip_dominance=.12, teeth=.2, tongue=.7),
    "L": PhonemeTarget(.30, .50, spread=.10, lip_dominance=.15, tongue=.9),
    "R": PhonemeTarget(.26, .50, round=.25, funnel=.40, lip_dominance=.7, tongue=.2),
    "K": PhonemeTarget(.28, .20, spread=.10, lip_dominance=.1),
    "H": PhonemeTarget(.38, .10, lip_dominance=.06),
    "Y": PhonemeTarget(.20, .70, spread=.60, lip_dominance=.7, tongue=.2),
}
# fmt: on
