"""Text-to-speech that tells its phones: OpenAI's interface with one more event."""

import openai
import orjson
import pybase64
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectionError,
    APIConnectOptions,
    APIStatusError,
    APITimeoutError,
)
from livekit.agents.tts import AudioEmitter
from livekit.plugins.openai import TTS
from livekit.plugins.openai.tts import ChunkedStream

from conversation.agent.heard_text import SAMPLE_RATE
from protocol.link.messages import PHONES_EVENT
from protocol.phones.phone_list import TimedPhone

_DATA = "data: "
_REQUEST_S = 30.0  # `Synthesis` waits less long for audio


class PhonesTTS(TTS):
    """Plugin of OpenAI's text-to-speech whose streams have the phones, too."""

    def synthesize(
        self,
        text: str,
        *,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> "PhonesStream":
        """Return the stream of a text."""
        return PhonesStream(tts=self, input_text=text, conn_options=conn_options)


class PhonesStream(ChunkedStream):
    """Speech of one text. `take_phones` returns those that came since its last call."""

    def __init__(
        self, *, tts: PhonesTTS, input_text: str, conn_options: APIConnectOptions
    ) -> None:
        super().__init__(tts=tts, input_text=input_text, conn_options=conn_options)
        self._phones: list[TimedPhone] = []

    def take_phones(self) -> list[TimedPhone]:
        """Return phones with times from the start of the stream, each once."""
        phones, self._phones = self._phones, []
        return phones

    async def _run(self, output_emitter: AudioEmitter) -> None:
        try:
            await self._receive(output_emitter)
        except openai.APITimeoutError:
            raise APITimeoutError from None
        except openai.APIStatusError as error:
            raise APIStatusError(
                error.message,
                status_code=error.status_code,
                request_id=error.request_id,
                body=error.body,
            ) from None
        except (openai.APIError, ValueError, TypeError, KeyError) as error:
            raise APIConnectionError from error

    async def _receive(self, output_emitter: AudioEmitter) -> None:
        options = self._opts
        async with self._tts._client.audio.speech.with_streaming_response.create(
            input=self.input_text,
            model=options.model,
            voice=options.voice,
            response_format="pcm",
            stream_format="sse",
            timeout=_REQUEST_S,
        ) as response:
            output_emitter.initialize(
                request_id=response.request_id or "",
                sample_rate=SAMPLE_RATE,
                num_channels=1,
                mime_type="audio/pcm",
            )
            async for line in response.iter_lines():
                if line.startswith(_DATA):
                    self._take(orjson.loads(line[len(_DATA) :]), output_emitter)
        output_emitter.flush()

    def _take(self, event: dict[str, object], output_emitter: AudioEmitter) -> None:
        match event:
            case {"type": "speech.audio.delta", "audio": str(audio)}:
                output_emitter.push(pybase64.b64decode(audio))
            case {"type": str(kind), "phones": list(phones)} if kind == PHONES_EVENT:
                self._phones += [TimedPhone(*phone) for phone in phones]
