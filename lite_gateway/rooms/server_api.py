"""LiveKit's server API: create and delete the service's rooms, sign access tokens."""

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from livekit import api

from lite_gateway.errors import RoomUnavailable
from lite_gateway.foreign.connect_errors import connect_problem
from lite_gateway.foreign.text import foreign_text
from lite_gateway.long_steps import LongSteps

log = logging.getLogger(__name__)

AVATAR_IDENTITY = "heygen"  # clients of the hosted service look for it
AGENT_IDENTITY_PREFIX = "agent-"  # of the identity in a livekit_agent_token
_EMPTY_TIMEOUT_S = 60  # LiveKit closes a room that has been empty for so long
REQUEST_TIMEOUT_S = 5.0
T = TypeVar("T")


class LiveKitServerApi:
    """
    Client of LiveKit's server API.

    ``url`` is LiveKit as this server reaches it, ``public_url`` as clients reach it.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        *,
        public_url: str | None = None,
        long_steps: LongSteps | None = None,
    ) -> None:
        self.url = url
        self.public_url = public_url or url
        self._key, self._secret = key, secret
        self._long_steps = long_steps or LongSteps()
        self._api: api.LiveKitAPI | None = None

    async def _request(self, call: Callable[[api.LiveKitAPI], Awaitable[T]]) -> T:
        """
        Make a request, or raise `RoomUnavailable` with the cause.

        The deadline is ours: livekit-api gives each of its requests none. To sign and
        to send a request is a long step of the event loop.
        """
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await self._long_steps.wait()
                if self._api is None:
                    self._api = api.LiveKitAPI(self.url, self._key, self._secret)
                return await call(self._api)
        except TimeoutError:
            raise RoomUnavailable(
                f"no answer within {REQUEST_TIMEOUT_S:.0f} s"
            ) from None
        except Exception as error:  # boundary: errors of LiveKit and odd answers of it
            text = connect_problem(error) or foreign_text(
                str(error) or type(error).__name__,
                secrets=(urlsplit(self.url).netloc, self._key, self._secret),
            )
            raise RoomUnavailable(text) from None

    async def create(self, name: str) -> None:
        """
        Create a room in which subscribers keep audio and video in step.

        A subscriber holds audio back in a jitter buffer, longer while packets come late
        and for seconds after it. Without ``sync_streams`` LiveKit publishes both tracks
        as unrelated streams, and the lips move earlier by all of that.
        """
        request = api.CreateRoomRequest(
            name=name, empty_timeout=_EMPTY_TIMEOUT_S, sync_streams=True
        )
        try:
            await self._request(lambda server: server.room.create_room(request))
        except RoomUnavailable as error:
            log.warning("LiveKit created no room, url=%s: %s", self.url, error)
            raise RoomUnavailable(
                f"the LiveKit server created no room: {error}; "
                "check LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
            ) from None

    async def delete(self, name: str) -> None:
        """
        Delete a room; its participants are disconnected.

        An error is only logged: the room may be gone, or LiveKit down with its rooms.
        LiveKit itself deletes a room that stays empty.
        """
        request = api.DeleteRoomRequest(room=name)
        try:
            await self._request(lambda server: server.room.delete_room(request))
        except RoomUnavailable as error:
            log.info("room not deleted: %s", error)

    async def fault(self) -> str | None:
        """
        Return None if LiveKit answers and accepts our key, else the problem.

        The text is for the operator: it names the address.
        """
        request = api.ListRoomsRequest(names=["-"])
        try:
            await self._request(lambda server: server.room.list_rooms(request))
        except RoomUnavailable as error:
            return f"url={self.url}: {error}; check LIVEKIT_URL"
        return None

    def sign_token(
        self,
        room: str,
        identity: str,
        valid_s: float,
        *,
        agent: bool = False,
        attributes: Mapping[str, str] | None = None,
    ) -> str:
        """
        Return a token to join one room, and to publish, subscribe and send data.

        An ``agent`` is shown as one, and only listens. ``attributes`` are those of the
        participant, which everybody in the room can read.
        """
        grants = api.VideoGrants(
            room_join=True,
            room=room,
            can_publish=not agent,
            can_publish_data=not agent,
            can_subscribe=True,
        )
        token = (
            api.AccessToken(self._key, self._secret)
            .with_identity(identity)
            .with_grants(grants)
            .with_ttl(datetime.timedelta(seconds=valid_s))
        )
        if attributes:
            token = token.with_attributes(dict(attributes))
        return (token.with_kind("agent") if agent else token).to_jwt()

    async def aclose(self) -> None:
        if self._api is not None:
            await self._api.aclose()
            self._api = None
