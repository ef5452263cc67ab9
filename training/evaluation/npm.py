"""
Other makers of lips, on the same clips: Rhubarb and HeadAudio, from npm, run in Node.

Both speak in shapes of their own; the tables say which ARKit weights those are here.
They are installed into the user's cache on first use, as made and with their defaults.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from rich.console import Console

from protocol.lite.messages import SAMPLE_RATE
from renderer.face import INDEX, SIZE
from training.evaluation.alignment import PEERS, at_16_khz
from training.evaluation.clips import Clip
from training.evaluation.grid import Array, Track

FPS = 25
_BROWSER_RATE = 48_000
# A shape is not reached at once; half of the way is before its time, half after.
_BLEND_S = 0.060
_FINE_S = 0.005

Shapes = Mapping[str, Mapping[str, float]]  # "mouthPress" stands for both sides

# As the documentation of Rhubarb describes its nine mouths.
RHUBARB: Shapes = {
    "X": {},
    "A": {"mouthPress": 0.40},
    "B": {
        "jawOpen": 0.12, "mouthStretch": 0.35, "mouthLowerDown": 0.30,
        "mouthUpperUp": 0.20,
    },
    "C": {"jawOpen": 0.45, "mouthStretch": 0.15},
    "D": {"jawOpen": 0.75},
    "E": {"jawOpen": 0.40, "mouthFunnel": 0.30, "mouthPucker": 0.25},
    "F": {"jawOpen": 0.15, "mouthFunnel": 0.20, "mouthPucker": 0.75},
    "G": {"jawOpen": 0.08, "mouthRollLower": 0.60, "mouthUpperUp": 0.15},
    "H": {"jawOpen": 0.35, "tongueOut": 0.15},
}  # fmt: skip

# The visemes of Oculus, fully on.
OCULUS: Shapes = {
    "viseme_sil": {},
    "viseme_aa": {"jawOpen": 0.75},
    "viseme_E": {"jawOpen": 0.42, "mouthStretch": 0.30},
    "viseme_I": {"jawOpen": 0.22, "mouthStretch": 0.45, "mouthSmile": 0.20},
    "viseme_O": {"jawOpen": 0.42, "mouthFunnel": 0.30, "mouthPucker": 0.45},
    "viseme_U": {"jawOpen": 0.15, "mouthFunnel": 0.20, "mouthPucker": 0.75},
    "viseme_PP": {"mouthPress": 0.40},
    "viseme_FF": {"jawOpen": 0.08, "mouthRollLower": 0.60, "mouthUpperUp": 0.15},
    "viseme_TH": {"jawOpen": 0.20, "tongueOut": 0.40},
    "viseme_SS": {
        "jawOpen": 0.08, "mouthStretch": 0.35, "mouthLowerDown": 0.30,
        "mouthUpperUp": 0.20,
    },
    "viseme_CH": {"jawOpen": 0.12, "mouthFunnel": 0.60, "mouthLowerDown": 0.20},
    "viseme_DD": {"jawOpen": 0.18, "mouthLowerDown": 0.20},
    "viseme_nn": {"jawOpen": 0.18, "mouthLowerDown": 0.15},
    "viseme_kk": {"jawOpen": 0.25, "mouthLowerDown": 0.10},
    "viseme_RR": {"jawOpen": 0.22, "mouthFunnel": 0.30, "mouthPucker": 0.15},
}  # fmt: skip


class NoPeers(Exception):
    """Node or npm is missing, could not install them or failed; says which."""


def install(cache: Path, console: Console) -> Path:
    """The folder with both peers, made if need be; raises `NoPeers`."""
    folder, wanted = cache / "peers", (PEERS / "package.json").read_text()
    made = folder / "package.json"
    if not (folder / "node_modules").exists() or made.read_text() != wanted:
        console.print(f"installing Rhubarb and HeadAudio into {folder}, once: 40 MB")
        folder.mkdir(parents=True, exist_ok=True)
        made.write_text(wanted)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as failed:
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            raise NoPeers(str(failed)) from None
    for program in PEERS.glob("*.mjs"):
        shutil.copy(program, folder)  # Node looks for packages from there
    return folder


@dataclass(frozen=True, slots=True)
class Rhubarb:
    """Offline: it hears all of a recording first, and may be told its words."""

    folder: Path
    told: bool

    @property
    def name(self) -> str:
        return "Rhubarb, offline" + (", told the words" if self.told else "")

    def perform(self, clip: Clip) -> Track:
        text = clip.text if self.told else ""
        pcm = at_16_khz(clip.speech)
        cues = _answer(self.folder, "rhubarb.mjs", pcm, {"text": text})["cues"]
        fine = np.arange(0, clip.seconds, _FINE_S)
        starts = np.array([start for start, _, _ in cues])
        which = np.searchsorted(starts, fine + 1e-6, side="right") - 1
        faces = _faces([shape for _, _, shape in cues], RHUBARB)[which.clip(0)]
        width = round(_BLEND_S / _FINE_S)
        padded = np.pad(faces, ((width // 2, (width - 1) // 2), (0, 0)), mode="edge")
        totals = np.cumsum(np.vstack([np.zeros(SIZE), padded]), axis=0)
        blended = (totals[width:] - totals[:-width]) / width
        frames = np.arange(0.5 / FPS, clip.seconds, 1 / FPS)
        nearest = np.round(frames / _FINE_S).astype(int).clip(0, len(blended) - 1)
        return Track(FPS, 0.5 / FPS, blended[nearest].astype(np.float32))


@dataclass(frozen=True, slots=True)
class HeadAudio:
    """Streaming.  Its own page says to hold the sound back by 50 to 100 ms for it."""

    folder: Path
    lookahead_ms: int

    @property
    def name(self) -> str:
        return f"HeadAudio, {self.lookahead_ms} ms"

    def perform(self, clip: Clip) -> Track:
        floats = np.frombuffer(clip.speech, "<i2").astype(np.float64)
        wide = soxr.resample(floats, SAMPLE_RATE, _BROWSER_RATE)
        pcm = np.clip(wide, -32768, 32767).round().astype("<i2").tobytes()
        told = _answer(self.folder, "headaudio.mjs", pcm, {"fps": FPS})
        values = np.array(told["frames"])
        faces = np.clip(values @ _faces(told["names"], OCULUS), 0, 1)
        # Sound held back is a face that much earlier in it.
        early_s = 0.5 / FPS - self.lookahead_ms / 1000
        return Track(FPS, early_s, faces.astype(np.float32))


def _faces(names: Sequence[str], shapes: Shapes) -> Array:
    """``[len(names), 57]``"""
    faces = np.zeros((len(names), SIZE))
    for face, name in zip(faces, names, strict=True):
        for weight, amount in shapes[name].items():
            sides = [weight] if weight in INDEX else [weight + "Left", weight + "Right"]
            face[[INDEX[side] for side in sides]] = amount
    return faces


def _answer(
    folder: Path, program: str, pcm: bytes, options: Mapping[str, Any]
) -> dict[str, Any]:
    """
    What the program says of one recording, kept by what it was asked.

    `NoPeers` where Node is missing or the program fails.
    """
    asked = (PEERS / program).read_bytes() + json.dumps(options).encode()
    key = hashlib.sha256(pcm + asked).hexdigest()[:24]
    kept = folder / "answers" / f"{program}-{key}.json"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            sound, told = Path(scratch) / "pcm", Path(scratch) / "told.json"
            sound.write_bytes(pcm)
            question = json.dumps([{"pcm": str(sound), **options}])
            command = ["node", str(folder / program), str(told)]
            try:
                subprocess.run(
                    command, input=question, text=True, capture_output=True, check=True
                )
            except FileNotFoundError as missing:
                raise NoPeers(str(missing)) from None
            except subprocess.CalledProcessError as failed:
                raise NoPeers(f"{program}: {failed.stderr[-500:]}") from None
            kept.write_text(json.dumps(json.loads(told.read_text())[0]))
    answer: dict[str, Any] = json.loads(kept.read_text())
    return answer
