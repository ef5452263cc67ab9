"""Reader of ``avatar.json``; its errors name the field and what it should be."""

import datetime
import json
import unicodedata

from renderer.package import MANIFEST, BrokenAvatar
from renderer.portrait.background import is_colour

MAX_TEXT_CHARACTERS = 200
# Unicode's categories of control characters, halves of surrogate pairs, line breaks.
_UNLISTABLE = {"Cc", "Cs", "Zl", "Zp"}


class JsonObject:
    """Reader of a JSON object; its errors name the field, with its path."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise BrokenAvatar(f"{path or MANIFEST} must be a JSON object")
        self._fields: dict[str, object] = value
        self._prefix = path + "." if path else ""

    @classmethod
    def parse(cls, text: bytes) -> "JsonObject":
        """Parse the manifest. Raises `BrokenAvatar` if it is not a JSON object."""
        try:
            return cls(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise BrokenAvatar(f"{MANIFEST} is not JSON: {error}") from error

    def refuse_others(self, allowed: set[str]) -> None:
        """Raise `BrokenAvatar` if there is a field that is not ``allowed``."""
        for name in self._fields:
            if name not in allowed:
                raise BrokenAvatar(
                    f"unknown field {self._prefix}{name}; the fields are: "
                    + ", ".join(sorted(allowed))
                )

    def has_field(self, name: str) -> bool:
        """Tell whether a field is there."""
        return name in self._fields

    def has(self, name: str, value: str) -> bool:
        """Tell whether a field is there and has this value."""
        return self._fields.get(name) == value

    def child(self, name: str) -> "JsonObject":
        return JsonObject(self._get(name, "a JSON object"), self._prefix + name)

    def text(self, name: str) -> str:
        expected = f"a text of 1 to {MAX_TEXT_CHARACTERS} characters on one line"
        value = self._get(name, expected)
        if not isinstance(value, str) or not _is_listable(value):
            raise self._wrong(name, value, expected)
        return value

    def require_number(self, name: str, number: int) -> None:
        """Raise `BrokenAvatar` unless a field has this value."""
        expected = f"{number}, which is what this server reads"
        value = self._get(name, expected)
        if isinstance(value, bool) or value != number:
            raise self._wrong(name, value, expected)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        expected = "one of " + ", ".join(choices)
        value = self._get(name, expected)
        if not isinstance(value, str) or value not in choices:
            raise self._wrong(name, value, expected)
        return value

    def colour(self, name: str) -> str:
        expected = 'a colour such as "#1a2b3c"'
        value = self._get(name, expected)
        if not isinstance(value, str) or not is_colour(value):
            raise self._wrong(name, value, expected)
        return value

    def date(self, name: str) -> str:
        expected = 'a date such as "2026-11-29"'
        value = self._get(name, expected)
        if not isinstance(value, str) or not _is_date(value):
            raise self._wrong(name, value, expected)
        return value

    def _get(self, name: str, expected: str) -> object:
        if name not in self._fields:
            raise BrokenAvatar(f"{self._prefix}{name} is missing: add {expected}")
        return self._fields[name]

    def _wrong(self, name: str, value: object, expected: str) -> BrokenAvatar:
        text = json.dumps(value)[:60]
        return BrokenAvatar(f"{self._prefix}{name} is {text}, expected {expected}")


def _is_listable(text: str) -> bool:
    """Tell whether a text can be shown in one line of a list, on any output."""
    return 0 < len(text.strip()) <= len(
        text
    ) <= MAX_TEXT_CHARACTERS and not _UNLISTABLE & {
        unicodedata.category(character) for character in text
    }


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
