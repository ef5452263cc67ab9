"""Parts of a conversation, for people: which of them are built in."""

from lite_gateway.conversation.agent_process import State
from lite_gateway.conversation.options import ConversationOptions

INSTALL = "pip install 'lite-gateway[agent,speech]'"
SET_A_MODEL = "set LITE_LLM_URL for a model"


def describe_conversations(state: State, options: ConversationOptions) -> str:
    """Return a line that says whether people can talk with avatars, and by what."""
    match state:
        case "off":
            return "conversations are off (LITE_CONVERSATIONS=off)"
        case "not installed":
            return f"no conversations: {INSTALL}"
        case _:
            return describe_parts(options, f"{options.llm_model} at {options.llm_url}")


def offer_for_pages(
    state: State, missing: str, options: ConversationOptions, *, names_model: bool
) -> dict[str, str]:
    """
    Return the state and a line about it for the demo page; the line has no address.

    ``missing`` says what FULL mode lacks here; empty if nothing. ``names_model``: it
    has the name of the language model. Anybody reads it where the gateway is public,
    and a name may tell of contracts and customers.
    """
    if state == "off":
        return {"state": state, "text": describe_conversations(state, options)}
    model = options.llm_model if names_model else "a language model"
    if missing:
        return {"state": "not installed", "text": missing}
    return {"state": state, "text": describe_parts(options, model)}


def describe_parts(options: ConversationOptions, model: str) -> str:
    """
    Return a line that says what hears, answers and speaks by default.

    ``model`` is what it says of a language model that is set.
    """
    built_in = {
        (False, False): "",
        (False, True): "built-in voice: a small English model",
        (True, False): "built-in recognizer: a small English model",
        (True, True): "built-in speech: small English models",
    }[not options.stt_url, not options.tts_url]
    if options.llm_url:
        answers = f"answers by {model}"
    else:
        answers = f"answers are scripted; {SET_A_MODEL}"
    return ", ".join(filter(None, (built_in, answers)))
