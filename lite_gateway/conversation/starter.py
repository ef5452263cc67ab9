"""Start of conversations: settings with opened secrets, room token, speech input."""

import time

from lite_gateway.config import Config
from lite_gateway.conversation.agent_process import AgentProcess
from lite_gateway.conversation.input import AGENT_IDENTITY_PREFIX, ConversationInput
from lite_gateway.conversation.plan import AgentRoom, ConversationPlan
from lite_gateway.conversation.speech_process import SpeechProcess
from lite_gateway.conversation.transcripts import TranscriptRecorder
from lite_gateway.foreign.addresses import AddressGuard
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.rooms.server_api import AVATAR_IDENTITY, LiveKitServerApi
from lite_gateway.sessions.session import Session
from lite_gateway.store import secrets
from lite_gateway.store.engine import Store
from lite_gateway.store.transcripts import Role
from protocol.link.settings import ConversationSettings


class ConversationStarter:
    """Parts that all conversations of a gateway share."""

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        agent: AgentProcess,
        *,
        rooms: LiveKitServerApi,
        addresses: AddressGuard,
        store: Store,
        transcripts: TranscriptRecorder,
        speech: SpeechProcess,
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._agent = agent
        self._rooms = rooms
        self._addresses = addresses
        self._store = store
        self._transcripts = transcripts
        self._speech = speech

    async def settings(
        self, session_id: str, plan: ConversationPlan, valid_s: float
    ) -> ConversationSettings:
        """
        Return the settings of a session's conversation, with the values of its secrets.

        ``valid_s`` is how long the agent's room token lasts. Raise `Refused` if the
        agent process is not ready, or the plan cannot be carried out any more.
        """
        self._agent.check()
        await plan.check_addresses(self._addresses)
        room = AgentRoom(
            self._rooms.url,
            self._rooms.sign_token(
                session_id, AGENT_IDENTITY_PREFIX + session_id, valid_s, agent=True
            ),
            AVATAR_IDENTITY,
        )
        built_in = None
        if plan.needs_built_in(self._config):
            built_in = await self._speech.endpoint()
        return plan.settings(
            session_id,
            room,
            self._config,
            secrets=await self._secrets(plan.secret_ids),
            embedded=built_in,
        )

    async def _secrets(self, ids: tuple[str, ...]) -> dict[str, str]:
        """Return the values of secrets; those that were deleted are missing."""
        if not ids:
            return {}
        key_ring = self._store.key_ring
        values = await self._store.read(
            lambda db: {each: secrets.read(db, key_ring, each) for each in ids}
        )
        return {each: value for each, value in values.items() if value is not None}

    def open_input(
        self, settings: ConversationSettings, playout: Playout, session: Session
    ) -> ConversationInput:
        """Return the input of a session, whose agent is on its way to the room."""
        speech = ConversationInput(
            playout,
            session,
            self._metrics,
            push_to_talk=settings.push_to_talk,
            max_buffered_s=self._config.max_buffered_s,
            store_line=lambda role, text: self._store_line(session.id, role, text),
            now=time.monotonic,
        )
        speech.begin(self._agent, settings)
        return speech

    def _store_line(self, session_id: str, role: str, text: str) -> None:
        speaker: Role = "user" if role == "user" else "avatar"
        self._transcripts.add(session_id, speaker, text, time.monotonic())
