"""Line of `make run` about the parts of a conversation."""

import pytest

from lite_gateway.conversation.options import ConversationOptions
from lite_gateway.conversation.parts import (
    describe_conversations,
    offer_for_pages,
)

LLM = {"llm_url": "http://127.0.0.1:11434/v1", "llm_model": "llama3.2"}
SCRIPTED = "answers are scripted; set LITE_LLM_URL for a model"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, f"built-in speech: small English models, {SCRIPTED}"),
        (
            LLM,
            "built-in speech: small English models,"
            " answers by llama3.2 at http://127.0.0.1:11434/v1",
        ),
        (
            {"tts_url": "http://127.0.0.1:9/v1"},
            f"built-in recognizer: a small English model, {SCRIPTED}",
        ),
        (
            {"stt_url": "http://127.0.0.1:9/v1"},
            f"built-in voice: a small English model, {SCRIPTED}",
        ),
        (
            {"stt_url": "http://a/v1", "tts_url": "http://a/v1", **LLM},
            "answers by llama3.2 at http://127.0.0.1:11434/v1",
        ),
    ],
)
def test_it_names_what_is_built_in_and_what_answers(settings, line):
    options = ConversationOptions(**settings)
    for state in ("starting", "ready"):
        assert describe_conversations(state, options) == line


def test_it_says_why_there_are_no_conversations():
    options = ConversationOptions()
    assert "LITE_CONVERSATIONS=off" in describe_conversations("off", options)
    missing = describe_conversations("not installed", options)
    assert "pip install 'lite-gateway[agent,speech]'" in missing


def test_pages_get_the_state_what_is_missing_and_no_address():
    options = ConversationOptions(**LLM)
    for names_model, name in ((True, "llama3.2"), (False, "a language model")):
        ready = offer_for_pages("ready", "", options, names_model=names_model)
        text = f"built-in speech: small English models, answers by {name}"
        assert ready == {"state": "ready", "text": text}
    starting = offer_for_pages("starting", "", options, names_model=False)
    assert starting["state"] == "starting"
    off = offer_for_pages("off", "turned off", options, names_model=False)
    assert (off["state"], "LITE_CONVERSATIONS=off" in off["text"]) == ("off", True)
    # The agent process may be ready where FULL mode has no speech recognition.
    lacking = offer_for_pages("ready", "no recognizer", options, names_model=True)
    assert lacking == {
        "state": "not installed",
        "text": "no recognizer",
    }
