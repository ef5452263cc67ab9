"""Drivers of users: what they may return, and what torch does meanwhile."""

import sys
import types

import numpy as np
import pytest
import torch

from renderer.face import SIZE
from renderer.speech.driver import AudioChunk, begin, drive

CHUNK = AudioChunk(np.zeros(960, np.float32), 480)


class NetworkDriver:
    """Driver that computes states and faces with weights of torch."""

    def __init__(self, dtype=torch.float32):
        self.weights = torch.nn.Parameter(torch.full((SIZE,), 0.25, dtype=dtype))

    def begin(self):
        return 2 * self.weights

    def drive(self, states, chunks):
        return torch.stack(states) + self.weights


class CountingDriver:
    """Driver that writes all faces into the same array."""

    def __init__(self):
        self.faces = np.zeros((1, SIZE), np.float32)

    def begin(self):
        return None

    def drive(self, states, chunks):
        self.faces += 1
        return self.faces


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_states_and_faces_have_no_gradients_and_any_precision(dtype):
    driver = NetworkDriver(dtype)
    state = begin(driver)
    assert not state.requires_grad
    faces = drive(driver, [state], [CHUNK])
    assert faces.dtype == np.float32
    assert (faces == 0.75).all()


def test_a_face_does_not_change_when_the_driver_makes_the_next_one():
    driver = CountingDriver()
    first, second = (drive(driver, [None], [CHUNK]) for _ in range(2))
    assert (first == 1).all()
    assert (second == 2).all()


def test_faces_are_arrays_also_while_another_thread_imports_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    driver = CountingDriver()
    assert begin(driver) is None
    assert (drive(driver, [None], [CHUNK]) == 1).all()
    assert not CHUNK.samples.any()
