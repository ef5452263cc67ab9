"""An avatar that a gateway shows: asked for over HTTP, or by LiveKit's dispatch."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from typing import Any

import aiohttp
from livekit import api, rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    AgentSession,
    APIConnectionError,
    APIConnectOptions,
    APIStatusError,
    utils,
)
from livekit.agents.voice.avatar import AvatarSession as BaseAvatarSession
from livekit.agents.voice.avatar import DataStreamAudioOutput

from .keys import LiteAvatarException, LiveKitKeys, agent_identity
from .log import logger

SAMPLE_RATE = 24_000
_CLOSE_S = 5.0
_ARRIVAL_S = 15.0  # for another avatar to come; then it is asked for once more
_FAILURES = (aiohttp.ClientError, TimeoutError, APIStatusError, api.TwirpError)

__all__ = ["AvatarSession", "LiteAvatarException"]


class AvatarSession(BaseAvatarSession[Any]):
    """
    With ``agent_name`` the avatar comes from whichever worker LiveKit's dispatch picks
    (`lite-gateway worker`), else from the gateway at ``gateway_url``.

    An avatar that is lost is asked for again, and what it was saying is over.
    """

    def __init__(
        self,
        *,
        avatar_id: str = "",
        gateway_url: str | None = None,
        api_key: str | None = None,
        agent_name: str | None = None,
        quality: str = "",
        avatar_participant_identity: str | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> None:
        super().__init__()
        self._avatar_id = avatar_id
        self._url = (gateway_url or os.getenv("AVATAR_GATEWAY_URL") or "").rstrip("/")
        self._api_key = api_key or os.getenv("AVATAR_GATEWAY_KEY") or ""
        self._agent_name = agent_name or ""
        self._quality = quality
        self._identity = avatar_participant_identity or f"avatar-{avatar_id or 'lite'}"
        self._conn_options = conn_options
        self._started = ""  # a session's id, or a dispatch's
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        if not self._agent_name and not (self._url and self._api_key):
            raise LiteAvatarException(
                "give gateway_url and api_key (or AVATAR_GATEWAY_URL and "
                "AVATAR_GATEWAY_KEY), or the agent_name of workers"
            )

    @property
    def avatar_identity(self) -> str:
        return self._identity

    @property
    def provider(self) -> str:
        return "lite-gateway"

    async def start(
        self,
        agent_session: AgentSession[Any],
        room: rtc.Room,
        *,
        livekit_url: str | None = None,
        livekit_api_key: str | None = None,
        livekit_api_secret: str | None = None,
    ) -> None:
        """Before ``agent_session.start``: from then on it speaks through the avatar."""
        await super().start(agent_session, room)
        self._keys = LiveKitKeys.found(livekit_url, livekit_api_key, livekit_api_secret)
        self._room_name = room.name
        self._agent = agent_identity(room)
        await self._bring()
        self._speak_through(agent_session, room)
        room.on("participant_disconnected", self._on_left)
        agent_session.on("user_state_changed", self._on_user_state)
        agent_session.on("agent_state_changed", self._on_agent_state)

    def _speak_through(self, agent_session: AgentSession[Any], room: rtc.Room) -> None:
        self._output = DataStreamAudioOutput(
            room,
            destination_identity=self._identity,
            sample_rate=SAMPLE_RATE,
            wait_remote_track=rtc.TrackKind.KIND_VIDEO,
            wait_playback_start=True,
        )
        agent_session.output.replace_audio_tail(self._output)

    async def aclose(self) -> None:
        self._closing = True
        room, agent_session = self._room, self._agent_session
        if room is not None:
            room.off("participant_disconnected", self._on_left)
        if agent_session is not None and self._started:
            agent_session.off("user_state_changed", self._on_user_state)
            agent_session.off("agent_state_changed", self._on_agent_state)
        await utils.aio.cancel_and_wait(*self._tasks)
        try:
            await asyncio.wait_for(self._send_away(), _CLOSE_S)
        except _FAILURES as failed:
            logger.warning("the avatar was not told to leave: %s", failed)
        await super().aclose()

    # The avatar comes and goes.

    async def _bring(self) -> None:
        for attempt in range(self._conn_options.max_retry + 1):
            try:
                self._started = await (
                    self._dispatch() if self._agent_name else self._launch()
                )
            except APIStatusError as refused:
                if not refused.retryable or attempt >= self._conn_options.max_retry:
                    raise
                failed: Exception = refused
            except (TimeoutError, aiohttp.ClientError, api.TwirpError) as lost:
                if attempt >= self._conn_options.max_retry:
                    raise APIConnectionError(
                        "the avatar could not be started"
                    ) from lost
                failed = lost
            else:
                return
            logger.warning("starting the avatar failed: %s; trying again", failed)
            await asyncio.sleep(self._conn_options.retry_interval)

    async def _launch(self) -> str:
        token = self._keys.token(self._room_name, self._identity, self._agent)
        answer = await self._call(
            "/v1/livekit/start-avatar",
            livekit_url=self._keys.url,
            livekit_token=token,
            avatar_id=self._avatar_id,
            quality=self._quality,
        )
        return str(answer["session_id"])

    async def _dispatch(self) -> str:
        wanted = {
            "avatar_id": self._avatar_id,
            "quality": self._quality,
            "agent_identity": self._agent,
            "avatar_identity": self._identity,
        }
        request = api.CreateAgentDispatchRequest(
            agent_name=self._agent_name,
            room=self._room_name,
            metadata=json.dumps(wanted),
        )
        async with self._livekit() as server:
            made = await server.agent_dispatch.create_dispatch(request)
        return str(made.id)

    async def _send_away(self) -> None:
        started, self._started = self._started, ""
        if not started:
            return
        if not self._agent_name:
            await self._call("/v1/livekit/stop-avatar", session_id=started)
            return
        async with self._livekit() as server:
            await server.agent_dispatch.delete_dispatch(started, self._room_name)

    def _livekit(self) -> api.LiveKitAPI:
        return api.LiveKitAPI(self._keys.url, self._keys.key, self._keys.secret)

    async def _call(self, path: str, **body: str) -> Any:
        timeout = aiohttp.ClientTimeout(total=self._conn_options.timeout)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(
                self._url + path, headers={"X-API-KEY": self._api_key}, json=body
            ) as answer,
        ):
            if not answer.ok:
                text = await answer.text()
                raise APIStatusError(
                    f"the gateway answered {answer.status} to {path}: {text[:300]}",
                    status_code=answer.status,
                    body=text,
                )
            return await answer.json()

    # Events of the room and of the agent.

    def _do(self, work: Any) -> None:
        # The framework has no TaskGroup that spans `start` and `aclose`.
        task = asyncio.create_task(work)  # noqa: TID251
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_left(self, who: rtc.RemoteParticipant) -> None:
        if who.identity == self._identity and not self._closing:
            self._do(self._bring_again())

    async def _bring_again(self) -> None:
        """A new avatar; what the old one was saying is over, unheard from there on."""
        room, agent_session = self._room, self._agent_session
        assert room is not None
        assert agent_session is not None
        logger.warning("the avatar is gone; asking for another one")
        with contextlib.suppress(RuntimeError):
            agent_session.interrupt(force=True)
        self._output.clear_buffer()  # nobody answers, so it is over at once
        self._speak_through(agent_session, room)
        while True:
            with contextlib.suppress(*_FAILURES):
                await self._send_away()
            try:
                await self._bring()
                arrival = utils.wait_for_participant(room=room, identity=self._identity)
                await asyncio.wait_for(arrival, _ARRIVAL_S)
            except APIStatusError as refused:
                if not refused.retryable:
                    logger.error("no other avatar could be started: %s", refused)
                    return
            except (APIConnectionError, TimeoutError):
                logger.warning("no other avatar has come yet; asking again")
            else:
                return

    def _on_user_state(self, changed: Any) -> None:
        self._do(self._tell("user_state_changed", changed.new_state))

    def _on_agent_state(self, changed: Any) -> None:
        self._do(self._tell("agent_state_changed", changed.new_state))

    async def _tell(self, method: str, state: str) -> None:
        """So that it listens and thinks with the agent; worth no retry."""
        room = self._room
        if room is None or self._identity not in room.remote_participants:
            return
        with contextlib.suppress(rtc.RpcError):
            await room.local_participant.perform_rpc(
                destination_identity=self._identity, method=method, payload=state
            )
