"""What is probably said around a moment, as pulls on jaw, lips and tongue."""

import numpy as np
import pytest

from renderer.speech.coarticulation import AROUND, pulled
from renderer.speech.network import CURVES
from renderer.speech.phonemes import SOUNDS, TARGETS


def mouth(likely: dict[str, float], **curves: float) -> dict[str, float]:
    """Curves of a mouth that has long been saying one of ``likely``."""
    sounds = np.zeros((1, len(AROUND), len(SOUNDS)), np.float32)
    for sound, share in likely.items():
        sounds[..., SOUNDS.index(sound)] = share
    own = np.array([[curves.get(name, 0.0) for name in CURVES]], np.float32)
    made = pulled(own, sounds, np.ones((1, len(AROUND)), np.float32))
    return dict(zip(CURVES, made[0].tolist(), strict=True))


@pytest.mark.parametrize("sound", ["AA", "IY", "UW", "S"])
def test_a_sure_sound_has_the_mouth_of_the_table(sound):
    aim = TARGETS[sound]
    own = {"jaw": aim.jaw, "round": aim.round, "spread": aim.spread}
    made = mouth({sound: 1.0}, **own, teeth=aim.teeth)
    for name in ("jaw", "round", "spread", "teeth"):
        assert made[name] == pytest.approx(getattr(aim, name), abs=1e-3)


def test_doubt_about_what_was_said_does_not_halve_a_mouth():
    """The network's own mean of AA and S is half open; likely AA is nearly wide."""
    made = mouth({"AA": 0.7, "S": 0.3}, jaw=0.69)
    assert made["jaw"] > 0.7


@pytest.mark.parametrize(("lips", "tongue"), [("M", "N"), ("P", "T"), ("B", "D")])
def test_a_tongue_parts_lips_that_the_network_would_shut(lips, tongue):
    heard_lips = mouth({lips: 0.8, tongue: 0.2}, shut=0.6)["shut"]
    heard_tongue = mouth({lips: 0.2, tongue: 0.8}, shut=0.6)["shut"]
    assert heard_lips > 0.6
    assert heard_tongue < 0.3


def test_a_bite_is_as_likely_as_f_and_v_together():
    assert mouth({"F": 0.25, "V": 0.15, "TH": 0.6})["bite"] == pytest.approx(0.4)


def test_what_nobody_knows_pulls_at_nothing():
    """Of a moment's future only what was heard counts."""
    sounds = np.zeros((1, len(AROUND), len(SOUNDS)), np.float32)
    sounds[..., SOUNDS.index("SIL")] = 1
    sounds[:, -1] = 0
    sounds[:, -1, SOUNDS.index("AA")] = 1
    known = np.ones((1, len(AROUND)), np.float32)
    own = np.zeros((1, len(CURVES)), np.float32)
    jaw = CURVES.index("jaw")
    assert pulled(own, sounds, known)[0, jaw] > 0
    known[0, -1] = 0
    assert pulled(own, sounds, known)[0, jaw] == 0


def test_a_bite_of_one_step_alone_is_hardly_seen():
    sounds = np.zeros((2, len(AROUND), len(SOUNDS)), np.float32)
    sounds[..., SOUNDS.index("AA")] = 1
    now = AROUND.index(0)
    for row, steps in ((0, slice(now, now + 1)), (1, slice(now - 1, now + 2))):
        sounds[row, steps] = 0
        sounds[row, steps, SOUNDS.index("F")] = 1
    known = np.ones((2, len(AROUND)), np.float32)
    alone, held = pulled(np.zeros((2, len(CURVES)), np.float32), sounds, known)
    bite = CURVES.index("bite")
    assert alone[bite] == pytest.approx(0.5)
    assert held[bite] == pytest.approx(1.0)
