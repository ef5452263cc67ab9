"""The service's own rooms: made, handed out as tokens, torn down."""

import datetime
import logging

import aiohttp
from livekit import api

from lite_gateway.errors import RoomUnavailable

log = logging.getLogger(__name__)

AVATAR_IDENTITY = "heygen"  # clients of the service look for this name
AGENT_IDENTITY_PREFIX = "agent-"  # begins the identity in a livekit_agent_token
_EMPTY_S = 60  # LiveKit closes a room by itself when nobody has been in it so long
_ASK_S = 5.0


class Rooms:
    """``public_url`` is where clients reach LiveKit, ``url`` where this server does."""

    def __init__(
        self, url: str, key: str, secret: str, *, public_url: str | None = None
    ) -> None:
        self.url = url
        self.public_url = public_url or url
        self._key, self._secret = key, secret
        self._api: api.LiveKitAPI | None = None

    def _server(self) -> api.LiveKitAPI:
        if self._api is None:
            self._api = api.LiveKitAPI(
                self.url,
                self._key,
                self._secret,
                timeout=aiohttp.ClientTimeout(total=_ASK_S),
            )
        return self._api

    async def create(self, name: str) -> None:
        request = api.CreateRoomRequest(name=name, empty_timeout=_EMPTY_S)
        try:
            await self._server().room.create_room(request)
        except (api.TwirpError, aiohttp.ClientError, TimeoutError) as failed:
            raise RoomUnavailable(
                f"the LiveKit server at {self.url} did not make a room: {failed}; "
                "check LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
            ) from None

    async def delete(self, name: str) -> None:
        """Everybody leaves. A server that is away has no room left to delete."""
        try:
            await self._server().room.delete_room(api.DeleteRoomRequest(room=name))
        except (api.TwirpError, aiohttp.ClientError, TimeoutError) as failed:
            log.info("room was gone before it was deleted: %s", failed)

    async def fault(self) -> str | None:
        """None when LiveKit answers and takes our key; else what is wrong."""
        try:
            await self._server().room.list_rooms(api.ListRoomsRequest(names=["-"]))
        except (api.TwirpError, aiohttp.ClientError, TimeoutError) as failed:
            return f"LiveKit at {self.url}: {failed or type(failed).__name__}"
        return None

    def sign_token(self, room: str, identity: str, valid_s: float) -> str:
        """A token to join, publish, subscribe and send data in one room."""
        grants = api.VideoGrants(room_join=True, room=room)
        return (
            api.AccessToken(self._key, self._secret)
            .with_identity(identity)
            .with_grants(grants)
            .with_ttl(datetime.timedelta(seconds=valid_s))
            .to_jwt()
        )

    async def aclose(self) -> None:
        if self._api is not None:
            await self._api.aclose()
            self._api = None
