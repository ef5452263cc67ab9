"""Counterpart, driven by the unmodified plugins of livekit-agents."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import openai
import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIStatusError, llm
from livekit.agents.utils import http_context
from livekit.plugins import openai as plugin
from openai.types.realtime import AudioTranscription
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from tests.openai_counterpart import voice
from tests.openai_counterpart.process import RunningCounterpart
from tests.waiting import until, until_async

KEY = "sk-counterpart"
ONCE = APIConnectOptions(max_retry=0, timeout=20.0)


def client(counterpart: RunningCounterpart, key: str = KEY) -> openai.AsyncClient:
    return openai.AsyncClient(api_key=key, base_url=counterpart.url, max_retries=0)


def frame(pcm: np.ndarray) -> rtc.AudioFrame:
    return rtc.AudioFrame(pcm.astype("<i2").tobytes(), voice.RATE, 1, len(pcm))


def asked(text: str) -> llm.ChatContext:
    context = llm.ChatContext()
    context.add_message(role="system", content="You are brief.")
    context.add_message(role="user", content=text)
    return context


def test_a_language_model_streams_the_scripted_answer(counterpart):
    counterpart.script(
        chat=[
            {"when": {"contains": "name"}, "text": "My name is Mira. Hello!"},
            {"text": "I do not know."},
        ]
    )

    async def main() -> list[str]:
        async with client(counterpart) as http:
            model = plugin.LLM(model="gpt-4o-mini", client=http)
            context = asked("What is your name?")
            stream = model.chat(chat_ctx=context, conn_options=ONCE)
            deltas = [each.delta.content async for each in stream if each.delta]
            return [each for each in deltas if each]

    assert "".join(asyncio.run(main())) == "My name is Mira. Hello!"
    (request,) = counterpart.requests("chat")
    assert request["key"] == KEY
    assert request["outcome"] == "complete"
    assert [each["role"] for each in request["body"]["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("auth", 401, "invalid_api_key"),
        ("model", 404, "model_not_found"),
        ("quota", 429, "insufficient_quota"),
    ],
)
def test_a_language_model_reads_status_and_code_of_a_refusal(
    counterpart, fault, status, code
):
    counterpart.script(chat={"fault": fault})

    async def main() -> None:
        async with client(counterpart) as http:
            model = plugin.LLM(model="gpt-4o-mini", client=http)
            async with model.chat(chat_ctx=asked("Hello"), conn_options=ONCE) as stream:
                async for _ in stream:
                    pass

    with pytest.raises(APIStatusError) as caught:
        asyncio.run(main())
    assert caught.value.status_code == status
    assert caught.value.body["code"] == code


@pytest.mark.parametrize(
    ("model", "form"), [("whisper-1", "verbose_json"), ("x", "json")]
)
def test_a_recogniser_posts_a_wav_and_reads_the_words(counterpart, model, form):
    counterpart.script(transcriptions={"text": "Good morning."})

    async def main() -> str:
        async with client(counterpart) as http:
            stt = plugin.STT(model=model, client=http, use_realtime=False)
            speech = frame(voice.spoken("good morning"))
            event = await stt.recognize(speech, conn_options=ONCE)
            return event.alternatives[0].text

    assert asyncio.run(main()) == "Good morning."
    (request,) = counterpart.requests("transcriptions")
    assert request["body"]["response_format"] == form
    assert request["audio_s"] == pytest.approx(voice.seconds("good morning"), abs=1e-3)


@pytest.mark.parametrize("plain", [False, True])
def test_a_voice_reads_the_same_sound_as_events_and_as_bytes(counterpart, plain):
    counterpart.script(speech={"plain": plain})
    text = "One sentence. And another."

    async def main() -> bytes:
        async with client(counterpart) as http:
            tts = plugin.TTS(
                model="gpt-4o-mini-tts",
                voice="marin",
                response_format="pcm",
                client=http,
            )
            stream = tts.synthesize(text, conn_options=ONCE)
            return b"".join([bytes(each.frame.data) async for each in stream])

    pcm = np.frombuffer(asyncio.run(main()), "<i2").astype(np.int16)
    assert voice.heard(pcm, voice.RATE, text) == voice.words(text)
    (request,) = counterpart.requests("speech")
    assert request["body"]["stream_format"] == "sse"


class RealtimeProbe:
    """Realtime session of the plugin, with everything that it emits."""

    def __init__(self, model: plugin.realtime.RealtimeModel) -> None:
        self.session = model.session()
        self.seen: list[tuple[str, Any]] = []
        for name in (
            "generation_created",
            "input_speech_started",
            "input_speech_stopped",
            "input_audio_transcription_completed",
            "session_reconnected",
            "error",
        ):
            self.session.on(
                name, lambda event, name=name: self.seen.append((name, event))
            )

    def events(self, name: str) -> list[Any]:
        return [event for each, event in self.seen if each == name]

    def say(self, pcm: np.ndarray) -> None:
        for start in range(0, len(pcm), voice.RATE // 50):
            self.session.push_audio(frame(pcm[start : start + voice.RATE // 50]))

    def say_words(self, text: str) -> None:
        quiet = np.zeros(voice.RATE, np.int16)
        self.say(np.concatenate([voice.spoken(text), quiet]))


def realtime(
    counterpart: RunningCounterpart,
    talk: Callable[[RealtimeProbe], Coroutine[Any, Any, None]],
    **options: Any,
) -> None:
    """Open a session of the plugin, and run ``talk`` with it."""
    detection = ServerVad(
        type="server_vad",
        silence_duration_ms=400,
        create_response=True,
        interrupt_response=True,
    )
    options = {
        "turn_detection": detection,
        "input_audio_transcription": AudioTranscription(model="whisper-1"),
        "conn_options": APIConnectOptions(
            max_retry=1, retry_interval=0.1, timeout=20.0
        ),
        "api_key": KEY,
    } | options

    async def main() -> None:
        async with http_context.open():
            model = plugin.realtime.RealtimeModel(
                model="gpt-realtime", base_url=counterpart.url, **options
            )
            probe = RealtimeProbe(model)
            try:
                await talk(probe)
            finally:
                await probe.session.aclose()

    asyncio.run(main())


async def collect(generation: llm.GenerationCreatedEvent) -> tuple[str, str, bytes]:
    """Return id, words and sound of a response, when it has ended."""
    async for message in generation.message_stream:
        text = "".join([str(each) async for each in message.text_stream])
        frames = [each async for each in message.audio_stream]
        sound = b"".join(bytes(each.data) for each in frames)
        return message.message_id, text, sound
    return "", "", b""


def test_a_realtime_turn_is_heard_transcribed_and_answered(counterpart):
    counterpart.script(
        transcriptions={"text": "How are you?"},
        responses={
            "when": {"contains": "how are you"},
            "text": "I am well, thank you.",
        },
    )
    result: list[tuple[str, str, bytes]] = []

    async def talk(probe: RealtimeProbe) -> None:
        probe.say_words("how are you")
        await until_async(lambda: probe.events("generation_created"))
        result.append(await collect(probe.events("generation_created")[0]))
        await until_async(lambda: probe.events("input_audio_transcription_completed"))

    realtime(counterpart, talk)
    (_, text, sound), *_ = result
    assert text == "I am well, thank you."
    pcm = np.frombuffer(sound, "<i2").astype(np.int16)
    assert voice.heard(pcm, voice.RATE, text) == voice.words(text)
    (connection,) = counterpart.connections()
    kinds = [each["type"] for each in connection["sent"]]
    turn = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "response.created",
        "response.done",
    ]
    assert [each for each in kinds if each in turn] == turn
    assert counterpart.refused() == []


def test_speech_cancels_a_paced_response_and_its_item_is_truncated(counterpart):
    counterpart.script(responses={"seconds": 8.0, "pace": 1.0})

    async def talk(probe: RealtimeProbe) -> None:
        probe.say_words("count please")
        await until_async(lambda: probe.events("generation_created"))
        reading = collect(probe.events("generation_created")[0])
        async with asyncio.TaskGroup() as tasks:
            heard = tasks.create_task(reading)
            await until_async(lambda: _sent_ms(counterpart) > 500)
            probe.say(voice.spoken("stop now please"))
        item_id, _, sound = heard.result()
        assert 0 < len(sound) / 2 / voice.RATE < 7
        probe.session.truncate(
            message_id=item_id, modalities=["audio"], audio_end_ms=400
        )
        await until_async(lambda: _kinds(counterpart, "conversation.item.truncated"))

    realtime(counterpart, talk)
    (connection,) = counterpart.connections()
    (done,) = [each for each in connection["sent"] if each["type"] == "response.done"]
    assert done["response"]["status_details"]["reason"] == "turn_detected"
    (item,) = [each for each in connection["items"] if each["role"] == "assistant"]
    assert item["truncated_ms"] == item["audio_ms"] == 400
    assert counterpart.refused() == []


def _sent_ms(counterpart: RunningCounterpart) -> float:
    return sum(
        each["delta_ms"]
        for connection in counterpart.connections()
        for each in connection["sent"]
        if each["type"] == "response.output_audio.delta"
    )


def _kinds(counterpart: RunningCounterpart, kind: str) -> list[dict[str, Any]]:
    return [
        each
        for connection in counterpart.connections()
        for each in connection["sent"]
        if each["type"] == kind
    ]


def test_audio_is_not_truncated_beyond_what_was_sent(counterpart):
    counterpart.script(responses={"text": "Short."})

    async def talk(probe: RealtimeProbe) -> None:
        generation = await probe.session.generate_reply(instructions="Say hello.")
        item_id, _, _ = await collect(generation)
        probe.session.truncate(
            message_id=item_id, modalities=["audio"], audio_end_ms=60_000
        )
        await until_async(counterpart.refused)

    realtime(counterpart, talk)
    (refused,) = counterpart.refused()
    assert "is already shorter than 60000ms" in refused["error"]["message"]


def test_the_plugin_reconnects_with_the_history_after_a_dropped_connection(counterpart):
    counterpart.script(responses={"text": "First answer."})

    async def talk(probe: RealtimeProbe) -> None:
        probe.say_words("first question")
        await until_async(lambda: probe.events("generation_created"))
        await collect(probe.events("generation_created")[0])
        await until_async(lambda: _kinds(counterpart, "response.done"))
        counterpart.drop()
        await until_async(lambda: probe.events("session_reconnected"))
        await until_async(lambda: len(_items(counterpart)) == 2)

    realtime(counterpart, talk)
    assert counterpart.refused() == []
    roles = [each["role"] for each in _items(counterpart)]
    assert roles == ["user", "assistant"]


def _items(counterpart: RunningCounterpart) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = counterpart.connections()[-1]["items"]
    return items


def test_a_wrong_key_is_a_refused_handshake(counterpart):
    counterpart.script(keys=["sk-right"])
    errors: list[Any] = []

    async def talk(probe: RealtimeProbe) -> None:
        await until_async(lambda: len(probe.events("error")) == 2)
        errors.extend(probe.events("error"))

    with pytest.raises(Exception, match="connection failed"):
        realtime(counterpart, talk)
    assert [each.recoverable for each in errors] == [True, False]
    assert errors[0].error.__cause__.status == 401
    assert counterpart.connections() == []
    assert [each["outcome"] for each in counterpart.requests("handshakes")] == [
        "401"
    ] * 2


def test_a_failed_response_reaches_the_plugin_with_its_code(counterpart):
    counterpart.script(responses={"fault": "quota"})

    async def talk(probe: RealtimeProbe) -> None:
        probe.say_words("hello")
        await until_async(lambda: probe.events("error"))
        (error, *_) = probe.events("error")
        assert error.error.body.code == "insufficient_quota"
        assert not error.recoverable

    with pytest.raises(Exception, match="response failed"):
        realtime(counterpart, talk)


def test_a_client_that_leaves_ends_the_completion(counterpart):
    counterpart.script(chat={"text": "One two three four five", "token_s": 5.0})

    async def main() -> None:
        async with client(counterpart) as http:
            model = plugin.LLM(model="gpt-4o-mini", client=http)
            async with model.chat(chat_ctx=asked("Hello"), conn_options=ONCE) as stream:
                async for chunk in stream:
                    if chunk.delta and chunk.delta.content:
                        break

    asyncio.run(main())
    until(lambda: counterpart.requests("chat")[0]["outcome"] == "client left")
