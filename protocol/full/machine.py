"""
State machine of one data channel, without I/O: commands and reports in, effects out.

It keeps what clients rely on: `avatar.speak_ended` once after each
`avatar.speak_started`, cut or not; an answer to each push-to-talk command, at once and
by the gateway alone, because the official SDK waits for it without limit; and the order
of the user's events, see `UserSpeech`.

Each command is told to the agent process under a key of its own. The agent process
names that key as ``source_event_id``, so that answers find their command also where
clients send no ids, or the same one twice. Clients are answered before the agent
process is told, so that nothing of its work comes before the answer.
"""

import uuid
from collections.abc import Callable, Mapping

from protocol.errors import ProtocolError
from protocol.full.avatar_speech import AvatarSpeech
from protocol.full.effects import (
    ChannelEffect,
    CutSpeech,
    SendEvent,
    SetPose,
    StopSession,
    StoreLine,
    TellAgent,
)
from protocol.full.fitting import pieces, shortened
from protocol.full.messages import (
    ChannelCommand,
    ChannelEvent,
    CommandKind,
    EventKind,
)
from protocol.full.user_speech import UserSpeech
from protocol.link.messages import Happened
from protocol.lite.messages import EndReason

MAX_WAITING_TEXTS = 256  # of avatar.speak_text, waiting to be spoken


def _uuid() -> str:
    return str(uuid.uuid4())


class ChannelMachine:
    """
    Data channel of one session.

    Turns have the numbers of the link. ``push_to_talk``: the user is heard between
    `user.start_push_to_talk` and `user.stop_push_to_talk` only. ``new_id`` creates
    event ids; tests pass a counter.
    """

    def __init__(
        self, *, push_to_talk: bool, new_id: Callable[[], str] = _uuid
    ) -> None:
        self._push_to_talk = push_to_talk
        self._new_id = new_id
        self._user = UserSpeech(listening=not push_to_talk)
        self._avatar = AvatarSpeech()
        self._stop_event_id: str | None = None
        self._is_stopped = False

    @property
    def listening(self) -> bool:
        """Return whether the user is to be heard now."""
        return self._user.listening

    # From the room.

    def receive(self, command: ChannelCommand) -> list[ChannelEffect]:
        """Apply one command. After the end of the session, it has no effect."""
        if self._is_stopped:
            return []
        match command.kind:
            case CommandKind.SPEAK_TEXT:
                return self._speak_text(command)
            case CommandKind.SPEAK_RESPONSE:
                key = self._avatar.add(command)
                return [
                    StoreLine("user", command.text),
                    TellAgent("speak_response", command.text, key),
                ]
            case CommandKind.INTERRUPT:
                return self._interrupt(command)
            case CommandKind.START_LISTENING | CommandKind.STOP_LISTENING:
                return [SetPose(command.kind is CommandKind.START_LISTENING)]
            case CommandKind.START_PUSH_TO_TALK:
                return self._start_push_to_talk(command)
            case CommandKind.STOP_PUSH_TO_TALK:
                return self._stop_push_to_talk(command)
        self._stop_event_id = command.event_id
        return [StopSession()]

    def refuse(self, error: ProtocolError) -> list[ChannelEffect]:
        """Answer a packet that is not a command, or one that cannot be taken."""
        if self._is_stopped:
            return []
        return self._error("invalid_request", str(error), error.event_id)

    def _speak_text(self, command: ChannelCommand) -> list[ChannelEffect]:
        if self._avatar.texts_waiting >= MAX_WAITING_TEXTS:
            text = (
                f"{MAX_WAITING_TEXTS} texts are waiting to be spoken: this one was "
                "dropped; wait for avatar.speak_ended, or send longer texts"
            )
            return self._error("invalid_request", text, command.event_id)
        spoken = EventKind.AVATAR_TRANSCRIPTION
        return [
            self._text(spoken, command.text, command.event_id),
            TellAgent("speak_text", command.text, self._avatar.add(command)),
        ]

    def _interrupt(self, command: ChannelCommand) -> list[ChannelEffect]:
        self._avatar.interrupted()
        told = TellAgent("interrupt", "", self._avatar.add(command))
        return [CutSpeech(), *self._unspoken(), told]

    def _start_push_to_talk(self, command: ChannelCommand) -> list[ChannelEffect]:
        if not self._push_to_talk:
            failed = EventKind.PUSH_TO_TALK_START_FAILED
            return [self._event(failed, command.event_id)]
        started = self._event(EventKind.PUSH_TO_TALK_STARTED, command.event_id)
        cut = self._interrupt(command)
        if self._user.listening:  # and goes on doing so, without a gap
            return [*cut, started]
        self._user.listening = True
        key = self._avatar.add(command)
        return [*cut, started, TellAgent("push_to_talk_start", "", key)]

    def _stop_push_to_talk(self, command: ChannelCommand) -> list[ChannelEffect]:
        # Never "stop failed": the SDK would refuse every start from then on.
        stopped = self._event(EventKind.PUSH_TO_TALK_STOPPED, command.event_id)
        if not self._push_to_talk or not self._user.listening:
            return [stopped]
        self._user.listening = False
        key = self._avatar.add(command)
        ended = [self._event(kind) for kind, _ in self._user.end()]
        return [stopped, *ended, TellAgent("push_to_talk_stop", "", key)]

    # From the agent process.

    def opened(self, turn: int, source: str | None) -> None:
        """Note that a turn is queued; ``source`` is the key of its command."""
        if not self._is_stopped:
            self._avatar.open(turn, source)

    def happened(self, report: Happened) -> list[ChannelEffect]:
        """Apply one event of the agent process; of a text only what clients need."""
        if self._is_stopped:
            return []
        try:
            kind = EventKind(report.event)
        except ValueError:  # push to talk that failed to stop: see above
            return []
        match kind:
            case EventKind.ERROR:
                return self._failed(report)
            case EventKind.AVATAR_CHUNK:
                return self._chunk(report)
            case EventKind.AVATAR_TRANSCRIPTION:
                return self._avatar_text(report)
            case EventKind.AVATAR_HEARD:
                self._avatar.text(
                    report.turn, report.source_event_id
                ).heard = report.text
                return [self._heard(report)]
            case (
                EventKind.USER_SPEAK_STARTED
                | EventKind.USER_SPEAK_ENDED
                | EventKind.USER_CHUNK
                | EventKind.USER_TRANSCRIPTION
            ):
                return self._user_event(kind, report)
        return []  # the gateway has told it already

    def _failed(self, report: Happened) -> list[ChannelEffect]:
        source = self._source(report)
        self._avatar.give_up(report.source_event_id)
        return self._error(report.code, report.text, source)

    def _chunk(self, report: Happened) -> list[ChannelEffect]:
        text = self._avatar.text(report.turn, report.source_event_id)
        if text.is_closed or text.announced is not None:
            return []
        text.has_chunks = True
        return self._deltas(EventKind.AVATAR_CHUNK, report.text, self._source(report))

    def _avatar_text(self, report: Happened) -> list[ChannelEffect]:
        """
        Tell and store the words of a turn, once.

        Words of `avatar.speak_text` were told when it came. Clients would show a second
        transcription as a second line, so a cut is told by the words that were heard.
        """
        text = self._avatar.text(report.turn, report.source_event_id)
        if text.is_closed:
            return []
        text.is_closed = True
        effects: list[ChannelEffect] = []
        if text.announced is None:
            if report.text or text.has_chunks:
                source = self._source(report)
                effects.append(
                    self._text(EventKind.AVATAR_TRANSCRIPTION, report.text, source)
                )
        elif report.text.split() not in (text.announced.split(), text.heard.split()):
            effects.append(self._heard(report))
        return [*effects, *_stored("avatar", report.text)]

    def _heard(self, report: Happened) -> SendEvent:
        return self._text(EventKind.AVATAR_HEARD, report.text, self._source(report))

    def _user_event(self, kind: EventKind, report: Happened) -> list[ChannelEffect]:
        source, effects = self._source(report), list[ChannelEffect]()
        for told, text in self._user.told(kind, report.text):
            if told is EventKind.USER_CHUNK:
                effects += self._deltas(told, text, source)
            elif told is EventKind.USER_TRANSCRIPTION:
                effects.append(self._text(told, text, source))
                effects.append(StoreLine("user", text))
            else:
                effects.append(self._event(told, source))
        return effects

    # From playout, and from the session.

    def started(self, turn: int) -> list[ChannelEffect]:
        """Report that the first sample of a turn was submitted to the room."""
        if self._is_stopped:
            return []
        # Turns are played in order.
        ended = [*self._ended(turn - 1), *self._unspoken(turn)]
        spoken = self._avatar.start(turn)
        if spoken is None:
            return ended
        return [*ended, self._event(EventKind.AVATAR_SPEAK_STARTED, spoken.event_id)]

    def finished(self, turn: int) -> list[ChannelEffect]:
        """Report that a turn is over, whether it was heard, cut, or never started."""
        return self._ended(turn)

    def _ended(self, upto: int) -> list[ChannelEffect]:
        return [
            self._event(EventKind.AVATAR_SPEAK_ENDED, spoken.event_id)
            for spoken in self._avatar.finish(upto)
        ]

    def _unspoken(self, below: int | None = None) -> list[ChannelEffect]:
        """Close answers whose chunks were told, and that will not be spoken."""
        return [
            self._text(EventKind.AVATAR_TRANSCRIPTION, "", text.event_id)
            for text in self._avatar.close_unspoken(below)
        ]

    def latency(self, turn: int, stages: Mapping[str, float]) -> list[ChannelEffect]:
        """Tell the stages of a turn, in seconds; the wire has milliseconds."""
        if self._is_stopped:
            return []
        in_ms = {name: round(1000 * stage_s, 1) for name, stage_s in stages.items()}
        source = self._avatar.text(turn, None).event_id
        return [self._event(EventKind.LATENCY, source, {"stages": in_ms})]

    def stopped(self, reason: EndReason, text: str) -> list[ChannelEffect]:
        """
        End the session: end all speech, then tell the reason.

        Of a turn whose words the agent process has not told, those are stored that were
        heard by its last report.
        """
        if self._is_stopped:
            return []
        ended = [*self._ended(self._avatar.newest), *self._unspoken()]
        heard = [
            line
            for words in self._avatar.unclosed()
            for line in _stored("avatar", words)
        ]
        user = [self._event(kind) for kind, _ in self._user.end()]
        self._is_stopped = True
        fields = {
            "end_reason": reason.value,  # as the documentation has it
            "stop_reason": reason.value,  # as the browser SDK reads it
            "message": text,
        }
        stop = self._event(EventKind.SESSION_STOPPED, self._stop_event_id, fields)
        return [*ended, *user, *heard, stop]

    # Events.

    def _source(self, report: Happened) -> str | None:
        return self._avatar.text(report.turn, report.source_event_id).event_id

    def _event(
        self,
        kind: EventKind,
        source: str | None = None,
        fields: Mapping[str, object] = {},
    ) -> SendEvent:
        return SendEvent(ChannelEvent(kind, self._new_id(), source, fields))

    def _text(self, kind: EventKind, text: str, source: str | None) -> SendEvent:
        return self._event(kind, source, {"text": shortened(text)})

    def _deltas(
        self, kind: EventKind, text: str, source: str | None
    ) -> list[ChannelEffect]:
        return [self._event(kind, source, {"text": piece}) for piece in pieces(text)]

    def _error(self, code: str, text: str, source: str | None) -> list[ChannelEffect]:
        fields = {"code": code, "message": shortened(text)}
        return [self._event(EventKind.ERROR, source, fields)]


def _stored(role: str, text: str) -> list[ChannelEffect]:
    return [StoreLine(role, text)] if text else []
