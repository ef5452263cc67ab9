"""Light of lids that a photo does not show: the donor's lid and the skin around."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from creation.images import blur, linear
from creation.keys.closeups import closeup_box
from creation.keys.head import unit
from creation.keys.lid_line import LidLine
from creation.keys.lids import made_lid
from creation.keys.samples import Samples
from tests.creation.truth import subject

SHUT = 15  # keyframe of a shut eye
SIDE = 60
SKIN = np.array([0.5, 0.3, 0.2], np.float32)


def lid(lent):
    """Return the light ``[3]`` of a lid that the donor shows as ``lent`` times skin."""
    count = SIDE * SIDE
    y, x = np.mgrid[:SIDE, :SIDE]
    at = np.stack([x, y], -1).reshape(-1, 2) + 0.5
    none = np.zeros(count, np.int32), np.zeros((count, 3), np.float32)
    samples = Samples(*none, at, np.arange(count), (SIDE, SIDE))
    everywhere = np.ones(count, bool)
    skin = np.repeat(SKIN[None], count, 0)
    fields = SimpleNamespace(
        seen=everywhere, skin=everywhere, plain=np.ones(count, np.float32),
        photo=skin, donor_seen=everywhere, donor=skin * np.float32(lent),
        gain=np.ones((count, 3), np.float32),
    )  # fmt: skip
    hidden = np.zeros((SIDE, SIDE), np.float32)
    hidden[20:40, 20:40] = 1
    made = made_lid(fields, samples, hidden, np.zeros_like(hidden))
    return made[30, 30] / SKIN


def test_a_lid_follows_the_donors():
    plain, darker, brighter = lid(1.0), lid(0.8), lid(1.2)

    assert plain == pytest.approx(0.96, abs=0.01)
    assert darker == pytest.approx(plain * 0.8**0.5, rel=0.01)
    assert brighter == pytest.approx(plain * 1.2**0.5, rel=0.01)


def test_the_lamp_of_a_donor_makes_a_lid_no_patch():
    assert lid(0.2) == pytest.approx(lid(0.1))
    assert lid(0.2).min() > 0.75
    assert lid(4.0) == pytest.approx(lid(2.0))
    assert lid(4.0).max() < 1.15


def test_a_dark_lid_of_a_donor_keeps_its_colour():
    warm = lid([0.4, 0.3, 0.2])

    assert warm[0] / warm[2] == pytest.approx(2**0.5, rel=0.02)


def test_a_shut_lid_has_the_grain_of_the_cheek(networks):
    theo = subject("theo", "mira")
    box = closeup_box(theo.head, "eyeRight")
    noise = np.random.default_rng(1).normal(0, 0.03, theo.plate.picture.shape[:2])
    photo = theo.painter.source.photo * (1 + blur(noise, 1.0)[..., None] * 3)
    source = replace(theo.painter.source, photo=photo.astype(np.float32))
    line = LidLine.of(theo.head, "eyeRight").at(shut(theo.head), theo.head.donor)
    (x, y), wide = line.mean(0) - box[:2], np.ptp(line[:, 0])
    middle = slice(int(y - 0.25 * wide), int(y - 0.1 * wide))
    columns = slice(int(x - 0.1 * wide), int(x + 0.1 * wide))

    plain, rough = (
        linear(painter.paint("eyeRight", SHUT, box).picture).mean(-1)
        for painter in (theo.painter, replace(theo.painter, source=source))
    )
    change = rough / plain
    detail = (change / blur(change, 3.0))[middle, columns]

    assert detail.std() > 0.01  # measured 0.016; without grain 0.005


def shut(head):
    """Return the pixels ``[V, 2]`` of a head with its right eye shut."""
    weights = np.zeros(len(head.fitted.shapes))
    weights[unit("eyeBlinkRight")] = 1
    return head.view(head.posed(weights), closeup_box(head, "eyeRight")).xy
