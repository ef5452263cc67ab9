"""Faces to draw: a stretch of speech and idling, and faces at the limits."""

import wave
from itertools import product
from pathlib import Path

import numpy as np
import torch

from renderer.engine import Engine, RenderJob, RenderSession
from renderer.face import face
from renderer.frames import FrameRequest
from renderer.life.life import Life
from renderer.tensors import to_array

SPEECH = Path(__file__).parents[3] / "web" / "samples" / "hello.wav"
FRAME_SAMPLES = 960
SPOKEN, IDLE = 50, 25  # frames


def _both(**units):
    return {name + side: w for name, w in units.items() for side in ("Left", "Right")}


HEADS = torch.stack(
    [
        face(headYaw=yaw, headPitch=pitch, headRoll=roll, jawOpen=jaw, gazeX=yaw)
        for yaw, pitch, roll, jaw in product((-9, 9), (-9, 9), (-9, 9), (0, 1))
    ]
)
EXPRESSIONS = torch.stack(
    [
        face(),
        face(jawOpen=1, mouthFunnel=1),
        face(jawOpen=0.6, **_both(mouthSmile=1)),
        face(mouthPucker=1, **_both(mouthFrown=1)),
        face(mouthClose=1, jawOpen=1),
        face(tongueOut=1, jawOpen=0.5),
        face(mouthRollLower=1, mouthRollUpper=1, **_both(mouthPress=1)),
        face(**_both(mouthLowerDown=1, mouthUpperUp=1)),
        face(gazeY=-1, **_both(eyeBlink=1)),
        face(gazeX=1, gazeY=1, **_both(eyeBlink=0.5, browDown=1)),
        face(browInnerUp=1, **_both(eyeWide=1, cheekSquint=1)),
    ]
)


class _FaceRecorder:
    """Rig that keeps the faces that it is given."""

    width = height = 2

    def __init__(self):
        self.faces = []

    def draw(self, faces, rig_inputs):
        self.faces.append(to_array(faces))
        return np.zeros((len(faces), 6), np.uint8)


def spoken_and_idle():
    """Return the faces of a spoken and an idle stretch, ``[75, 57]``."""
    with wave.open(str(SPEECH)) as file:
        samples = [file.readframes(FRAME_SAMPLES) for _ in range(SPOKEN)]
    recorder, engine = _FaceRecorder(), Engine(device="cpu")
    session = RenderSession(recorder, Life(3))
    for index in range(SPOKEN + IDLE):
        at_s = index * 0.04
        request = FrameRequest(index, at_s, "listening")
        if index < SPOKEN:
            pcm = samples[index]
            request = FrameRequest(index, at_s, "talking", 1, pcm, FRAME_SAMPLES, 0.5)
        engine.render([RenderJob(session, request)])
    faces = torch.from_numpy(np.concat(recorder.faces))
    assert faces[:SPOKEN, :52].max() > 0.3
    return faces


def some(count, seed):
    """Return faces with a third of all units at random weights."""
    generator = torch.Generator().manual_seed(seed)
    size = HEADS.shape[1]
    weights = torch.rand(count, size, generator=generator)
    weights *= torch.rand(count, size, generator=generator) < 1 / 3
    return weights
