"""Turns of the user that a connection of Realtime alone knows."""

from typing import Any

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class OpenTurns:
    """
    Turns that have begun and are not answered yet, or whose words are not there yet.

    ``answers``: the server answers each turn.
    """

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self._has_begun = False
        self._wordless: set[str] = set()  # ids of items

    def __bool__(self) -> bool:
        return self._has_begun or bool(self._wordless)

    def begin(self) -> None:
        """Note that the user speaks."""
        self._has_begun = True

    def answered(self) -> None:
        """Note that the newest turn is answered, or that none was heard."""
        self._has_begun = False

    def forget(self) -> None:
        """Note that the connection is lost."""
        self._has_begun = False
        self._wordless.clear()

    def receive(self, event: dict[str, Any]) -> None:
        """Take an event of the server."""
        match event.get("type"):
            case "input_audio_buffer.speech_started":
                self.begin()
            case "input_audio_buffer.committed":
                self._has_begun = self._answers
                self._wordless.add(event["item_id"])
            case str(kind) if kind in (
                f"{_TRANSCRIPTION}.completed",
                f"{_TRANSCRIPTION}.failed",
            ):
                self._wordless.discard(event["item_id"])
