"""The worked example of the driver seam does what it says."""

import contextlib
import json
import socket

import pytest
import torch

from examples.viseme_driver import MOUTHS, VisemeDriver
from renderer.speech.driver import AudioChunk

FRAME = 960


@pytest.fixture
def port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def driver(port):
    with contextlib.closing(VisemeDriver(port)) as made:
        yield made


def test_visemes_that_a_client_sends_become_mouths_in_time(driver, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        told = [[0.0, "PP"], [0.1, "aa"], [0.2, "ou"]]
        client.sendto(json.dumps(told).encode(), ("127.0.0.1", port))
    turn, shown = driver.begin(), []
    for _ in range(8):
        new = AudioChunk(torch.zeros(FRAME), FRAME // 2)
        shown.append(driver.drive([turn], [new])[0])
    names = ["PP", "PP", "aa", "aa", "aa", "ou", "ou", "ou"]  # at 20, 60, 100 .. ms
    for face, name in zip(shown, names, strict=True):
        assert torch.equal(face, MOUTHS[name])


def test_a_turn_without_visemes_is_silent(driver):
    face = driver.drive([driver.begin()], [AudioChunk(torch.zeros(FRAME), 480)])[0]
    assert torch.equal(face, MOUTHS["sil"])


@pytest.mark.parametrize("told", [b"hello", b"[]", b"[[0.0]]", b"3", b'[[0, "??"]]'])
def test_a_bad_datagram_is_silence_and_hurts_nobody(driver, port, told):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(told, ("127.0.0.1", port))
    face = driver.drive([driver.begin()], [AudioChunk(torch.zeros(FRAME), 480)])[0]
    assert torch.equal(face, MOUTHS["sil"])
