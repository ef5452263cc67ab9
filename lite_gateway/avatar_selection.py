"""Choice of the avatar that a request names."""

import asyncio
import logging

from sqlalchemy import select

from lite_gateway.avatars import AvatarPackages
from lite_gateway.errors import Refused
from lite_gateway.store.engine import Store
from lite_gateway.store.models import AvatarOverrideRow
from renderer.avatar import Avatar

log = logging.getLogger(__name__)


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

    def default(self) -> Avatar | None:
        """Return the default avatar, or another one if there is no such avatar."""
        found = self._packages.find(self._default)
        return found or next(iter(self._packages.catalog.avatars.values()), None)

    async def first(self, rescanned: asyncio.Event) -> Avatar:
        """
        Return `default`, as soon as there is an avatar; log what is missing.

        ``rescanned`` is set after each rescan of the packages.
        """
        if self.default() is None:
            log.error(
                "not ready: there is no avatar; put a package into the folder of "
                "--avatars (LITE_AVATARS), and it is loaded within seconds"
            )
        while (avatar := self.default()) is None:
            rescanned.clear()
            await rescanned.wait()
        if self._packages.find(self._default) is None:
            log.warning(
                "there is no avatar %s, the default: calls that name no avatar of this "
                "server are refused; name another one with --default-avatar "
                "(LITE_DEFAULT_AVATAR)",
                self._default,
            )
        return avatar

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
