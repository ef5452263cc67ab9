"""Avatars of a lite-gateway for LiveKit agents."""

from livekit.agents import Plugin

from .avatar import AvatarSession, LiteAvatarException
from .local import LocalAvatarSession
from .log import logger
from .version import __version__

__all__ = [
    "AvatarSession",
    "LiteAvatarException",
    "LocalAvatarSession",
    "__version__",
]


class LiteAvatarPlugin(Plugin):
    def __init__(self) -> None:
        super().__init__(__name__, __version__, __package__, logger)


Plugin.register_plugin(LiteAvatarPlugin())
