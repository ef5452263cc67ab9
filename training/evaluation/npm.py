"""Other lip-sync systems for comparison: Rhubarb and HeadAudio, npm packages in Node.

Both give mouth shapes of their own, which the tables translate to ARKit weights.  They
are installed into the user's cache on first use and run with their defaults.
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
# Rhubarb's shapes are blended linearly over this time, centred on the change.
_BLEND_S = 0.060
_FINE_S = 0.005  # time step of the blending

Shapes = Mapping[str, Mapping[str, float]]  # "mouthPress" means both sides

# Rhubarb's nine mouth shapes, after the descriptions in its documentation.
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

# The visemes of Oculus at full strength.
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
    """Node or npm is missing, or the installation or a program failed."""


def install(cache: Path, console: Console) -> Path:
    """Return the folder of both packages; install if needed, or raise `NoPeers`."""
    folder, package = cache / "peers", (PEERS / "package.json").read_text()
    installed = folder / "package.json"
    if not (folder / "node_modules").exists() or installed.read_text() != package:
        console.print(f"installing Rhubarb and HeadAudio into {folder}, once: 40 MB")
        folder.mkdir(parents=True, exist_ok=True)
        installed.write_text(package)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            raise NoPeers(str(error)) from None
    for program in PEERS.glob("*.mjs"):
        shutil.copy(program, folder)  # Node searches packages from the program's folder
    return folder


@dataclass(frozen=True, slots=True)
class Rhubarb:
    """Rhubarb: it needs the whole recording first, and may get the transcript."""

    folder: Path
    with_transcript: bool

    @property
    def name(self) -> str:
        return "Rhubarb, offline" + (", told the words" if self.with_transcript else "")

    def animate(self, clip: Clip) -> Track:
        text = clip.text if self.with_transcript else ""
        pcm = at_16_khz(clip.speech)
        intervals = _run_cached(self.folder, "rhubarb.mjs", pcm, {"text": text})["cues"]
        fine_s = np.arange(0, clip.seconds, _FINE_S)
        starts = np.array([start for start, _, _ in intervals])
        index = np.searchsorted(starts, fine_s + 1e-6, side="right") - 1
        faces = _faces([shape for _, _, shape in intervals], RHUBARB)[index.clip(0)]
        width = round(_BLEND_S / _FINE_S)
        padded = np.pad(faces, ((width // 2, (width - 1) // 2), (0, 0)), mode="edge")
        totals = np.cumsum(np.vstack([np.zeros(SIZE), padded]), axis=0)
        blended = (totals[width:] - totals[:-width]) / width
        frames = np.arange(0.5 / FPS, clip.seconds, 1 / FPS)
        nearest = np.round(frames / _FINE_S).astype(int).clip(0, len(blended) - 1)
        return Track(FPS, 0.5 / FPS, blended[nearest].astype(np.float32))


@dataclass(frozen=True, slots=True)
class HeadAudio:
    """HeadAudio, a streaming system.

    Its documentation says to delay the audio by 50 to 100 ms for it.
    """

    folder: Path
    lookahead_ms: int

    @property
    def name(self) -> str:
        return f"HeadAudio, {self.lookahead_ms} ms"

    def animate(self, clip: Clip) -> Track:
        floats = np.frombuffer(clip.speech, "<i2").astype(np.float64)
        resampled = soxr.resample(floats, SAMPLE_RATE, _BROWSER_RATE)
        pcm = np.clip(resampled, -32768, 32767).round().astype("<i2").tobytes()
        output = _run_cached(self.folder, "headaudio.mjs", pcm, {"fps": FPS})
        values = np.array(output["frames"])
        faces = np.clip(values @ _faces(output["names"], OCULUS), 0, 1)
        # A delay of the audio makes each face that much earlier, relative to the audio.
        t0_s = 0.5 / FPS - self.lookahead_ms / 1000
        return Track(FPS, t0_s, faces.astype(np.float32))


def _faces(names: Sequence[str], shapes: Shapes) -> Array:
    """Return the faces ``[len(names), 57]`` of named shapes."""
    faces = np.zeros((len(names), SIZE))
    for face, name in zip(faces, names, strict=True):
        for weight, amount in shapes[name].items():
            sides = [weight] if weight in INDEX else [weight + "Left", weight + "Right"]
            face[[INDEX[side] for side in sides]] = amount
    return faces


def _run_cached(
    folder: Path, program: str, pcm: bytes, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the program's output for one recording, from the cache if it is there.

    Raises `NoPeers` if Node is missing or the program fails.
    """
    source = (PEERS / program).read_bytes() + json.dumps(options).encode()
    key = hashlib.sha256(pcm + source).hexdigest()[:24]
    cached = folder / "answers" / f"{program}-{key}.json"
    if not cached.exists():
        cached.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            audio, output = Path(scratch) / "pcm", Path(scratch) / "output.json"
            audio.write_bytes(pcm)
            request = json.dumps([{"pcm": str(audio), **options}])
            command = ["node", str(folder / program), str(output)]
            try:
                subprocess.run(
                    command, input=request, text=True, capture_output=True, check=True
                )
            except FileNotFoundError as error:
                raise NoPeers(str(error)) from None
            except subprocess.CalledProcessError as error:
                raise NoPeers(f"{program}: {error.stderr[-500:]}") from None
            cached.write_text(json.dumps(json.loads(output.read_text())[0]))
    result: dict[str, Any] = json.loads(cached.read_text())
    return result
