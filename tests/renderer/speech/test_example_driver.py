"""Tests of `examples/viseme_driver.py`."""

import contextlib
import json
import socket

import pytest
import torch

from examples.viseme_driver import FACES, VisemeDriver
from renderer.speech.driver import AudioChunk

FRAME = 960


@pytest.fixture
def port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def driver(port):
    with contextlib.closing(VisemeDriver(port)) as viseme_driver:
        yield viseme_driver


def test_visemes_of_a_datagram_are_shown_at_their_times(driver, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        visemes = [[0.0, "PP"], [0.1, "aa"], [0.2, "ou"]]
        client.sendto(json.dumps(visemes).encode(), ("127.0.0.1", port))
    state, faces = driver.begin(), []
    for _ in range(8):
        chunk = AudioChunk(torch.zeros(FRAME), FRAME // 2)
        faces.append(driver.drive([state], [chunk])[0])
    names = ["PP", "PP", "aa", "aa", "aa", "ou", "ou", "ou"]  # at 20, 60, 100, … ms
    for face, name in zip(faces, names, strict=True):
        assert torch.equal(face, FACES[name])


def test_a_turn_without_a_datagram_has_a_silent_face(driver):
    face = driver.drive([driver.begin()], [AudioChunk(torch.zeros(FRAME), 480)])[0]
    assert torch.equal(face, FACES["sil"])


@pytest.mark.parametrize(
    "datagram", [b"hello", b"[]", b"[[0.0]]", b"3", b'[[0, "??"]]']
)
def test_an_invalid_datagram_gives_a_silent_face(driver, port, datagram):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(datagram, ("127.0.0.1", port))
    face = driver.drive([driver.begin()], [AudioChunk(torch.zeros(FRAME), 480)])[0]
    assert torch.equal(face, FACES["sil"])
