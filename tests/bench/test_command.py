"""Command `python -m bench`: what is wrong is said before anything is measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import SCENARIOS, main

ROOT = Path(__file__).parents[2]
SHOW_HELP = """
import contextlib, sys
from bench.__main__ import main
for arguments in (["--help"], ["latency", "--help"], ["render", "--help"]):
    with contextlib.suppress(SystemExit):
        main(arguments)
    print(sorted({"torch", "scipy"} & sys.modules.keys()))
"""


def said(capsys, *arguments: object) -> str:
    """Run a command that must fail; return its text."""
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    code = exit_info.value.code
    assert code not in (None, 0)
    return f"{capsys.readouterr().err}{code}"


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_results_that_could_not_be_written_are_refused_first(option, capsys, tmp_path):
    for path in (tmp_path / "no" / "out", tmp_path):
        text = said(capsys, "protocol", option, path)
        assert f"{option}: {path} is not a file in a folder that exists" in text


@pytest.mark.parametrize("content", [None, "{bad", '{"frames": []}', "7", "\0\xff"])
def test_a_file_that_is_no_saved_run_is_named(content, capsys, tmp_path):
    path, good = tmp_path / "run.json", tmp_path / "good.json"
    good.write_text(json.dumps({"reports": []}))
    if content is not None:
        path.write_text(content, "latin-1")
    for arguments in (("readme", path), ("compare", good, path)):
        text = said(capsys, *arguments)
        assert text.startswith(f"bench: {path} cannot be read (")
        assert "--json has written" in text


def test_a_wrong_size_or_device_is_refused_with_those_that_exist(capsys):
    assert "WIDTHxHEIGHT with even" in said(capsys, "render", "--sizes", "3x3")
    assert "'cuda'" in said(capsys, "render", "--device", "tpu")


def test_help_names_every_scenario_and_imports_no_heavy_library():
    done = subprocess.run(
        [sys.executable, "-c", SHOW_HELP],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert all(f"\n    {name}" in done.stdout for name in SCENARIOS)
    assert "--starts" in done.stdout  # an option of one scenario
    assert done.stdout.count("[]\n") == 3
