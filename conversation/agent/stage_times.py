"""Moments of the answers that are being made, for their latency."""

import math
import time
from collections.abc import Callable
from typing import Any

from protocol.link.messages import MOMENTS


class TurnMoments:
    """
    Moments between the end of the user's turn and the first audio of its answer.

    A speech is a ``SpeechHandle`` of the session. Speeches that commands ask for are
    told to `begin_asked`; any other one answers the newest turn of the user's voice.
    The engines mark moments as they come; the speaker takes them when it writes the
    first audio of a speech.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._voice: dict[str, float] | None = None  # None: nothing is answered
        # Those that were asked for, by id; None for one that answers nothing.
        self._asked: dict[str, dict[str, float] | None] = {}

    def begin(self, **moments: float) -> None:
        """Begin a turn of the user's voice, of which ``moments`` are known, in s."""
        self._voice = dict(moments)

    def begin_answer(self, last_loud: float | None) -> None:
        """Begin a turn of the user's voice that is over now, last loud at a moment."""
        self.begin(**({} if last_loud is None else {"last_speech": last_loud}))
        self.mark("turn_end")

    def forget(self) -> None:
        """Note that the newest turn of the user's voice is not answered."""
        self._voice = None

    def begin_asked(self, speech: Any, *, is_answer: bool) -> None:
        """Begin a speech that a command asks for now: a text, or an answer to one."""
        self._asked[speech.id] = {"turn_end": self._now()} if is_answer else None
        speech.add_done_callback(lambda _: self._asked.pop(speech.id, None))

    def mark(self, name: str, speech: Any = None) -> None:
        """Note that a moment of `MOMENTS` is now; the first of a name counts."""
        assert name in MOMENTS
        moments = self._of(speech)
        if moments is not None:
            moments.setdefault(name, self._now())

    def take(self, speech: Any, free_s: float = -math.inf) -> dict[str, float]:
        """
        Return the moments of a speech whose first audio is written, in their order.

        It is empty for a speech that answers nothing. ``free_s`` is when the speech
        before it was over: audio that came earlier has waited for that.
        """
        moments, now_s = self._of(speech), self._now()
        if moments is None:
            return {}
        if moments.get("tts_first_audio", now_s) < free_s:
            moments["queue"] = now_s
        else:
            moments["tts_first_audio"] = now_s
        if speech is not None and speech.id in self._asked:
            self._asked[speech.id] = None
        else:
            self.forget()
        return {name: moments[name] for name in MOMENTS if name in moments}

    def _of(self, speech: Any) -> dict[str, float] | None:
        if speech is not None and speech.id in self._asked:
            return self._asked[speech.id]
        return self._voice
