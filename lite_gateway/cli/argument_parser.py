"""Parser of the command line whose errors repeat no value."""

import argparse
import re
from typing import NoReturn

_VALUE_OF_OPTION = re.compile(r"(--?[a-z][\w-]*)=\S*", re.ASCII)
_QUOTED_VALUE = re.compile(r"(invalid \w+ value|ignored explicit argument):? '.*'")
_UNRECOGNIZED = "unrecognized arguments: "


class QuietParser(argparse.ArgumentParser):
    """
    Parser whose errors name options only.

    The value of an option, also of one that is spelt wrongly, can be a secret, and
    what a command prints is often kept.
    """

    def error(self, message: str) -> NoReturn:
        """Print the error without values, and exit with status 2."""
        if message.startswith(_UNRECOGNIZED):
            words = message.removeprefix(_UNRECOGNIZED).split()
            options = [word for word in words if word.startswith("-")]
            message = _UNRECOGNIZED + (" ".join(options) or "a word without an option")
        message = _VALUE_OF_OPTION.sub(r"\1", message)
        super().error(_QUOTED_VALUE.sub(r"\1", message))
