"""Permission to speak through an avatar by data stream."""

from dataclasses import dataclass
from typing import Self

NONE, ANY = "none", "any"


@dataclass(frozen=True, slots=True)
class SenderPermissions:
    """
    Identities that may send speech and calls.

    Allowed are the owner, which the avatar's own token names; any agent, if the token
    names no owner; and the identities of the operator's setting ``external_audio``.
    """

    owner: str
    others: frozenset[str]
    allow_all: bool = False

    @classmethod
    def parse(cls, owner: str, setting: str) -> Self:
        """Read ``setting``: none, any, or identities separated by commas."""
        names = {part.strip() for part in setting.split(",")} - {"", NONE}
        return cls(owner, frozenset(names - {ANY}), allow_all=ANY in names)

    def allows(self, identity: str, *, is_agent: bool) -> bool:
        if self.allow_all or identity in self.others:
            return True
        return identity == self.owner if self.owner else is_agent
