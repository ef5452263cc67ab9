"""
Warm-up of the agent process: the slow first times, before any conversation.

Plugins must be imported in the main thread.
"""

import importlib
import importlib.util

LIBRARIES = ("livekit.agents", "livekit.plugins.openai", "openai", "httpx2")
GEMINI = "livekit.plugins.google"  # if installed


def import_libraries() -> None:
    """Import what conversations need, which takes seconds."""
    for name in LIBRARIES:
        importlib.import_module(name)
    if importlib.util.find_spec(GEMINI) is not None:
        importlib.import_module(GEMINI)


async def warm_up() -> None:
    """Hear, think and speak once, before anybody waits for it."""
    from conversation.agent.guarded_http import tls_context
    from conversation.agent.trial_turn import take_trial_turn

    tls_context()
    await take_trial_turn()
