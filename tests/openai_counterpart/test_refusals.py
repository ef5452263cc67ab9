"""Each refusal of the counterpart, fed to it: it is known to refuse."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.openai_counterpart import voice
from tests.openai_counterpart.process import RunningCounterpart

HEADERS = {"Authorization": "Bearer sk-refusals"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
SPEECH = {"model": "m", "input": "Hello", "voice": "alloy", "response_format": "pcm"}


def post(
    counterpart: RunningCounterpart,
    path: str,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> tuple[int, Any]:
    async def main() -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession(headers=headers or HEADERS) as session,
            session.post(counterpart.url + path, **body) as response,
        ):
            if "json" in response.content_type:
                return response.status, await response.json()
            return response.status, None

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "human", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": ["x"]}, "messages[0].role"),
        ({"temperature": 2.5}, "temperature"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"voice": "alloy"}, "voice"),
    ],
)
def test_chat_refuses_a_wrong_field(counterpart, change, param):
    status, body = post(counterpart, "/chat/completions", json=CHAT | change)
    assert status == 400
    assert body["error"]["param"] == param
    assert counterpart.requests("chat")[0]["outcome"] == "400"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": ""}, "model"),
        ({"input": ""}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"voice": "nobody"}, "voice"),
        ({"response_format": "mp3"}, "response_format"),
        ({"speed": 9}, "speed"),
        ({"stream_format": "x"}, "stream_format"),
        ({"model": "tts-1", "stream_format": "sse"}, "stream_format"),
        ({"pitch": 1}, "pitch"),
    ],
)
def test_speech_refuses_a_wrong_field(counterpart, change, param):
    status, body = post(counterpart, "/audio/speech", json=SPEECH | change)
    assert status == 400
    assert body["error"]["param"] == param


@pytest.mark.parametrize(
    ("fields", "sound", "param"),
    [
        ({"model": "x"}, b"no WAV", "file"),
        ({"model": "x"}, b"", "file"),
        ({}, voice.as_wav(bytes(480)), "model"),
        ({"model": "x", "response_format": "srt"}, voice.as_wav(bytes(480)), None),
        (
            {"model": "x", "response_format": "verbose_json"},
            voice.as_wav(bytes(480)),
            "response_format",
        ),
    ],
)
def test_transcriptions_refuse_a_wrong_form(counterpart, fields, sound, param):
    form = aiohttp.FormData(fields)
    form.add_field("file", sound, filename="file.wav", content_type="audio/wav")
    status, body = post(counterpart, "/audio/transcriptions", data=form)
    assert status == 400
    assert param is None or body["error"]["param"] == param


def test_transcriptions_refuse_what_is_no_form(counterpart):
    status, _ = post(counterpart, "/audio/transcriptions", json={})
    assert status == 400


@pytest.mark.parametrize("path", ["/chat/completions", "/audio/speech"])
def test_a_body_that_is_no_json_object_is_refused(counterpart, path):
    for data in (b"{", b"[]", b""):
        assert post(counterpart, path, data=data)[0] == 400


@pytest.mark.parametrize("path", ["/chat/completions", "/audio/speech"])
def test_a_key_and_a_model_that_are_not_known_are_refused(counterpart, path):
    body = CHAT if "chat" in path else SPEECH
    counterpart.script(keys=["sk-refusals"], models=["m"])
    assert post(counterpart, path, json=body)[0] == 200
    wrong = {"Authorization": "Bearer sk-wrong"}
    for headers in (wrong, {"Authorization": "Basic sk-refusals"}):
        status, answer = post(counterpart, path, headers, json=body)
        assert status == 401
        assert answer["error"]["type"] == "invalid_request_error"
    status, answer = post(counterpart, path, json=body | {"model": "other"})
    assert (status, answer["error"]["code"]) == (404, "model_not_found")


Socket = aiohttp.ClientWebSocketResponse


def realtime(
    counterpart: RunningCounterpart,
    talk: Callable[[Socket], Awaitable[Any]],
    path: str = "/realtime?model=gpt-realtime",
    **headers: str,
) -> Any:
    async def main() -> Any:
        url = counterpart.url.replace("http", "ws", 1) + path
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, headers=HEADERS | headers) as socket,
        ):
            return await talk(socket)

    return asyncio.run(main())


async def until_type(socket: Socket, kind: str) -> dict[str, Any]:
    async for message in socket:
        event: dict[str, Any] = json.loads(message.data)
        if event["type"] == kind:
            return event
    raise AssertionError(f"closed with {socket.close_code} before {kind}")


def change(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime"} | session}


def item(**values: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "Hello"}]
    message = {"type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": message | values}


TRUNCATE = {
    "type": "conversation.item.truncate",
    "item_id": "item_x",
    "content_index": 0,
    "audio_end_ms": 10,
}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "missing_required_parameter", "type"),
        ({}, "missing_required_parameter", "type"),
        ({"type": "conversation.item.created"}, "invalid_value", "type"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {}}, None, None),
        (change(temperature=0.8), "unknown_parameter", "session.temperature"),
        (change(modalities=["audio"]), "unknown_parameter", "session.modalities"),
        (change(voice="alloy"), "unknown_parameter", "session.voice"),
        (change(model="other"), "invalid_value", "session.model"),
        (change(output_modalities=["audio", "text"]), "invalid_value", None),
        (change(instructions=5), "invalid_value", None),
        (change(audio={"output": {"voice": "onyx"}}), "invalid_value", None),
        (change(audio={"output": {"speed": 9.0}}), "invalid_value", None),
        (change(audio={"input": {"format": {"type": "audio/pcmu"}}}), None, None),
        (change(audio={"input": {"vad": {}}}), "unknown_parameter", None),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "§"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "invalid_value", None),
        (
            {"type": "input_audio_buffer.commit"},
            "input_audio_buffer_commit_empty",
            None,
        ),
        (item(content=[{"type": "text", "text": "x"}]), "invalid_value", None),
        (item(role="assistant"), "invalid_value", None),
        (item(role="robot"), "invalid_value", None),
        (
            item() | {"previous_item_id": "item_x"},
            "item_create_invalid_previous_item_id",
            "previous_item_id",
        ),
        (
            {"type": "conversation.item.delete", "item_id": "item_x"},
            "item_delete_invalid_item_id",
            "item_id",
        ),
        (
            {"type": "conversation.item.retrieve", "item_id": "item_x"},
            "item_retrieve_invalid_item_id",
            "item_id",
        ),
        (TRUNCATE, "item_truncate_invalid_item_id", "item_id"),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        (
            {"type": "response.create", "response": {"modalities": ["text"]}},
            "unknown_parameter",
            "response.modalities",
        ),
    ],
)
def test_realtime_refuses_an_event(counterpart, event, code, param):
    async def talk(socket: Socket) -> dict[str, Any]:
        text = (
            event if isinstance(event, str) else json.dumps({"event_id": "e1"} | event)
        )
        await socket.send_str(text)
        return (await until_type(socket, "error"))["error"]

    error = realtime(counterpart, talk)
    assert error["type"] == "invalid_request_error"
    assert code is None or error["code"] == code
    assert param is None or error["param"] == param
    assert error["event_id"] == (None if isinstance(event, str) else "e1")
    (refused,) = counterpart.refused()
    assert refused["error"] == error


def test_realtime_refuses_bytes(counterpart):
    async def talk(socket: Socket) -> dict[str, Any]:
        await socket.send_bytes(b"x")
        return (await until_type(socket, "error"))["error"]

    assert realtime(counterpart, talk)["code"] == "invalid_message"


def test_realtime_refuses_what_does_not_fit_its_state(counterpart):
    counterpart.script(responses={"seconds": 5.0, "pace": 1.0})
    codes: list[str] = []

    async def refusal(socket: Socket, **event: Any) -> None:
        await socket.send_json(event)
        codes.append((await until_type(socket, "error"))["error"]["code"])

    async def talk(socket: Socket) -> None:
        await socket.send_json(item(id="item_a"))
        await until_type(socket, "conversation.item.done")
        await refusal(socket, **item(id="item_a"))
        await refusal(socket, **TRUNCATE | {"item_id": "item_a"})
        await socket.send_json({"type": "response.create"})
        delta = await until_type(socket, "response.output_audio.delta")
        await refusal(socket, type="response.create")
        await refusal(socket, type="response.cancel", response_id="resp_x")
        await refusal(socket, **change(audio={"output": {"voice": "marin"}}))
        far = {"item_id": delta["item_id"], "audio_end_ms": 4900}
        await refusal(socket, **TRUNCATE | far)
        await refusal(socket, **TRUNCATE | far | {"audio_end_ms": -1})
        await refusal(socket, **TRUNCATE | far | {"content_index": 1})

    realtime(counterpart, talk)
    assert codes == [
        "item_create_duplicate_item_id",
        "invalid_value",
        "conversation_already_has_active_response",
        "response_cancel_not_active",
        "cannot_update_voice",
        *["invalid_value"] * 3,
    ]


def test_a_truncated_item_is_not_truncated_to_more(counterpart):
    counterpart.script(responses={"text": "One two three."})

    async def talk(socket: Socket) -> str:
        await socket.send_json({"type": "response.create"})
        done = await until_type(socket, "response.done")
        cut = TRUNCATE | {"item_id": done["response"]["output"][0]["id"]}
        for end_ms in (200, 200, 201):
            await socket.send_json(cut | {"audio_end_ms": end_ms})
        return (await until_type(socket, "error"))["error"]["message"]

    message = realtime(counterpart, talk)
    assert message == "Audio content of 200ms is already shorter than 201ms"


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/realtime", {}, "missing_model"),
        ("/realtime?model=other", {}, "model_not_found"),
        (
            "/realtime?model=gpt-realtime",
            {"OpenAI-Beta": "realtime=v1"},
            "beta_api_shape_disabled",
        ),
    ],
)
def test_realtime_refuses_a_session_after_the_handshake(
    counterpart, path, headers, code
):
    counterpart.script(models=["gpt-realtime"])

    async def talk(socket: Socket) -> tuple[Any, Any]:
        error = await until_type(socket, "error")
        await socket.receive()
        return error["error"]["code"], socket.close_code

    assert realtime(counterpart, talk, path, **headers) == (code, 4000)


@pytest.mark.parametrize("key", ["Bearer sk-wrong", "", "Basic x"])
def test_realtime_refuses_the_handshake_of_a_wrong_key(counterpart, key):
    counterpart.script(keys=["sk-refusals"])
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        realtime(counterpart, lambda socket: asyncio.sleep(0), Authorization=key)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "script",
    [
        {"chats": {}},
        {"chat": {"txt": "x"}},
        {"chat": {"when": {"contain": "x"}}},
        {"chat": {"fault": "unknown"}},
    ],
)
def test_a_wrong_script_is_refused(counterpart, script):
    with pytest.raises(ValueError, match="no "):
        counterpart.script(**script)


def test_audio_that_is_appended_is_read_back_by_its_length(counterpart):
    audio = base64.b64encode(bytes(4800)).decode()

    async def talk(socket: Socket) -> None:
        await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        await socket.send_json({"type": "input_audio_buffer.commit"})
        await until_type(socket, "input_audio_buffer.committed")

    realtime(counterpart, talk)
    received = counterpart.connections()[0]["received"]
    assert received[0]["audio_ms"] == 100
