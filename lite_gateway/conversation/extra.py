"""Packages that conversations need, and whether they are installed."""

import importlib.util
from functools import cache

from protocol.link.settings import Mode

INSTALL_EXTRA = (
    "conversations are not installed here; run: pip install 'lite-gateway[agent]'; to "
    'send speech yourself, use {"mode": "LITE"} without a connector'
)
INSTALL_SPEECH = (
    "there is no speech recognition here; run: pip install 'lite-gateway[speech]', or "
    "set LITE_STT_URL"
)
INSTALL_GEMINI = (
    "Gemini is not installed here; run: pip install livekit-plugins-google, in the "
    "version of the installed livekit-agents"
)


@cache
def missing_packages(mode: Mode, *, own_recognizer: bool = False) -> str:
    """
    Return what ``mode`` lacks and how to install it; empty if nothing is missing.

    ``own_recognizer``: speech is recognized here, because LITE_STT_URL is empty.
    """
    if not is_installed("livekit.agents", "livekit.plugins.openai"):
        return INSTALL_EXTRA
    if mode == "FULL" and own_recognizer and not is_installed("moonshine_voice"):
        return INSTALL_SPEECH
    if mode == "GEMINI_REALTIME" and not is_installed("livekit.plugins.google"):
        return INSTALL_GEMINI
    return ""


@cache
def is_installed(*modules: str) -> bool:
    """Tell whether modules can be found. Only packages above them are imported."""
    try:
        return all(map(importlib.util.find_spec, modules))
    except ModuleNotFoundError:  # of a package above a module
        return False
