"""
A driver of your own: mouths that the client sends, instead of ones that are heard.

    lite-gateway dev --driver examples.viseme_driver:VisemeDriver

Before it speaks a turn, the client sends one UDP datagram to 127.0.0.1:9898 with what
its text-to-speech told: [[0.0, "sil"], [0.12, "PP"], [0.2, "aa"], ...], times in s.
"""

import json
import socket
from dataclasses import dataclass

import torch

from renderer.face import face
from renderer.speech.driver import AudioChunk

RATE = 24_000
MOUTHS = {
    "sil": face(),
    "PP": face(mouthPressLeft=0.5, mouthPressRight=0.5),
    "FF": face(mouthRollLower=0.7, mouthUpperUpLeft=0.3, mouthUpperUpRight=0.3),
    "aa": face(jawOpen=0.7),
    "ou": face(jawOpen=0.2, mouthPucker=0.9),
    # ... and the other Oculus visemes
}


@dataclass
class Turn:
    visemes: list[tuple[float, str]]
    consumed: int = 0  # samples


class VisemeDriver:
    def __init__(self, port: int = 9898) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def begin(self) -> Turn:
        """Each turn takes the datagram that came next; without a good one, silence."""
        try:
            told = json.loads(self._socket.recv(65_536))
            return Turn([(0.0, "sil"), *((float(at), str(v)) for at, v in told)])
        except (BlockingIOError, ValueError, TypeError):
            return Turn([(0.0, "sil")])

    def drive(self, states: list[Turn], chunks: list[AudioChunk]) -> torch.Tensor:
        faces = []
        for turn, new in zip(states, chunks, strict=True):
            turn.consumed += len(new.pcm)
            moment_s = (turn.consumed - new.lookahead_samples) / RATE
            now = [v for at, v in turn.visemes if at <= max(0.0, moment_s)][-1]
            faces.append(MOUTHS.get(now, MOUTHS["sil"]))
        return torch.stack(faces)
