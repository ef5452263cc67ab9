"""Fixture that runs commands of `lite-gateway`."""

from dataclasses import dataclass

import pytest

from lite_gateway.__main__ import main


@dataclass
class Completed:
    """Result of a command."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def lite_gateway(capsys):
    """Return a function that runs a command in this process, which is fast."""

    def run(*arguments: object, **env: str) -> Completed:
        with pytest.raises(SystemExit) as exit_info:
            main(list(map(str, arguments)), {"HOME": "/nonexistent", **env})
        output, code = capsys.readouterr(), exit_info.value.code
        if isinstance(code, str):  # `sys.exit` prints a text and ends with status 1
            return Completed(1, output.out, code)
        return Completed(int(code or 0), output.out, output.err)

    return run
