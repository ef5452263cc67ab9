"""Speech of the avatar as the data channel tells it: turns, words and commands."""

from dataclasses import dataclass, field

from protocol.full.messages import ChannelCommand, CommandKind
from protocol.turns import Turn, TurnCause, TurnQueue

MAX_KEPT = 1024  # commands, and turns whose words may still change


@dataclass(slots=True)
class SpokenText:
    """Words of one turn. ``event_id`` is that of the command that caused it."""

    event_id: str | None = None
    announced: str | None = None  # told as soon as avatar.speak_text came
    heard: str = ""  # by the newest report
    has_chunks: bool = False
    is_queued: bool = False  # to be spoken, or it was
    is_closed: bool = False  # its words are told and stored


@dataclass(slots=True, eq=False)
class _SpokenTurn(Turn):
    key: str | None  # of its command
    text: SpokenText


@dataclass(slots=True)
class AvatarSpeech:
    """
    Turns of the avatar, their words, and the commands that asked for them.

    A command has a key, which the agent process names in its answers.
    """

    newest: int = 0  # turn
    _turns: TurnQueue[_SpokenTurn] = field(default_factory=TurnQueue)
    _texts: dict[int, SpokenText] = field(default_factory=dict)  # by turn, oldest first
    _commands: dict[str, ChannelCommand] = field(default_factory=dict)  # by key
    _keys: int = 0
    _waiting: set[str] = field(default_factory=set)  # keys of texts to be spoken

    @property
    def texts_waiting(self) -> int:
        """Number of commands with words to speak whose turns are not over."""
        return len(self._waiting)

    # Commands.

    def add(self, command: ChannelCommand) -> str:
        """Return the key of a new command."""
        self._keys += 1
        key = str(self._keys)
        self._commands[key] = command
        if len(self._commands) > MAX_KEPT:
            del self._commands[next(iter(self._commands))]
        if command.kind is CommandKind.SPEAK_TEXT:
            self._waiting.add(key)
        return key

    def give_up(self, key: str | None) -> None:
        """Note that a command failed: no turn of it will be over."""
        self._waiting.discard(key or "")

    def interrupted(self) -> None:
        """Note that nothing waits to be spoken any more."""
        self._waiting.clear()

    # Turns.

    def open(self, number: int, key: str | None) -> None:
        """Queue a turn, after all others."""
        if number > self.newest:
            self.newest = number
            text = self.text(number, key)
            text.is_queued = True
            self._turns.add(_SpokenTurn(number, key, text))

    def start(self, number: int) -> SpokenText | None:
        """Start a turn. Return None if it is not the oldest, or has started."""
        turn = self._turns.apply(number, TurnCause.START)
        return None if turn is None else turn.text

    def finish(self, upto: int) -> list[SpokenText]:
        """End all turns up to that number; return those that had started."""
        over = self._turns.flush(upto)
        for turn in over:
            self._spoken(turn.key)
        return [turn.text for turn in over if turn.has_started]

    def _spoken(self, key: str | None) -> None:
        """Note that a command's text was spoken: earlier ones wait no more either."""
        if key is not None and key in self._waiting:
            newer = (other for other in self._waiting if int(other) > int(key))
            self._waiting = set(newer)

    # Words.

    def text(self, number: int, key: str | None) -> SpokenText:
        """Return the words of a turn; of turn 0, which is none, they are not kept."""
        text = self._texts.get(number)
        if text is None:
            text = SpokenText()
            if number:
                self._texts[number] = text
            if len(self._texts) > MAX_KEPT:
                del self._texts[next(iter(self._texts))]
        command = self._commands.get(key or "")
        if command is not None:
            text.event_id = command.event_id
            if command.kind is CommandKind.SPEAK_TEXT:
                text.announced = command.text
        return text

    def close_unspoken(self, below: int | None) -> list[SpokenText]:
        """Close texts with chunks whose turns were not queued; return them."""
        texts = [
            text
            for number, text in self._texts.items()
            if (below is None or number < below)
            and text.has_chunks
            and not (text.is_queued or text.is_closed)
        ]
        for text in texts:
            text.is_closed = True
        return texts

    def unclosed(self) -> list[str]:
        """Return the words that were heard of turns whose words were not told."""
        return [text.heard for text in self._texts.values() if not text.is_closed]
