"""
``python -m training.evaluation.devset FOLDER``: recordings of people to develop on.

Nothing of it is kept in the repository or trained on, and a driver is judged in the end
on recordings that are not among them.  Everything comes out of packages, by the
ordinary clients (``apt-get download``, ``pip download``; nothing is installed):

* asterisk-core-sounds-en-g722, Debian: Allison Smith, a woman, prompts; CC-BY-SA-3.0
* aeneas-ng, PyPI: a woman reads a sonnet for LibriVox; public domain
* alsa-utils, Debian: a woman names loudspeakers; GPL-2+
* pocketsphinx-testdata, Debian: a man reads Jane Austen for LibriVox, public domain;
  another gives orders and names cards; BSD-2
"""

import argparse
import gzip
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

RATE = 24_000
_DEBIAN = (
    *("asterisk-core-sounds-en", "asterisk-core-sounds-en-g722"),
    *("alsa-utils", "pocketsphinx-testdata"),
)
_PYPI = "aeneas-ng==1.7.4.0"
_DIGITS = (
    *("zero", "one", "two", "three", "four"),
    *("five", "six", "seven", "eight", "nine"),
)
# Numbers, asides, misprints, and words that the aligner's dictionary lacks.
_NOT_AS_SPOKEN = r"[0-9]{2}|[(*/]|\.\.\.|www|mute|Digium|represenatives|prepend|undel"
_PROMPTS_S = 150.0  # of the one voice that has hours
_ORDERS = {
    "goforward": "go forward ten meters",
    "something": "go somewhere and do something",
}
_ALSA = ("Front_Center", "Front_Left", "Front_Right", "Rear_Center", "Rear_Left")
_PAUSE = np.zeros(RATE // 2, np.int16)  # between short recordings of one voice

Pcm = npt.NDArray[np.int16]
Said = tuple[str, Pcm, str]  # name, mono at 24 kHz, transcript


class CannotAssemble(Exception):
    """Says which client failed and how."""


def assemble(folder: Path) -> None:
    """``NAME.wav`` and ``NAME.txt`` of every recording; raises `CannotAssemble`."""
    if folder.exists() and any(folder.iterdir()):
        raise CannotAssemble(f"{folder} is there already")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _fetch(root)
        parts = (_prompts, _sonnet, _loudspeakers, _pocketsphinx)
        keep(folder, (said for part in parts for said in part(root)))


def keep(folder: Path, recordings: Iterable[Said]) -> None:
    """All of them, or no folder: half a set would be taken for a whole one."""
    half = folder.with_name(folder.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    for name, pcm, text in recordings:
        with wave.open(str(half / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(pcm.tobytes())
        (half / f"{name}.txt").write_text(text + "\n")
    half.rename(folder)


def _fetch(root: Path) -> None:
    """The packages, unpacked side by side in ``root``."""
    _run(["apt-get", "download", "-qq", *_DEBIAN], root)
    for package in root.glob("*.deb"):
        _run(["dpkg-deb", "-x", package.name, "."], root)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    _run([*pip, "--no-binary", _PYPI.partition("==")[0], _PYPI], root)
    for package in root.glob("*.tar.gz"):
        with tarfile.open(package) as files:
            files.extractall(root, filter="data")


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError as missing:
        raise CannotAssemble(str(missing)) from None
    except subprocess.CalledProcessError as failed:
        raise CannotAssemble(f"{' '.join(command)}: {failed.stderr[-500:]}") from None


def _prompts(root: Path) -> Iterator[Said]:
    """Sentences that are written as they are spoken, until there is enough."""
    [listed] = root.glob("usr/share/doc/asterisk-core-sounds-en/*.txt.gz")
    [sounds] = root.glob("usr/share/asterisk/sounds/en_US_*")
    samples = 0
    for line in gzip.decompress(listed.read_bytes()).decode().splitlines():
        name, _, text = line.partition(": ")
        plain = not re.search(_NOT_AS_SPOKEN, text)
        if not 70 < len(text) < 260 or not plain or samples > RATE * _PROMPTS_S:
            continue
        pcm = _decoded(sounds / f"{name}.g722", "g722")
        samples += len(pcm)
        yield f"allison-{name.replace('/', '-')}", pcm, _spelt(text)


def _sonnet(root: Path) -> Iterator[Said]:
    [folder] = root.glob("aeneas_ng-*/aeneas/tools/res")
    pcm = _decoded(folder / "audio.mp3")
    for line in json.loads((folder / "sonnet.json").read_text())["fragments"][1:]:
        first, last = (round(RATE * float(line[at])) for at in ("begin", "end"))
        yield f"sonnet-{line['id']}", pcm[first:last], " ".join(line["lines"])


def _loudspeakers(root: Path) -> Iterator[Said]:
    folder = root / "usr/share/sounds/alsa"
    pieces = [_decoded(folder / f"{name}.wav") for name in _ALSA]
    text = " ".join(name.replace("_", " ").lower() for name in _ALSA)
    yield "alsa", np.concatenate([x for p in pieces for x in (p, _PAUSE)]), text


def _pocketsphinx(root: Path) -> Iterator[Said]:
    folder = root / "usr/share/pocketsphinx/test/data"
    for kind, transcripts in (
        ("librivox", folder / "librivox/transcription"),
        ("cards", folder / "cards/cards.transcription"),
    ):
        for text, name in re.findall(
            r"<s> (.*?) +</s> \((.*)\)", transcripts.read_text()
        ):
            pcm = _decoded(folder / kind / f"{name}.wav")
            yield f"{kind}-{name[-4:]}", pcm, text
    for name, text in _ORDERS.items():
        yield f"orders-{name}", _decoded(folder / f"{name}.raw", "s16le"), text


def _decoded(path: Path, kind: str | None = None) -> Pcm:
    """Any sound file as mono at 24 kHz; ``kind`` where its name does not tell."""
    raw = {"sample_rate": "16000"} if kind == "s16le" else {}
    resampler = av.AudioResampler("s16", "mono", RATE)
    pieces = []
    with av.open(str(path), format=kind, options=raw) as file:
        for frame in file.decode(audio=0):
            frame.time_base = Fraction(1, frame.sample_rate)
            pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(pieces)


def _spelt(text: str) -> str:
    return re.sub(r"\d", lambda digit: _DIGITS[int(digit[0])], text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    try:
        assemble(folder)
    except CannotAssemble as failed:
        raise SystemExit(str(failed)) from None
    print(f"{folder}: {len(list(folder.glob('*.wav')))} recordings")


if __name__ == "__main__":
    main()
