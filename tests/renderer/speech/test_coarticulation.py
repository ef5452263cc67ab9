"""Tests of `renderer.speech.coarticulation`."""

import numpy as np
import pytest

from renderer.speech.coarticulation import CONTEXT, coarticulate
from renderer.speech.network_shape import CURVES
from renderer.speech.phonemes import PHONEMES, TARGETS


def coarticulated(likely: dict[str, float], **curves: float) -> dict[str, float]:
    """Return the curves for likelihoods ``likely`` and ``curves`` of the network."""
    phonemes = np.zeros((1, len(CONTEXT), len(PHONEMES)), np.float32)
    for name, share in likely.items():
        phonemes[..., PHONEMES.index(name)] = share
    own = np.array([[curves.get(name, 0.0) for name in CURVES]], np.float32)
    result = coarticulate(own, phonemes, np.ones((1, len(CONTEXT)), np.float32))
    return dict(zip(CURVES, result[0].tolist(), strict=True))


@pytest.mark.parametrize("phoneme", ["AA", "IY", "UW", "S"])
def test_a_certain_phoneme_gives_its_target(phoneme):
    target = TARGETS[phoneme]
    own = {"jaw": target.jaw, "round": target.round, "spread": target.spread}
    result = coarticulated({phoneme: 1.0}, **own, teeth=target.teeth)
    for name in ("jaw", "round", "spread", "teeth"):
        assert result[name] == pytest.approx(getattr(target, name), abs=1e-3)


def test_an_uncertain_phoneme_keeps_its_range():
    """The network's mean of AA and S is half open; the target of AA is wide open."""
    result = coarticulated({"AA": 0.7, "S": 0.3}, jaw=0.69)
    assert result["jaw"] > 0.7


@pytest.mark.parametrize(("lip", "tongue"), [("M", "N"), ("P", "T"), ("B", "D")])
def test_a_likely_tongue_phoneme_opens_lips_that_the_network_closes(lip, tongue):
    lip_likely = coarticulated({lip: 0.8, tongue: 0.2}, shut=0.6)["shut"]
    tongue_likely = coarticulated({lip: 0.2, tongue: 0.8}, shut=0.6)["shut"]
    assert lip_likely > 0.6
    assert tongue_likely < 0.3


def test_the_bite_curve_is_the_likelihood_of_f_and_v():
    assert coarticulated({"F": 0.25, "V": 0.15, "TH": 0.6})["bite"] == pytest.approx(
        0.4
    )


def test_unknown_steps_have_no_dominance():
    """A step after the moment counts only if its audio has arrived."""
    phonemes = np.zeros((1, len(CONTEXT), len(PHONEMES)), np.float32)
    phonemes[..., PHONEMES.index("SIL")] = 1
    phonemes[:, -1] = 0
    phonemes[:, -1, PHONEMES.index("AA")] = 1
    known = np.ones((1, len(CONTEXT)), np.float32)
    own = np.zeros((1, len(CURVES)), np.float32)
    jaw = CURVES.index("jaw")
    assert coarticulate(own, phonemes, known)[0, jaw] > 0
    known[0, -1] = 0
    assert coarticulate(own, phonemes, known)[0, jaw] == 0


def test_a_bite_of_a_single_step_is_halved():
    phonemes = np.zeros((2, len(CONTEXT), len(PHONEMES)), np.float32)
    phonemes[..., PHONEMES.index("AA")] = 1
    now = CONTEXT.index(0)
    for row, steps in ((0, slice(now, now + 1)), (1, slice(now - 1, now + 2))):
        phonemes[row, steps] = 0
        phonemes[row, steps, PHONEMES.index("F")] = 1
    known = np.ones((2, len(CONTEXT)), np.float32)
    single, held = coarticulate(np.zeros((2, len(CURVES)), np.float32), phonemes, known)
    bite = CURVES.index("bite")
    assert single[bite] == pytest.approx(0.5)
    assert held[bite] == pytest.approx(1.0)
