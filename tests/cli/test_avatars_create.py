"""Command ``avatars create``: consent, and what is refused before anything is made."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import psutil
import pytest

from creation.__main__ import main as create_package
from lite_gateway.cli import avatars_create
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


def create(folder, *arguments, answer=None):
    command = [sys.executable, "-m", "lite_gateway", "avatars", "create", *arguments]
    return subprocess.run(
        command, cwd=folder, input=answer, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def is_empty(folder):
    return [path.name for path in folder.iterdir()] == ["eve.jpg"]


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a file that is no picture."""
    (tmp_path / "eve.jpg").write_text("no picture")
    return tmp_path


@pytest.mark.process
def test_without_consent_nothing_is_made(folder):
    done = create(folder, "eve.jpg", "-o", "eve", answer="yes\n")

    assert done.returncode == 2
    assert "no_consent" in done.stderr
    assert "I have this person's consent to make them speak" in done.stderr
    assert is_empty(folder)


@pytest.mark.process
def test_a_program_reads_that_consent_is_missing(folder):
    done = create(folder, "eve.jpg", "-o", "eve", "--json")

    assert done.returncode == 2
    assert json.loads(done.stdout)["code"] == "no_consent"
    assert is_empty(folder)


@pytest.mark.parametrize(
    ("answers", "by"),
    [
        (["yes", " Eve A. "], "Eve A."),
        (["Y", "Eve"], "Eve"),
        (["no"], None),
        ([""], None),
        ([], None),  # the end of the input, by Ctrl-D
        (["yes"], None),
        (["yes", " "], None),
    ],
)
def test_consent_is_a_yes_and_a_name(monkeypatch, answers, by):
    left = iter(answers)

    def answer(*_):
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.console.Console.input", answer)

    assert avatars_create._consent(None) == by


@pytest.mark.parametrize("given", ["", "  "])
def test_an_empty_name_is_no_consent(given):
    assert avatars_create._consent(given) is None


def test_values_that_begin_with_a_dash_reach_the_program(folder, capsys):
    args = Namespace(
        output=folder / "-eve", title="--title", background="-x.jpg", smile=-1.0,
        jaw=None, donor=None,
    )  # fmt: skip

    arguments = avatars_create._arguments(args, Path("-eve.jpg"), "-Eve")

    assert create_package(["--json", *arguments]) == 2
    refused = json.loads(capsys.readouterr().out)
    assert (refused["code"], "'-x.jpg'" in refused["text"]) == ("background", True)


@pytest.mark.process
@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_that_is_no_picture_is_refused_with_its_code(folder, as_json):
    arguments = ["eve.jpg", "-o", "eve", "--consent", "Eve"]

    done = create(folder, *arguments, *(["--json"] if as_json else []))

    assert done.returncode == 2, done.stderr
    assert "not_a_picture" in done.stdout
    assert ('{"type": "refused"' in done.stdout) == as_json
    assert is_empty(folder)


@pytest.mark.process
def test_other_users_of_the_machine_see_no_name_in_the_command_of_the_program(folder):
    wait = folder / "wait"  # a background that the program waits for
    os.mkfifo(wait)
    command = [sys.executable, "-m", "lite_gateway", "avatars", "create", "eve.jpg"]
    options = ["-o", "eve", "--consent", "Zuleika", "--background", str(wait)]
    with subprocess.Popen(
        [*command, *options], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    ) as child:  # fmt: skip
        writer = until(lambda: opened(wait))
        [program] = psutil.Process(child.pid).children()
        line = program.cmdline()
        os.close(writer)
        answer = child.stdout.read()

    assert "background: " in answer
    assert "creation" in line
    assert "Zuleika" not in " ".join(line)


def opened(fifo: Path) -> int | None:
    """Return a descriptor to write to a FIFO that somebody reads."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no photo is named"),
        (["adam.jpg", "-o", "eve"], "is not a file"),
        (["eve.jpg"], "--output: is missing"),
    ],
)
def test_what_is_missing_is_named(folder, arguments, text):
    done = create(folder, *arguments, "--consent", "Eve")

    assert done.returncode == 1
    assert text in done.stderr
    assert is_empty(folder)
