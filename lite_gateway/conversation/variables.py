"""Variables of a context: ``${name}`` in its prompt and its opening text."""

import re
from collections.abc import Mapping

MAX_NAME_LENGTH = 64  # characters
_VARIABLE = re.compile(
    rf"\$\{{([A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME_LENGTH - 1}}})\}}", re.ASCII
)


def variable_names(*texts: str) -> list[str]:
    """Return the names of the variables in ``texts``, each once, as they occur."""
    found = (name for text in texts for name in _VARIABLE.findall(text))
    return list(dict.fromkeys(found))


def replace_variables(text: str, values: Mapping[str, str]) -> str:
    """
    Return ``text`` with each variable replaced by its value.

    A value is inserted as it is: a variable inside of it stays text. A variable
    without a value is a `KeyError` with its name.
    """
    return _VARIABLE.sub(lambda match: values[match[1]], text)
