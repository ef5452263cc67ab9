"""
Agent process of the tests: `AgentProcess` starts it in place of the real one.

The session's id says how it behaves. It needs no package of the extra, so it starts in
a moment.
"""

import os
import signal
import sys
import time

from protocol.link.messages import (
    Attend,
    Begin,
    Command,
    End,
    Ended,
    Happened,
    Joined,
    LinkMessage,
    OpenTurn,
    SealTurn,
    TurnAudioPiece,
)
from tests.conversation.stand_in_agent import StandInAgent

FLOOD = 30_000  # messages
LONG_TEXT = 300_000  # characters: a provider may send them, and the link takes fewer
SPEECH = b"\x10\x20\xf0\xdf" * 12_000  # 1 s


class StrangeAgent(StandInAgent):
    """Agent that speaks texts for a second or as long as they say, or misbehaves."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._turns = 0

    def take(self, message: LinkMessage) -> None:
        match message:
            case Begin(number, settings):
                self.begin(number, settings.session_id, settings.room_token)
            case Command(number, "speak_text", text):
                self._turns += 1
                self.send(
                    OpenTurn(number, self._turns, message.event_id),
                    *[TurnAudioPiece(number, self._turns, SPEECH)] * seconds(text),
                    SealTurn(number, self._turns),
                    Happened(
                        *(number, "avatar.transcription", text),
                        turn=self._turns,
                        source_event_id=message.event_id,
                    ),
                )
            case Command(number, "speak_response", "long"):
                self.send(Happened(number, "user.transcription", "x" * LONG_TEXT))
            case Command(_, "speak_response", "die"):
                os.kill(os.getpid(), signal.SIGKILL)
            case End(number):
                self.send(Ended(number, "USER_CLOSED", "as asked"))

    def begin(self, number: int, behaviour: str, token: str) -> None:
        match behaviour:
            case "dies":
                print("ERROR strange: dies with", token, file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            case "hangs":
                time.sleep(3600)
            case "garbage":
                self._socket.sendall(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
            case "too long":
                self._socket.sendall(b"\xff" * 13)
            case "wrong way":
                self.send(Command(number, "interrupt"))
            case "flood":
                self.send(*[Attend(number, "speaking")] * FLOOD)
            case "shouts":
                for line in range(5000):
                    print("INFO strange: line", line, file=sys.stderr)
            case "closes":
                self._socket.close()
                time.sleep(3600)
        self.send(Joined(number))


def seconds(text: str) -> int:
    """Return how long a text is spoken: a number says it itself."""
    return int(text) if text.isdecimal() else 1


if __name__ == "__main__":
    StrangeAgent(sys.argv[1]).run()
