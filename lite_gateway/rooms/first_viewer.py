"""Pause of the video while its first viewer gets ready to decode it."""

from collections.abc import Callable

# LiveKit's server sends the video as soon as it has answered a viewer's offer, and the
# viewer drops what arrives before it has applied that answer: up to 35 ms later on a
# busy machine. If that is the keyframe that was just requested, the next one is 300 ms
# away at least, because libwebrtc answers requests no faster.
READY_S = 0.040


class FirstViewer:
    """
    Decision which frames to submit, so that the first viewer gets the first keyframe.

    It misses no frame by that, and nobody else is there yet.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ready_s = 0.0

    def on_subscribed(self) -> None:
        """Note that LiveKit's server sends the video to its first viewer from now."""
        self._ready_s = self._now() + READY_S

    def takes_frame(self) -> bool:
        """
        Return whether to submit a frame now.

        The frame after a pause answers the request for a keyframe that came in it.
        """
        return self._now() >= self._ready_s
