"""Choice of the avatar that a request names."""

from sqlalchemy import select

from lite_gateway.avatars import AvatarPackages
from lite_gateway.errors import Refused
from lite_gateway.store.engine import Store
from lite_gateway.store.models import AvatarOverrideRow
from renderer.avatar import Avatar


class AvatarSelection:
    """Avatars by the names and ids that clients send."""

    def __init__(self, packages: AvatarPackages, store: Store, default: str) -> None:
        self._packages = packages
        self._store = store
        self._default = default

    async def select(self, requested: str) -> tuple[Avatar, str]:
        """
        Return the avatar with that id or name, and a warning for the client.

        A name is the package's, or the one that it was given over the API. Clients of
        the hosted service send uuids that exist only there: they get the default
        avatar and a warning, so that they need to change the URL only.
        """
        avatar = self._packages.find(requested) or await self._renamed(requested)
        if avatar is not None:
            return avatar, ""
        if broken := self._packages.find_broken(requested):
            raise Refused(422, "avatar {}: its package is broken: {}".format(*broken))
        names = ", ".join(sorted(self._packages.catalog.avatars)) or "none"
        default = self._packages.find(self._default)
        if default is None or not _is_uuid(requested):
            raise Refused(404, f"unknown avatar {requested[:60]!r}; available: {names}")
        warning = (
            f"unknown avatar {requested}: showing {default.name}; available: {names}"
        )
        return default, warning

    async def _renamed(self, requested: str) -> Avatar | None:
        if not requested.isprintable():
            return None
        query = (
            select(AvatarOverrideRow.package)
            .where(AvatarOverrideRow.name == requested)
            .limit(1)
        )
        package = await self._store.read(lambda db: db.scalar(query))
        return self._packages.find(package) if package else None


def _is_uuid(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
