"""
Arguments of the program by its stdin, as one line of JSON.

Every user of a machine may read the command lines of all: the name of a person is in
none.
"""

import json
import os

_STDIN = 0


def read_arguments() -> list[str]:
    """
    Return the list in the first line of stdin.

    Nothing behind that line is read. Raises `SystemExit` for anything else.
    """
    line = bytearray()
    while (byte := os.read(_STDIN, 1)) not in (b"", b"\n"):
        line += byte
    try:
        arguments = json.loads(line)
    except ValueError:
        arguments = None
    if not isinstance(arguments, list):
        raise SystemExit("ERROR stdin must begin with a JSON list of arguments")
    return [str(argument) for argument in arguments]
