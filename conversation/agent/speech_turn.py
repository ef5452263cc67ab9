"""Turn of the avatar's speech: its text, its audio, and how much of it was heard."""

from dataclasses import dataclass, field
from typing import Any

from conversation.agent.heard_text import SAMPLE_RATE, HeardText


@dataclass(slots=True)
class SpeechTurn:
    """One stretch of speech; it is over when the gateway has said how it ended."""

    number: int
    text: HeardText = field(default_factory=HeardText)
    handle: Any = None  # SpeechHandle of livekit-agents that speaks it, if one does
    source: str | None = None  # id of the command that asked for it
    opened: bool = False  # the gateway was told
    started: bool = False  # the gateway has played its first sample
    text_complete: bool = False
    audio_complete: bool = False
    given_up: bool = False  # the voice failed, and text is left that it never speaks
    over: bool = False
    told: str = ""  # text that clients were told as heard
    _played: int = 0  # samples heard when the gateway last told
    _playing_since: float | None = None  # monotonic s, None while nothing plays

    def complete_text(self) -> None:
        """Note that no more text comes."""
        self.text_complete = True
        self._complete()

    def complete_audio(self) -> None:
        """Note that no more audio comes."""
        self.audio_complete = True
        self._complete()

    def _complete(self) -> None:
        if self.text_complete and self.audio_complete and not self.given_up:
            self.text.complete()

    def play(self, now: float) -> None:
        """Note that the gateway plays it, or goes on to."""
        self.started = True
        if self._playing_since is None:
            self._playing_since = now

    def hold(self, samples: int) -> None:
        """Note that the gateway plays nothing of it, and ``samples`` were heard."""
        self._played = min(samples, self.text.samples)
        self._playing_since = None

    def finish(self, samples: int) -> None:
        """Note that it is over, and ``samples`` were heard."""
        self.hold(samples)
        self.over = True

    def played(self, now: float) -> int:
        """
        Return how many samples were heard.

        The gateway tells it when the turn is held and when it is over. Between, it
        follows from the time, and may be ahead by pauses in the audio.
        """
        if self._playing_since is None:
            return self._played
        elapsed = round((now - self._playing_since) * SAMPLE_RATE)
        return min(self._played + elapsed, self.text.samples)

    @property
    def playing(self) -> bool:
        """The gateway plays it, and does not hold it."""
        return self._playing_since is not None
