"""Avatar session that a gateway or a worker serves, started by HTTP or dispatch."""

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
_CLOSE_S = 5.0  # timeout of stopping the avatar
_ARRIVAL_S = 15.0  # time for a new avatar to join; then another one is started
_FAILURES = (aiohttp.ClientError, TimeoutError, APIStatusError, api.TwirpError)

__all__ = ["AvatarSession", "LiteAvatarException"]


class AvatarSession(BaseAvatarSession[Any]):
    """Avatar that speaks for an agent, served by a gateway or by a worker.

    With ``agent_name``, LiveKit's dispatch chooses a worker of that name
    (`lite-gateway worker`). Without it, the gateway at ``gateway_url`` serves the
    avatar. If the avatar is lost, the session interrupts its speech and starts another.
    """

    def __init__(
        self,
        *,
        avatar_id: str = "",
        gateway_url: str | None = None,
        api_key: str | None = None,
        agent_name: str | None = None,
        quality: str = "",
        background: str = "",
        avatar_participant_identity: str | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> None:
        super().__init__()
        self._avatar_id = avatar_id
        self._url = (gateway_url or os.getenv("AVATAR_GATEWAY_URL") or "").rstrip("/")
        self._api_key = api_key or os.getenv("AVATAR_GATEWAY_KEY") or ""
        self._agent_name = agent_name or ""
        self._quality = quality
        self._background = background
        self._identity = avatar_participant_identity or f"avatar-{avatar_id or 'lite'}"
        self._conn_options = conn_options
        self._started_id = ""  # of the gateway's session, or of the dispatch
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        if not self._agent_name and not (self._url and self._api_key):
            raise LiteAvatarException(
                "no gateway and no workers are named: pass gateway_url and api_key (or "
                "set AVATAR_GATEWAY_URL and AVATAR_GATEWAY_KEY), or pass agent_name"
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
        """Start the avatar and route the agent's speech to it.

        Call this before ``agent_session.start``.
        """
        await super().start(agent_session, room)
        self._keys = LiveKitKeys.from_arguments(
            livekit_url, livekit_api_key, livekit_api_secret
        )
        self._room_name = room.name
        self._agent = agent_identity(room)
        await self._start_with_retries()
        self._route_speech(agent_session, room)
        room.on("participant_disconnected", self._on_participant_disconnected)
        agent_session.on("user_state_changed", self._on_user_state)
        agent_session.on("agent_state_changed", self._on_agent_state)

    def _route_speech(self, agent_session: AgentSession[Any], room: rtc.Room) -> None:
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
            room.off("participant_disconnected", self._on_participant_disconnected)
        if agent_session is not None and self._started_id:
            agent_session.off("user_state_changed", self._on_user_state)
            agent_session.off("agent_state_changed", self._on_agent_state)
        await utils.aio.cancel_and_wait(*self._tasks)
        try:
            await asyncio.wait_for(self._stop_avatar(), _CLOSE_S)
        except _FAILURES as error:
            logger.warning("stopping the avatar failed: %s", error)
        await super().aclose()

    # Start and stop of the avatar.

    async def _start_with_retries(self) -> None:
        for attempt in range(self._conn_options.max_retry + 1):
            try:
                if self._agent_name:
                    self._started_id = await self._dispatch()
                else:
                    self._started_id = await self._start_on_gateway()
            except APIStatusError as status_error:
                last = attempt >= self._conn_options.max_retry
                if last or not status_error.retryable:
                    raise
                error: Exception = status_error
            except (TimeoutError, aiohttp.ClientError, api.TwirpError) as network_error:
                if attempt >= self._conn_options.max_retry:
                    raise APIConnectionError(
                        "the avatar could not be started"
                    ) from network_error
                error = network_error
            else:
                return
            logger.warning("starting the avatar failed: %s; trying again", error)
            await asyncio.sleep(self._conn_options.retry_interval)

    async def _start_on_gateway(self) -> str:
        token = self._keys.token(self._room_name, self._identity, self._agent)
        response = await self._call(
            "/v1/livekit/start-avatar",
            livekit_url=self._keys.url,
            livekit_token=token,
            avatar_id=self._avatar_id,
            quality=self._quality,
            background=self._background,
        )
        return str(response["session_id"])

    async def _dispatch(self) -> str:
        metadata = {
            "avatar_id": self._avatar_id,
            "quality": self._quality,
            "background": self._background,
            "agent_identity": self._agent,
            "avatar_identity": self._identity,
        }
        request = api.CreateAgentDispatchRequest(
            agent_name=self._agent_name,
            room=self._room_name,
            metadata=json.dumps(metadata),
        )
        async with self._livekit() as server:
            dispatch = await server.agent_dispatch.create_dispatch(request)
        return str(dispatch.id)

    async def _stop_avatar(self) -> None:
        started_id, self._started_id = self._started_id, ""
        if not started_id:
            return
        if not self._agent_name:
            await self._call("/v1/livekit/stop-avatar", session_id=started_id)
            return
        async with self._livekit() as server:
            await server.agent_dispatch.delete_dispatch(started_id, self._room_name)

    def _livekit(self) -> api.LiveKitAPI:
        return api.LiveKitAPI(self._keys.url, self._keys.key, self._keys.secret)

    async def _call(self, path: str, **body: str) -> Any:
        timeout = aiohttp.ClientTimeout(total=self._conn_options.timeout)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(
                self._url + path, headers={"X-API-KEY": self._api_key}, json=body
            ) as response,
        ):
            if not response.ok:
                text = await response.text()
                raise APIStatusError(
                    f"the gateway answered {response.status} to {path}: {text[:300]}",
                    status_code=response.status,
                    body=text,
                )
            return await response.json()

    # Events of the room and of the agent.

    def _start_task(self, work: Any) -> None:
        # The framework has no TaskGroup that spans `start` and `aclose`.
        task = asyncio.create_task(work)  # noqa: TID251
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_participant_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self._identity and not self._closing:
            self._start_task(self._replace_avatar())

    async def _replace_avatar(self) -> None:
        """Interrupt the lost avatar's speech, and start avatars until one joins."""
        room, agent_session = self._room, self._agent_session
        assert room is not None
        assert agent_session is not None
        logger.warning("the avatar has left the room; starting another one")
        with contextlib.suppress(RuntimeError):
            agent_session.interrupt(force=True)
        # With the avatar gone nothing is reported, so this ends the speech at once.
        self._output.clear_buffer()
        self._route_speech(agent_session, room)
        while True:
            with contextlib.suppress(*_FAILURES):
                await self._stop_avatar()
            try:
                await self._start_with_retries()
                arrival = utils.wait_for_participant(room=room, identity=self._identity)
                await asyncio.wait_for(arrival, _ARRIVAL_S)
            except APIStatusError as error:
                if not error.retryable:
                    logger.error("no other avatar could be started: %s", error)
                    return
            except (APIConnectionError, TimeoutError):
                logger.warning("no other avatar has joined; starting it again")
            else:
                return

    def _on_user_state(self, event: Any) -> None:
        self._start_task(self._send_state("user_state_changed", event.new_state))

    def _on_agent_state(self, event: Any) -> None:
        self._start_task(self._send_state("agent_state_changed", event.new_state))

    async def _send_state(self, method: str, state: str) -> None:
        """Send a state to the avatar, so that it listens and thinks; do not retry."""
        room = self._room
        if room is None or self._identity not in room.remote_participants:
            return
        with contextlib.suppress(rtc.RpcError):
            await room.local_participant.perform_rpc(
                destination_identity=self._identity, method=method, payload=state
            )
