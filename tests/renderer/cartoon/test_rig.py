"""Pixels of the drawn rig."""

from itertools import combinations, pairwise
from pathlib import Path

import pytest
import torch

from renderer.avatar import load, make_rig
from renderer.cartoon.rig import DrawnRig
from renderer.face import INDEX, SIZE, face
from renderer.life.breath import breath_at
from renderer.rig import RigInput
from renderer.yuv import Box

AVATARS = Path(__file__).resolve().parents[3] / "assets" / "avatars"
CPU = torch.device("cpu")
SIDE = 256  # pixels; expressions must be distinguishable at this size
MOUTH = Box(108, 138, 40, 30)
EYES = Box(96, 106, 64, 20)


def both(**weights):
    """Return a face; a weight named without its side is set on both sides."""
    expanded = {}
    for name, weight in weights.items():
        for side in ("",) if name in INDEX else ("Left", "Right"):
            expanded[name + side] = weight
    return face(**expanded)


VISEMES = {
    "sil": both(),
    "AA": both(jawOpen=0.7, mouthLowerDown=0.3, mouthUpperUp=0.2),
    "EE": both(jawOpen=0.15, mouthSmile=0.45, mouthStretch=0.5, mouthLowerDown=0.35),
    "OO": both(jawOpen=0.25, mouthPucker=0.7, mouthFunnel=0.45),
    "MM": both(mouthPress=0.6, mouthRollLower=0.4, mouthRollUpper=0.4),
    "FF": both(jawOpen=0.08, mouthRollLower=0.8, mouthUpperUp=0.3),
    "TH": both(jawOpen=0.2, tongueOut=0.5, mouthLowerDown=0.2),
}


@pytest.fixture(scope="module", params=["ada", "leo"])
def rig(request):
    return make_rig(load(AVATARS / request.param), SIDE, SIDE, CPU)


def draw(rig, *faces, at_s=0.0):
    rig_inputs = [RigInput(index=0, turn=0, at_s=at_s, level=0.0)] * len(faces)
    return rig.draw(torch.stack(faces), rig_inputs)


def luma(rig, *faces, at_s=0.0):
    out = draw(rig, *faces, at_s=at_s)[:, : rig.width * rig.height]
    return out.view(-1, rig.height, rig.width).float()


def test_every_two_visemes_have_different_mouths(rig):
    mouths = MOUTH.luma(luma(rig, *VISEMES.values()))
    named = dict(zip(VISEMES, mouths, strict=True))

    for a, b in combinations(VISEMES, 2):
        changed = ((named[a] - named[b]).abs() > 20).float().mean()
        assert changed > 0.03, f"{a} and {b} differ in {changed:.1%} of the mouth"


def test_silence_and_mm_are_closed_and_vowels_are_open(rig):
    def inside(name):
        """Count pixels as dark as the inside of a mouth, or as white as teeth."""
        mouth = MOUTH.luma(luma(rig, VISEMES[name]))
        return int(((mouth < 48) | (mouth > 215)).sum())

    assert inside("sil") == 0
    assert inside("MM") == 0
    assert inside("AA") > 150
    assert inside("OO") > 40


def test_lips_stay_together_when_the_mouth_closes_on_an_open_jaw(rig):
    mouth = MOUTH.luma(luma(rig, face(jawOpen=0.5, mouthClose=0.5)))

    assert mouth.min() > 48


def test_the_mouth_opens_with_the_jaw(rig):
    opened = luma(rig, *(face(jawOpen=j / 10) for j in range(11)))
    dark = (MOUTH.luma(opened) < 48).sum((1, 2)).tolist()

    assert all(a <= b + 4 for a, b in pairwise(dark)), dark
    assert dark[-1] > 200


def test_a_blink_covers_the_eye(rig):
    open_eyes, shut = EYES.luma(luma(rig, face(), both(eyeBlink=1.0)))

    assert (open_eyes > 205).sum() > 60
    assert (shut > 205).sum() == 0
    assert (shut < 45).sum() < 0.75 * (open_eyes < 45).sum()


def test_each_eye_blinks_alone(rig):
    shut = face(eyeBlinkLeft=1.0)  # the person's left is at the right
    changed = (luma(rig, face()) - luma(rig, shut)).abs()[0]

    assert changed[:, SIDE // 2 + 4 :].max() > 60
    assert changed[:, : SIDE // 2 - 4].max() == 0


def test_gaze_and_head_move_in_the_direction_of_their_signs(rig):
    def pupils(frame):
        """Return the mean position of the dark pixels of the eyes."""
        dark = (EYES.luma(frame) < 45).float()
        x = (dark.sum(0) * torch.arange(EYES.width)).sum() / dark.sum()
        y = (dark.sum(1) * torch.arange(EYES.height)).sum() / dark.sum()
        return float(x), float(y)

    x, y = pupils(luma(rig, face())[0])
    assert pupils(luma(rig, face(gazeX=0.8))[0])[0] > x + 1
    assert pupils(luma(rig, face(headYaw=0.2))[0])[0] > x + 1
    assert pupils(luma(rig, face(headPitch=0.15))[0])[1] < y - 1


def test_a_batch_gives_the_pixels_of_single_frames(rig):
    gen = torch.Generator().manual_seed(3)
    faces = torch.rand(5, SIZE, generator=gen) * 0.6 - 0.1
    rig_inputs = [RigInput(index=i, turn=1, at_s=0.37 * i, level=0.2) for i in range(5)]

    batch = rig.draw(faces, rig_inputs)

    for i in range(5):
        single = rig.draw(faces[i : i + 1], rig_inputs[i : i + 1])
        error = (batch[i].int() - single[0].int()).abs().max()
        # The rounding of a matrix product may differ with its size.
        assert error <= 1
    assert torch.equal(batch, rig.draw(faces, rig_inputs))


def test_two_rigs_of_one_avatar_draw_the_same_pixels():
    first, second = (make_rig(load(AVATARS / "ada"), 128, 128, CPU) for _ in range(2))

    assert torch.equal(draw(first, VISEMES["AA"]), draw(second, VISEMES["AA"]))


WILD = [
    face(headYaw=yaw, headPitch=pitch, headRoll=roll, jawOpen=1.0)
    for yaw in (-1.0, 0.2, 1.0)
    for pitch in (-1.0, 1.0)
    for roll in (-1.0, 1.0)
]


def test_pixels_outside_the_region_never_change(rig):
    frames = luma(rig, *WILD, face(), at_s=1.8)
    still = luma(rig, face())[0].clone()
    rig.region.luma(frames).zero_()
    rig.region.luma(still).zero_()

    assert rig.region.width < SIDE
    assert (frames == still).all()


def test_the_region_has_no_seam(rig):
    """Check that the edges of the region show background in every pose."""
    frames = luma(rig, *WILD, at_s=1.8)
    wall = luma(rig, face())[0]
    box = rig.region
    rows, columns = (
        slice(box.top, box.top + box.height),
        slice(box.left, box.left + box.width),
    )

    for edge in (
        (box.top, columns),
        (rows, box.left),
        (rows, box.left + box.width - 1),
    ):
        assert (frames[:, edge[0], edge[1]] - wall[edge]).abs().max() <= 1


@pytest.mark.parametrize("size", [(640, 360), (854, 480), (360, 640), (130, 98)])
def test_a_frame_of_any_even_size_is_filled(size):
    width, height = size
    rig = make_rig(load(AVATARS / "leo"), width, height, CPU)

    out = draw(rig, face(jawOpen=0.4, headYaw=-0.2))

    assert out.shape == (1, width * height * 3 // 2)
    assert out.dtype == torch.uint8
    y = out[0, : width * height]
    assert 16 <= y.min() <= y.max() <= 235
    assert isinstance(rig, DrawnRig)


def test_breath_is_continuous_and_uses_its_whole_range():
    levels = [breath_at(i / 25) for i in range(500)]

    assert min(levels) < 0.01
    assert max(levels) > 0.99
    assert max(abs(a - b) for a, b in pairwise(levels)) < 0.05


def test_any_finite_face_can_be_drawn(rig):
    out = draw(rig, torch.full((SIZE,), 50.0), torch.full((SIZE,), -50.0))

    assert out.shape[0] == 2
