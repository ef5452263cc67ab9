"""Program `creation`: a photo becomes a package, or nothing is left behind."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from creation import __main__ as program
from creation import maker
from creation.backgrounds import PlateBackground
from creation.picture import MAX_BYTES
from creation.vision import weights
from creation.writer import CONSENT, Manifest
from lite_gateway.cli import avatars_create
from lite_gateway.config import shipped_avatars
from tests.creation import people
from tests.waiting import until


def run(argv, capsys):
    """Run the program with arguments and return its status and its lines."""
    status = program.main(argv)
    out = capsys.readouterr().out.splitlines()
    return status, [json.loads(line) for line in out]


def arguments(photo, out, *more):
    names = ["--title", "Eve", "--by", "Eve A.", "--avatars", str(shipped_avatars())]
    return [str(photo), "-o", str(out), *names, "--json", *more]


@pytest.fixture
def photo(plates, tmp_path):
    """Return a JPEG file of theo with a place in its EXIF."""
    pixels = np.round(plates["theo"] * 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x010E] = "SECRET-PLACE"
    path = tmp_path / "eve.jpg"
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    return path


def test_both_programs_ask_for_the_same_consent():
    assert avatars_create.CONSENT == CONSENT


def test_what_is_asked_for_is_made_and_told(photo, capsys, monkeypatch):
    """`tests/e2e/create/test_real_photo.py` makes a real one."""
    asked = []

    def make(content, wishes, out, avatars, report):
        asked.append((content, wishes, out, avatars))
        report.progress("done", 1.0)
        return maker.Made(out, maker.preview_of(out), "theo")

    monkeypatch.setattr(program, "make_package", make)
    out = photo.parent / "eve"

    status, lines = run(arguments(photo, out, "--background", "#204060"), capsys)

    assert status == 0
    assert lines == [
        {"type": "progress", "step": "done", "share": 1.0},
        {
            "type": "done", "package": str(out), "preview": f"{out}.png",
            "donor": "theo",
        },
    ]  # fmt: skip
    [(content, wishes, *folders)] = asked
    assert content == photo.read_bytes()
    assert wishes.background == PlateBackground("colour", colour="#204060")
    manifest = wishes.manifest
    assert (manifest.title, manifest.by, manifest.consent) == ("Eve", "Eve A.", CONSENT)
    assert (manifest.centre, manifest.edge) == ("#204060", "#204060")
    assert folders == [out, shipped_avatars()]


@pytest.mark.parametrize("kind", ["grey", "text", "empty"])
def test_a_photo_without_a_face_leaves_nothing(networks, tmp_path, capsys, kind):
    grey = io.BytesIO()
    Image.new("RGB", (400, 300), (128, 120, 110)).save(grey, "JPEG")
    content = {"grey": grey.getvalue(), "text": b"no picture", "empty": b""}[kind]
    photo = tmp_path / "eve.jpg"
    photo.write_bytes(content)

    status, lines = run(arguments(photo, tmp_path / "eve"), capsys)

    assert status == 2
    code = "no_face" if kind == "grey" else "not_a_picture"
    assert (lines[-1]["type"], lines[-1]["code"]) == ("refused", code)
    assert lines[-1]["text"].endswith(".")
    assert list(tmp_path.iterdir()) == [photo]


def test_an_existing_folder_and_an_unknown_background_are_refused(tmp_path, capsys):
    photo = tmp_path / "eve.jpg"
    photo.write_bytes(b"")

    _, existing = run(arguments(photo, tmp_path), capsys)
    more = ("--background", "stripes")
    _, unknown = run(arguments(photo, tmp_path / "eve", *more), capsys)

    assert existing[-1]["code"] == "exists"
    assert unknown[-1]["code"] == "background"
    assert "a colour such as #93a8b0" in unknown[-1]["text"]


def test_a_preview_never_takes_the_place_of_a_file_such_as_the_photo(tmp_path, capsys):
    photo = tmp_path / "eve.png"
    photo.write_bytes(b"photo")

    status, lines = run(arguments(photo, tmp_path / "eve"), capsys)

    assert (status, lines[-1]["code"]) == (2, "exists")
    assert str(photo) in lines[-1]["text"]
    assert photo.read_bytes() == b"photo"


@pytest.mark.parametrize(
    ("name", "option", "problem"),
    [
        ("eve.1", [], "name 'eve.1'"),
        ("eve.zip", [], "name a folder"),
        ("eve", ["--title", "E" * 300], "title"),
        ("eve", ["--by", "Eve\nA."], "by"),
        ("eve", ["--title", "Eve\u202e"], "title has the character U+202E"),
        ("eve", ["--smile", "nan"], "--smile nan"),
        ("eve", ["--jaw", "7"], "--jaw 7"),
    ],
)
def test_what_no_package_can_have_is_refused_at_once(
    tmp_path, capsys, name, option, problem
):
    photo = tmp_path / "eve.jpg"
    photo.write_bytes(b"")

    status, lines = run(arguments(photo, tmp_path / name, *option), capsys)

    assert (status, lines[-1]["code"]) == (2, "wrong_option")
    assert problem in lines[-1]["text"]
    assert list(tmp_path.iterdir()) == [photo]


def test_a_refused_photo_leaves_no_parents_of_the_package(tmp_path, capsys):
    photo = tmp_path / "eve.jpg"

    _, missing = run(arguments(photo, tmp_path / "new" / "eve"), capsys)
    photo.write_bytes(b"no picture")
    _, damaged = run(arguments(photo, tmp_path / "new" / "eve"), capsys)
    with photo.open("wb") as file:
        file.truncate(MAX_BYTES + 1000)
    _, large = run(arguments(photo, tmp_path / "new" / "eve"), capsys)

    codes = [lines[-1]["code"] for lines in (missing, damaged, large)]
    assert codes == ["not_read", "not_a_picture", "too_large"]
    assert list(tmp_path.iterdir()) == [photo]


def test_missing_weights_are_named(plates, photo, capsys, monkeypatch):
    weights.loaded.cache_clear()
    monkeypatch.setattr(weights, "WEIGHTS", photo.parent / "none.npz")

    status, lines = run(arguments(photo, photo.parent / "eve"), capsys)

    assert (status, lines[-1]["code"]) == (2, "not_installed")
    assert "make setup" in lines[-1]["text"]


class Silent:
    """Receiver of reports that drops them."""

    def progress(self, step, share):
        pass


class Interrupted(BaseException):
    """Stand for what a signal raises, at any place."""


def fails(error):
    def function(*_):
        raise error

    return function


@pytest.mark.parametrize("step", ["_write", "draw_preview", "rename"])
def test_what_fails_later_leaves_nothing(tmp_path, monkeypatch, step):
    out, steps = tmp_path / "kept" / "new" / "newer" / "eve", {
        "read_face": lambda *_: None,
        "_write": lambda *_: None,
        "load": lambda _: None,
        "draw_preview": lambda _: Image.new("RGB", (8, 8)),
    }  # fmt: skip
    (tmp_path / "kept").mkdir()
    if step == "rename":  # a link that leads nowhere cannot become the package
        out.parent.mkdir(parents=True)
        out.symlink_to("nowhere")
    else:
        steps[step] = fails(Interrupted())
    for name, function in steps.items():
        monkeypatch.setattr(maker, name, function)
    wishes = maker.Wishes(Manifest("Eve", "Eve", "2026-01-01"), PlateBackground())

    with pytest.raises((Interrupted, OSError)):
        maker.make_package(b"", wishes, out, Path(), Silent())

    if step == "rename":
        assert [*out.parent.iterdir()] == [out]
    else:
        assert [*tmp_path.rglob("*")] == [tmp_path / "kept"]


@pytest.mark.process
@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
def test_a_signal_leaves_nothing(networks, photo, signals):
    command = [sys.executable, "-m", "creation", *arguments(photo, "eve")]
    with subprocess.Popen(
        command, cwd=photo.parent, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(program.__file__).parents[1])},
    ) as child:  # fmt: skip
        steps = (json.loads(line).get("step") for line in child.stdout)
        assert "fit" in steps  # reads until then
        assert len([*photo.parent.iterdir()]) == 2  # photo, and unfinished files
        for number in signals:
            child.send_signal(number)
        child.stdout.read()

    assert child.returncode == 128 + signals[0]
    assert list(photo.parent.iterdir()) == [photo]


def start(photo, *options):
    """Start the program of a gateway's job; its stdin keeps it alive."""
    root = Path(program.__file__).parents[1]
    command = [sys.executable, "-m", "creation.job", "3000", "600"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    line = json.dumps(arguments(photo, photo.parent / "eve", *options))
    child.stdin.write(line + "\n")
    child.stdin.flush()
    return child


@pytest.mark.process
def test_a_job_ends_with_its_gateway_and_leaves_nothing(networks, photo):
    with start(photo) as child:
        assert json.loads(child.stdout.readline())["type"] == "progress"
        child.stdin.close()
        child.stdout.read()

    assert child.returncode == 128 + signal.SIGTERM
    assert list(photo.parent.iterdir()) == [photo]


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has it")
def test_a_job_has_the_lowest_priority_and_limits(photo):
    with start(photo) as child:
        limit = (3000 << 20,) * 2
        # Before it imports what takes long.
        until(lambda: resource.prlimit(child.pid, resource.RLIMIT_DATA) == limit)
        until(lambda: resource.prlimit(child.pid, resource.RLIMIT_CPU)[0] == 600)
        priority = os.getpriority(os.PRIO_PROCESS, child.pid)
        policy = os.sched_getscheduler(child.pid)
        status = Path(f"/proc/{child.pid}/status").read_text()
        child.stdin.close()
        child.stdout.read()

    assert (priority, policy) == (19, os.SCHED_IDLE)
    assert "Umask:\t0077" in status.splitlines()  # files are for this user only


@pytest.mark.parametrize(
    ("name", "turned"), [("eva", 0), ("quarter_turned", 270), ("nodded", 0)]
)
def test_the_face_is_told_before_it_is_checked(
    networks, tmp_path, capsys, monkeypatch, name, turned
):
    monkeypatch.setattr(maker, "make_head", fails(KeyError("beyond the face")))

    status, lines = run(arguments(people.path(name), tmp_path / "eve"), capsys)

    [face] = [line for line in lines if line["type"] == "face"]
    assert face["turned"] == turned
    picture = people.photo(name)
    size = picture.shape[1::-1] if turned == 0 else picture.shape[:2]
    assert (face["width"], face["height"]) == size
    points = np.array(face["landmarks"])
    assert points.shape == (478, 2)
    left, top, width, height = face["box"]
    assert np.allclose(points.min(0), (left, top), atol=0.11)
    assert np.allclose(np.ptp(points, 0), (width, height), atol=0.21)
    eyes, chin = points[[33, 263]], points[152]
    assert eyes[0, 0] < eyes[1, 0]  # the right eye is at the left: it is upright
    assert (eyes[:, 1] < chin[1]).all()
    # What fails after that is a line too, and no traceback reaches the output.
    code = "not_frontal" if name == "nodded" else "internal"
    assert (status, lines[-1]["code"]) == (1 if code == "internal" else 2, code)
    assert lines[-1]["text"].endswith(".")
    assert not list(tmp_path.iterdir())


def test_a_fault_of_the_program_is_told_and_its_traceback_is_logged(
    photo, capsys, monkeypatch
):
    monkeypatch.setattr(maker, "read_face", fails(KeyError("beyond the face")))

    status = program.main(arguments(photo, photo.parent / "eve"))

    out, log = capsys.readouterr()
    assert (status, json.loads(out.splitlines()[-1])["code"]) == (1, "internal")
    assert "KeyError: 'beyond the face'" in log
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("half", "sentence"),
    [
        ("me", "This is me."),
        ("consent", "I have this person's consent to make them speak."),
    ],
)
def test_the_half_of_the_sentence_that_was_confirmed_is_recorded(
    photo, capsys, monkeypatch, half, sentence
):
    seen = []
    monkeypatch.setattr(
        program, "make_package", lambda _, wishes, *__: seen.append(wishes.manifest)
    )
    monkeypatch.setattr(program._Sayer, "done", lambda *_: None)

    program.main(arguments(photo, photo.parent / "eve", "--confirmed", half))

    assert json.loads(seen[0].text())["likeness"]["consent"] == sentence


@pytest.mark.parametrize("name", ["two_faces", "sunglasses"])
def test_a_picture_of_no_use_is_refused_with_its_code(networks, tmp_path, capsys, name):
    status, lines = run(arguments(people.path(name), tmp_path / "eve"), capsys)

    assert status == 2
    assert lines[-1]["code"] == people.REFUSED[name]
    assert not list(tmp_path.iterdir())
