"""
Agent process that stands in for the real one: it answers texts at once with a tone.

Every word takes `WORD_S`. Of push to talk it hears "Good morning.", whatever was said.
It needs no package of the extra, and starts in a moment.
"""

import sys
import time

from protocol.link.messages import (
    Begin,
    Command,
    End,
    Ended,
    Happened,
    Joined,
    LinkMessage,
    OpenTurn,
    SealTurn,
    SpeechFinished,
    SpeechStarted,
    StageTimes,
    TurnAudioPiece,
)
from tests.conversation.stand_in_agent import StandInAgent

SAMPLE_RATE = 24_000
WORD_S = 0.3
WORD = b"\x10\x20\xf0\xdf" * round(SAMPLE_RATE * WORD_S / 2)
HEARD = "Good morning."
REFUSED = "Use a wrong key."  # answered as by a language model that refuses its key
REFUSAL = "the language model refuses its API key"


class AnsweringAgent(StandInAgent):
    """Agent of one conversation."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._number = 0
        self._turns = 0
        self._interrupts = 0
        self._opening = ""
        self._texts: dict[int, tuple[str, str | None]] = {}  # words, id of the command

    def take(self, message: LinkMessage) -> None:
        match message:
            case Begin(number, settings):
                self._number = number
                self._interrupts = 0
                self._opening = settings.opening_text
                self.send(Joined(number))
            case Command():
                self._obey(message)
            case SpeechStarted(_, turn):
                self._hear(turn, 1)
            case SpeechFinished(_, turn, samples):
                self._finish(turn, samples)
            case End(number):
                self.send(Ended(number, "USER_CLOSED", "as asked"))

    def _obey(self, command: Command) -> None:
        match command.name:
            case "listener" if self._opening:
                self._speak(self._opening, None)
            case "speak_text":
                self._speak(command.text, command.event_id)
            case "speak_response" if command.text == REFUSED:
                self.send(Happened(self._number, "error", REFUSAL, code="auth"))
            case "speak_response":
                self._answer(command.text, command.event_id)
            case "interrupt":
                self._interrupts += 1
            case "push_to_talk_start":  # an interrupt comes before it
                self._tell("user.speak_started")
            case "push_to_talk_stop":
                self._tell("user.transcription", HEARD)
                self._answer(HEARD, None)

    def _answer(self, text: str, source: str | None) -> None:
        words = f"You said: {text}"
        turn = self._turns + 1
        for word in words.split(" "):
            self._tell("avatar.transcription.chunk", f"{word} ", turn, source)
        self._speak(words, source)

    def _speak(self, text: str, source: str | None) -> None:
        self._turns += 1
        turn = self._turns
        self._texts[turn] = text, source
        now_s = time.monotonic()
        self.send(
            OpenTurn(self._number, turn, source, self._interrupts),
            *[TurnAudioPiece(self._number, turn, WORD)] * len(text.split()),
            StageTimes(
                self._number,
                turn,
                {
                    "last_speech": now_s - 0.7,
                    "turn_end": now_s - 0.4,
                    "stt": now_s - 0.3,
                    "llm_first_token": now_s - 0.12,
                    "first_sentence": now_s - 0.1,
                    "tts_first_audio": now_s,
                },
            ),
            SealTurn(self._number, turn),
        )

    def _hear(self, turn: int, words: int) -> None:
        text, source = self._texts[turn]
        heard = " ".join(text.split()[:words])
        self._tell("avatar.transcription.heard", heard, turn, source)

    def _finish(self, turn: int, samples: int) -> None:
        text, source = self._texts[turn]
        words = text.split()[: round(samples / SAMPLE_RATE / WORD_S)]
        self._tell("avatar.transcription", " ".join(words), turn, source)

    def _tell(
        self, event: str, text: str = "", turn: int = 0, source: str | None = None
    ) -> None:
        self.send(
            Happened(self._number, event, text, turn=turn, source_event_id=source)
        )


if __name__ == "__main__":
    AnsweringAgent(sys.argv[1]).run()
