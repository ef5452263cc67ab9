"""
Example of a driver: shows visemes that the client sends, instead of lip-sync by audio.

    lite-gateway dev --driver examples.viseme_driver:VisemeDriver

Before it speaks a turn, the client sends one UDP datagram to 127.0.0.1:9898 with the
visemes of its text-to-speech, times in s: [[0.0, "sil"], [0.12, "PP"], [0.2, "aa"], …].
"""

import json
import socket
from dataclasses import dataclass

import torch

from renderer.face import face
from renderer.speech.driver import AudioChunk

SAMPLE_RATE = 24_000
FACES = {
    "sil": face(),
    "PP": face(mouthPressLeft=0.5, mouthPressRight=0.5),
    "FF": face(mouthRollLower=0.7, mouthUpperUpLeft=0.3, mouthUpperUpRight=0.3),
    "aa": face(jawOpen=0.7),
    "ou": face(jawOpen=0.2, mouthPucker=0.9),
    # ... and the other Oculus visemes
}


@dataclass
class TurnState:
    """Driver state of one turn."""

    visemes: list[tuple[float, str]]  # start in s, and name
    consumed: int = 0  # samples


class VisemeDriver:
    """Driver of visemes that arrive over UDP."""

    def __init__(self, port: int = 9898) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def begin(self) -> TurnState:
        """Return the state of a turn: the next valid datagram, or silence."""
        try:
            pairs = json.loads(self._socket.recv(65_536))
            visemes = [(float(start_s), str(name)) for start_s, name in pairs]
        except (BlockingIOError, ValueError, TypeError):
            visemes = []
        return TurnState([(0.0, "sil"), *visemes])

    def drive(self, states: list[TurnState], chunks: list[AudioChunk]) -> torch.Tensor:
        """Return one face for each state."""
        faces = []
        for state, chunk in zip(states, chunks, strict=True):
            state.consumed += len(chunk.pcm)
            moment_s = (state.consumed - chunk.lookahead_samples) / SAMPLE_RATE
            started = [
                name for start_s, name in state.visemes if start_s <= max(0.0, moment_s)
            ]
            faces.append(FACES.get(started[-1], FACES["sil"]))
        return torch.stack(faces)
