"""Libraries that a command imports: `--help` and clients must not wait for torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lite_gateway.__main__ import main

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "livekit", "sqlalchemy", "alembic", "fastapi", "uvicorn", "PIL"}
CLIENT = {"av", "aiohttp", "websockets", "numpy", "soxr", "rich"}
COMMANDS = ("serve", "dev", "worker", "render", "face", "avatars", "keys", "secrets")
PRINT_IMPORTS = """
import contextlib, io, json, sys
from lite_gateway.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    try:
        main(sys.argv[1:], {"HOME": "/nonexistent"})
    except SystemExit as end:
        status = end.code
roots = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([status, roots]))
"""
SHOW_HELP = f"""
import contextlib, sys
from lite_gateway.__main__ import main
for command in {("speak", *COMMANDS)}:
    with contextlib.suppress(SystemExit):
        main([command, "--help"], {{}})
    heavy = {HEAVY | CLIENT} & sys.modules.keys()
    assert not heavy, (command, heavy)
"""


def run(*arguments: object) -> tuple[object, set[str]]:
    """Return the exit status of a command and the packages that it imported."""
    command = [sys.executable, "-c", PRINT_IMPORTS, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    status, roots = json.loads(done.stdout)
    return status, set(roots)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["speak", "--help"]])
def test_help_and_version_import_no_heavy_library(arguments):
    status, roots = run(*arguments)
    assert status == 0
    assert not roots & (HEAVY | CLIENT)


def test_speak_imports_only_what_a_client_needs():
    hello = ROOT / "web" / "samples" / "hello.wav"
    # No gateway listens on port 1, so the command fails after it has imported all.
    status, roots = run("speak", hello, "--url", "http://127.0.0.1:1")
    assert "the gateway did not answer" in str(status)
    assert roots >= CLIENT
    assert not roots & HEAVY


@pytest.mark.parametrize("arguments", [["list"], ["create", "robot"]])
def test_keys_does_not_wait_for_torch(tmp_path, arguments):
    status, roots = run("keys", *arguments, "--database", tmp_path / "state.db")
    assert status == 0
    assert "sqlalchemy" in roots
    assert not roots & {"torch", "livekit", "fastapi", "av"}


def test_every_command_shows_its_help_without_heavy_libraries():
    subprocess.run([sys.executable, "-c", SHOW_HELP], cwd=ROOT, check=True)


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"], {})
    output = capsys.readouterr().out
    assert all(f"\n    {name} " in output for name in ("speak", *COMMANDS))


def test_the_command_that_makes_an_avatar_leaves_torch_to_its_program():
    photo = ROOT / "assets" / "avatars" / "mira" / "plate.webp"
    status, roots = run("avatars", "create", photo, "-o", "mira", "--consent", "")
    assert status == 2  # without consent
    assert not roots & HEAVY
