"""LiveKit's server API: create and delete the service's rooms, sign access tokens."""

import datetime
import logging

import aiohttp
from livekit import api

from lite_gateway.errors import RoomUnavailable

log = logging.getLogger(__name__)

AVATAR_IDENTITY = "heygen"  # clients of the hosted service look for it
AGENT_IDENTITY_PREFIX = "agent-"  # of the identity in a livekit_agent_token
_EMPTY_TIMEOUT_S = 60  # LiveKit closes a room that has been empty for so long
_REQUEST_TIMEOUT_S = 5.0


class LiveKitServerApi:
    """
    Client of LiveKit's server API.

    ``url`` is LiveKit as this server reaches it, ``public_url`` as clients reach it.
    """

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
                timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S),
            )
        return self._api

    async def create(self, name: str) -> None:
        request = api.CreateRoomRequest(name=name, empty_timeout=_EMPTY_TIMEOUT_S)
        try:
            await self._server().room.create_room(request)
        except (api.TwirpError, aiohttp.ClientError, TimeoutError) as error:
            raise RoomUnavailable(
                f"the LiveKit server at {self.url} created no room: {error}; "
                "check LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
            ) from None

    async def delete(self, name: str) -> None:
        """
        Delete a room; its participants are disconnected.

        An error is only logged: the room may be gone, or LiveKit down with its rooms.
        """
        try:
            await self._server().room.delete_room(api.DeleteRoomRequest(room=name))
        except (api.TwirpError, aiohttp.ClientError, TimeoutError) as error:
            log.info("room not deleted: %s", error)

    async def fault(self) -> str | None:
        """Return None if LiveKit answers and accepts our key, else the problem."""
        try:
            await self._server().room.list_rooms(api.ListRoomsRequest(names=["-"]))
        except (api.TwirpError, aiohttp.ClientError, TimeoutError) as error:
            return f"LiveKit at {self.url}: {error or type(error).__name__}"
        return None

    def sign_token(self, room: str, identity: str, valid_s: float) -> str:
        """Return a token to join one room, and to publish, subscribe and send data."""
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
