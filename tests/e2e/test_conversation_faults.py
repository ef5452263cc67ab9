"""Faults of Realtime in a real room: said once, and no secret is found anywhere."""

import asyncio
import time

import pytest

from tests.e2e.calls import ended
from tests.e2e.talking import (
    Person,
    context,
    language_model,
    mint,
    realtime,
    running_session,
    secrets_found,
    start,
    started,
    talking_gateway,
)
from tests.openai_counterpart.process import RunningCounterpart
from tests.waiting import best_of, figures, until_async

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytestmark = [pytest.mark.livekit, pytest.mark.process]

# One that looks like OpenAI's, and one that only its owner knows to be a key.
KEYS = ('hush/of "Realtime"+1', "sk-e2e-abcdefghijklmnop")
# Names of the counterpart's host: the gateway finds a public address, as if the name
# moved before the agent process asks for it.
MOVES = """
import lite_gateway.cli.serve as serve
import lite_gateway.foreign.addresses as addresses
from lite_gateway.__main__ import main
serve.LOOPBACK_HOSTS = ()  # which dev allows
resolve = addresses._addresses
def moves(host, port):
    return ["8.8.8.8"] if (host, port) == ("localhost", {port}) else resolve(host, port)
addresses._addresses = moves
main()
"""


def port_of(counterpart: RunningCounterpart) -> int:
    return int(counterpart.url.split(":")[2].split("/")[0])


@pytest.fixture(scope="module")
def talking(livekit, counterpart_process, tmp_path_factory):
    log_path = tmp_path_factory.mktemp("faults") / "log"
    program = ("-c", MOVES.format(port=port_of(counterpart_process)))
    with talking_gateway(
        livekit, log_path, counterpart_process, command=program
    ) as running:
        yield running


async def visit(session: dict, *commands: str) -> Person:
    """Be in the room until the session is stopped."""
    person = Person()
    async with person.visiting(session):
        for command in commands:
            await person.send("avatar.speak_response", text=command)
        await person.event("session.stopped")
    return person


REFUSALS = pytest.mark.parametrize(
    ("script", "code"),
    [
        ({"keys": ["sk-right"]}, "auth"),
        ({"models": ["other"]}, "model"),
        ({"handshakes": {"fault": "quota"}}, "quota"),
        ({"responses": {"fault": "quota"}}, "quota"),
    ],
    ids=["key", "model", "quota", "quota of an answer"],
)


def check_refusal(talking, counterpart, script: dict, code: str, key: str) -> float:
    """Start a session that is refused; return how many seconds later it is stopped."""
    counterpart.script(**script)
    session = started(talking, **realtime(talking, key))
    started_s = time.monotonic()
    person = asyncio.run(visit(session, "Hello."))
    (error,) = person.all("error")
    assert error["code"] == code
    (stopped,) = person.all("session.stopped")
    assert stopped["end_reason"] == "SERVER_ERROR"
    assert stopped["message"] == error["message"]
    item = ended(talking, session["session_id"])
    assert item["end_reason"] == "SERVER_ERROR"
    log = talking.log_path.read_text()
    assert f"kind={code} " in log
    assert secrets_found(talking, session, *KEYS) == []
    return stopped["at_s"] - started_s


@REFUSALS
@best_of(3)
def test_a_refused_account_is_told_once_and_ends_the_session(
    talking, counterpart, script, code
):
    stopped_s = check_refusal(talking, counterpart, script, code, KEYS[0])
    with figures():
        assert stopped_s < 3


@REFUSALS
def test_a_refused_key_that_looks_like_openais_is_told_as_any_other(
    talking, counterpart, script, code
):
    check_refusal(talking, counterpart, script, code, KEYS[1])


def test_the_key_and_the_tokens_are_in_no_process_list(talking, counterpart):
    async def main(session: dict) -> None:
        person = Person()
        async with person.visiting(session):
            await person.send("avatar.speak_response", text="Hello.")
            await person.event("avatar.speak_ended")
            assert secrets_found(talking, session, *KEYS) == []

    with running_session(talking, **realtime(talking, KEYS[0])) as session:
        asyncio.run(main(session))
    assert KEYS[0] in [each["key"] for each in counterpart.connections()]


def test_an_address_inside_is_refused_when_it_is_written(talking):
    for url in ("http://127.0.0.1/v1", "http://[::ffff:10.0.0.1]/v1", "http://0x7f.1/"):
        response = mint(talking, **realtime(talking, base_url=url))
        assert response.status_code == 422, response.text
        assert "base_url: this host has no public" in response.json()["message"]


def test_a_name_inside_is_refused_when_the_session_starts(talking):
    fields = realtime(talking, base_url="http://localhost:9/v1")
    response = start(talking, **fields)
    assert response.status_code == 400, response.text
    assert "base_url: this host has no public" in response.json()["message"]


def test_a_name_that_moves_inside_is_not_reached(talking, counterpart):
    url = f"http://localhost:{port_of(counterpart)}/v1"
    session = started(talking, **realtime(talking, base_url=url))
    person = asyncio.run(visit(session))
    assert [error["code"] for error in person.all("error")] == ["unreachable"]
    assert person.all("session.stopped")[0]["end_reason"] == "SERVER_ERROR"
    assert counterpart.requests("handshakes") == []


def test_a_language_model_that_moves_inside_fails_the_turn(talking, counterpart):
    url = f"http://localhost:{port_of(counterpart)}/v1"
    fields = {
        "mode": "FULL",
        "avatar_persona": {"context_id": context(talking)},
        "llm_configuration_id": language_model(talking, url),
    }

    async def main(session: dict) -> Person:
        async with Person().visiting(session) as person:
            await person.send("avatar.speak_response", text="Hello?")
            await person.event("avatar.speak_ended")
            await person.send("avatar.speak_text", text="I am still here.")
            await person.event("avatar.speak_ended", 2)
        return person

    with running_session(talking, **fields) as session:
        person = asyncio.run(main(session))
    assert [error["code"] for error in person.all("error")] == ["unreachable"]
    assert counterpart.requests("chat") == []


def test_a_lost_connection_is_made_again_with_what_was_heard(talking, counterpart):
    counterpart.script(
        responses=[
            {"when": {"contains": "first"}, "text": "I am Mira."},
            {"when": {"contains": "second"}, "seconds": 30, "pace": 1.0},
            {"text": "Here I am."},
        ]
    )
    key = "sk-e2e-of-a-connection-that-is-lost"

    async def main(session: dict) -> None:
        person = Person()
        async with person.visiting(session):
            await person.send("avatar.speak_response", text="first")
            await person.event("avatar.speak_ended")
            await person.send("avatar.speak_response", text="second")
            await person.event("avatar.speak_started", 2)
            await until_async(lambda: len(person.all("avatar.transcription.heard")) > 4)
            counterpart.drop(key=key)
            await person.event("avatar.speak_ended", 2)
            await person.event("avatar.transcription", 2)
            (error,) = person.all("error")
            assert error["code"] == "cut"
            await person.send("avatar.speak_response", text="third")
            await person.event("avatar.speak_ended", 3)
            await person.event("avatar.transcription", 3)  # comes a little later
            said = [event["text"] for event in person.all("avatar.transcription")]
            assert (said[0], said[2]) == ("I am Mira.", "Here I am.")
            # Of the answer that was cut, what was heard.
            assert said[1].startswith("one two")
            assert len(said[1].split()) < 20
            every = counterpart.connections()
            old, new = [each for each in every if each["key"] == key]
            assert old["closed_s"]
            assert texts_of(new)[:4] == ["first", said[0], "second", said[1]]
            assert "session.stopped" not in person.kinds

    with running_session(talking, **realtime(talking, key)) as session:
        asyncio.run(main(session))
    assert counterpart.refused() == []


def texts_of(connection: dict) -> list[str]:
    """Return the texts of the items that a client has created, in their order."""
    return [
        part["text"]
        for event in connection["received"]
        if event["type"] == "conversation.item.create"
        for part in event["item"]["content"]
        if "text" in part
    ]
