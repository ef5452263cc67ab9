"""Speech of the user as the data channel tells it: started, chunks, ended, text."""

from protocol.full.messages import EventKind

MAX_EARLY_CHARS = 1000

_Told = tuple[EventKind, str]


class UserSpeech:
    """
    Order of the events about the user's speech, whatever order they arrive in.

    Starts and ends alternate. Chunks are told between them, and a transcription after
    the end of its speech. ``listening`` is False outside push to talk, where the
    session has it: nothing starts then.
    """

    def __init__(self, *, listening: bool) -> None:
        self.listening = listening
        self._is_speaking = False
        self._is_untranscribed = False  # a speech has ended, and has no text yet
        self._early = ""  # chunks that came before the start of their speech

    def told(self, kind: EventKind, text: str) -> list[_Told]:
        """Return the events to send for one that happened, with their texts."""
        match kind:
            case EventKind.USER_SPEAK_STARTED:
                return self._start()
            case EventKind.USER_SPEAK_ENDED:
                return self.end()
            case EventKind.USER_CHUNK:
                return self._chunk(text)
        return self._transcription(text)

    def _start(self) -> list[_Told]:
        if self._is_speaking or not self.listening:
            return []
        self._is_speaking = True
        early, self._early = self._early, ""
        chunks = [(EventKind.USER_CHUNK, early)] if early else []
        return [(EventKind.USER_SPEAK_STARTED, ""), *chunks]

    def _chunk(self, text: str) -> list[_Told]:
        if self._is_speaking:
            return [(EventKind.USER_CHUNK, text)]
        if self.listening and not self._is_untranscribed:
            self._early = (self._early + text)[-MAX_EARLY_CHARS:]
        return []  # late: the transcription has its words

    def _transcription(self, text: str) -> list[_Told]:
        """Tell the words of the speech before, if that still waits for its own."""
        ended = self.end() if text and not self._is_untranscribed else []
        self._is_untranscribed, self._early = False, ""
        return [*ended, (EventKind.USER_TRANSCRIPTION, text)] if text else []

    def end(self) -> list[_Told]:
        """End a speech that is under way."""
        if not self._is_speaking:
            return []
        self._is_speaking, self._is_untranscribed = False, True
        return [(EventKind.USER_SPEAK_ENDED, "")]
