"""Who may speak through an avatar."""

from dataclasses import dataclass
from typing import Self

NONE, ANY = "none", "any"


@dataclass(frozen=True, slots=True)
class SenderPermissions:
    """
    The owner, as the avatar's own token names it; an agent, where it names nobody;
    and those of the operator's setting ``external_audio``.
    """

    owner: str
    others: frozenset[str]
    anybody: bool = False

    @classmethod
    def of(cls, owner: str, setting: str) -> Self:
        """``setting`` is none, any, or identities with commas."""
        named = {part.strip() for part in setting.split(",")} - {"", NONE}
        return cls(owner, frozenset(named - {ANY}), anybody=ANY in named)

    def may(self, identity: str, *, is_agent: bool) -> bool:
        if self.anybody or identity in self.others:
            return True
        return identity == self.owner if self.owner else is_agent
