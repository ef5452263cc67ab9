"""Plugins of the services of a conversation, over clients that check addresses."""

from typing import Any

import openai
from livekit.agents import NOT_GIVEN
from livekit.plugins.openai import LLM, STT, TTS

from conversation.agent.answers import TOKEN_S
from conversation.agent.guarded_http import http_client
from conversation.agent.hearing import WORDS_S
from conversation.agent.phones_voice import PhonesTTS
from conversation.agent.synthesis import AUDIO_S
from lite_gateway.foreign.addresses import AddressGuard
from protocol.link.settings import ConversationSettings, Endpoint

DEFAULT_VOICE = "alloy"


class Providers:
    """
    Speech recognition, language model and voice that the settings name, or None.

    ``client`` is the client for all of them, instead of one for each.
    """

    def __init__(
        self,
        settings: ConversationSettings,
        *,
        client: openai.AsyncClient | None = None,
    ) -> None:
        self._given = client
        self._allowed_hosts = settings.allowed_hosts
        self._clients: list[openai.AsyncClient] = []
        self.stt: STT | None = None
        self.llm: LLM | None = None
        self.tts: TTS | None = None
        if (stt := settings.stt) is not None:
            language: dict[str, Any] = (
                {"language": settings.language}
                if settings.language
                else {"detect_language": True}
            )
            self.stt = STT(
                model=stt.model,
                client=self._client(stt, WORDS_S),
                use_realtime=False,
                **language,
            )
        if (llm := settings.llm) is not None and settings.answers:
            temperature = settings.temperature
            self.llm = LLM(
                model=llm.model,
                client=self._client(llm, TOKEN_S),
                temperature=NOT_GIVEN if temperature is None else temperature,
            )
        if (tts := settings.tts) is not None:
            make_voice = PhonesTTS if tts.tells_phones else TTS
            self.tts = make_voice(
                model=tts.model,
                voice=tts.voice or DEFAULT_VOICE,
                client=self._client(tts, AUDIO_S),
                response_format="pcm",
            )

    async def aclose(self) -> None:
        """Close the plugins and their connections."""
        for plugin in (self.stt, self.llm, self.tts):
            if plugin is not None:
                await plugin.aclose()
        for client in [*self._clients, *filter(None, [self._given])]:
            await client.close()

    def _client(self, endpoint: Endpoint, read_s: float) -> openai.AsyncClient:
        if self._given is not None:
            return self._given
        guard = None if endpoint.trusted else AddressGuard(self._allowed_hosts)
        client = openai.AsyncClient(
            # Never empty: the library would read the environment.
            api_key=endpoint.key or "none",
            base_url=endpoint.base_url,
            max_retries=0,
            http_client=http_client(guard, read_s=read_s),
        )
        self._clients.append(client)
        return client
