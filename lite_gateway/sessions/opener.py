"""Opener of sessions: the room, token, limits and speech input of each."""

import contextlib
import time
from functools import partial

from lite_gateway.avatars import AvatarPackages
from lite_gateway.config import Config
from lite_gateway.conversation.input import ConversationInput
from lite_gateway.conversation.starter import ConversationStarter
from lite_gateway.datastream.input import DataStreamInput
from lite_gateway.errors import Refused, RoomUnavailable
from lite_gateway.foreign.addresses import AddressGuard
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.rooms.server_api import AVATAR_IDENTITY, LiveKitServerApi
from lite_gateway.sessions.assembly import (
    LiveSession,
    OpenInput,
    SessionFactory,
    SessionPlan,
)
from lite_gateway.sessions.lite_input import LiteInput
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.session import Limits, Session, SpeechInput
from lite_gateway.sessions.session_config import SessionConfig
from renderer.avatar import KEY_COLOUR, TRANSPARENT, Avatar

# Attribute of the avatar with the colour that viewers remove, as web/js/keyer.js does.
KEY_COLOUR_ATTRIBUTE = "lite.key_colour"
# Attribute of the avatar of a real person's photo: viewers may say that it is made.
AI_GENERATED_ATTRIBUTE = "ai_generated"
# The avatar's room token outlives the session: LiveKit checks it at each reconnect.
_TOKEN_GRACE_S = 600.0


class SessionOpener:
    """Opener and closer of the sessions that a gateway's registry holds."""

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        factory: SessionFactory,
        *,
        rooms: LiveKitServerApi,
        addresses: AddressGuard,
        packages: AvatarPackages,
        conversations: ConversationStarter,
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._factory = factory
        self._rooms = rooms
        self._addresses = addresses
        self._packages = packages
        self._conversations = conversations

    async def open(self, record: SessionRecord) -> LiveSession:
        """Join the session's room; raise `GatewayError` if that fails."""
        config = record.config
        avatar = self._packages.find(config.avatar)
        if avatar is None:
            raise Refused(404, f"avatar {config.avatar!r} was removed; use another")
        open_input = await self._input_opener(record)
        url, token = await self._room_for(record, avatar)
        external = config.external_room
        plan = SessionPlan(
            session_id=record.id,
            avatar=avatar,
            quality=config.quality,
            background=config.background,
            codec=config.codec,
            url=url,
            token=token,
            key_id=record.owner.key_id,
            open_input=open_input,
            source=_source(config),
            limits=self._limits(config),
            counts_users=external is None
            or (config.data_stream and not external.on_behalf_of),
            attributes=room_attributes(config, avatar) if external else None,
        )
        try:
            return await self._joined(await self._factory.open(plan))
        except RoomUnavailable as error:
            if external is not None and not config.data_stream:
                # The caller named the room, in the field of that name.
                raise Refused(400, f"livekit_config: {error}") from None
            raise

    async def _input_opener(self, record: SessionRecord) -> OpenInput:
        config = record.config
        if config.conversation is None:
            return partial(self._open_input, config)
        valid_s = config.max_duration_s + _TOKEN_GRACE_S
        settings = await self._conversations.settings(
            record.id, config.conversation, valid_s
        )
        return partial(self._conversations.open_input, settings)

    @staticmethod
    async def _joined(live: LiveSession) -> LiveSession:
        """Return the session when its agent is in the room too, which joined beside."""
        if isinstance(live.speech, ConversationInput):
            async with contextlib.AsyncExitStack() as undo:
                undo.push_async_callback(live.aclose)
                await live.speech.joined()
                undo.pop_all()
        return live

    def _open_input(
        self, config: SessionConfig, playout: Playout, session: Session
    ) -> SpeechInput:
        if config.data_stream:
            return DataStreamInput(
                playout,
                session,
                self._metrics,
                external_audio=self._config.external_audio,
                max_buffered_s=self._config.max_buffered_s,
                agent_gone_s=self._config.agent_gone_s,
            )
        speech = LiteInput(
            playout,
            session,
            self._metrics,
            now=time.monotonic,
            max_buffered_s=self._config.max_buffered_s,
        )
        if config.warning:
            speech.warn_of_avatar(config.warning)
        return speech

    def _limits(self, config: SessionConfig) -> Limits:
        """
        Return a session's limits.

        An agent's session has no idle limit: it ends when the agent has left.
        """
        external = config.external_room
        has_agent = config.data_stream and external and external.on_behalf_of
        return Limits(
            idle_s=None if has_agent else self._config.idle_timeout_s,
            max_duration_s=config.max_duration_s,
            user_gone_s=self._config.user_gone_s or None,
        )

    async def _room_for(self, record: SessionRecord, avatar: Avatar) -> tuple[str, str]:
        """Return URL and token to join with; the gateway's own room is created."""
        if external := record.config.external_room:
            if external.named_by_livekit:
                return external.url, external.token
            return await self._addresses.pinned(external.url), external.token
        await self._rooms.create(record.id)
        valid_s = record.config.max_duration_s + _TOKEN_GRACE_S
        token = self._rooms.sign_token(
            *(record.id, AVATAR_IDENTITY, valid_s),
            attributes=room_attributes(record.config, avatar),
        )
        return self._rooms.url, token

    async def close(self, record: SessionRecord) -> None:
        """Leave the session's room, and delete it if it is the gateway's own."""
        if record.live is not None:
            await record.live.aclose()
        if record.config.external_room is None:
            await self._rooms.delete(record.id)
        await self._factory.wait_left(record.id)


def room_attributes(config: SessionConfig, avatar: Avatar) -> dict[str, str]:
    """Return the avatar's attributes in its room, which tell viewers what to do."""
    attributes = {}
    if config.background == TRANSPARENT:
        attributes[KEY_COLOUR_ATTRIBUTE] = KEY_COLOUR
    if avatar.likeness is not None:
        attributes[AI_GENERATED_ATTRIBUTE] = "true"
    return attributes


def _source(config: SessionConfig) -> str:
    """Return the label of a session's turns in the metrics."""
    if config.conversation is not None:
        return "conversation"
    return "datastream" if config.data_stream else "websocket"
