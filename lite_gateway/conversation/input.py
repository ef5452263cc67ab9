"""
Speech input of a conversation: the agent process speaks, clients command in the room.

Three sources meet here: messages of the agent process, commands and reports of playout.
`ChannelMachine` turns them into events for the room; this class performs its effects.
Commands that cut are performed before the agent process hears of them.
"""

import asyncio
import logging
from collections.abc import Callable

from lite_gateway.conversation.agent_process import RETRY_S, AgentProcess
from lite_gateway.conversation.agent_turns import AgentTurns
from lite_gateway.conversation.data_channel import DataChannel
from lite_gateway.conversation.latency import TurnLatency
from lite_gateway.conversation.link import ConversationLink
from lite_gateway.errors import Refused, RoomUnavailable
from lite_gateway.foreign.text import foreign_text
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.rooms.events import AUDIO_TRACK, JoinedRoom, LocalTrack
from lite_gateway.sessions.session import Session
from protocol.errors import ProtocolError
from protocol.full.effects import (
    ChannelEffect,
    CutSpeech,
    SendEvent,
    SetPose,
    StopSession,
    StoreLine,
    TellAgent,
)
from protocol.full.machine import ChannelMachine
from protocol.full.messages import ChannelCommand
from protocol.link.messages import (
    Attend,
    Clear,
    Command,
    Ended,
    Happened,
    Hold,
    Joined,
    OpenTurn,
    Release,
    SealTurn,
    SpeechFinished,
    SpeechHeld,
    SpeechStarted,
    StageTimes,
    ToGateway,
    TurnAudioPiece,
    TurnPhones,
)
from protocol.link.settings import ConversationSettings
from protocol.lite.messages import EndReason

log = logging.getLogger(__name__)

AGENT_IDENTITY_PREFIX = "liveavatar-agent-"  # clients of the hosted service wait for it
JOIN_S = 10.0  # for the agent to be in the room
LEAVE_S = 2.0  # for the agent to leave it when the session ends
# Code of an error -> label `part` of the metric; all others are of the model.
_PARTS = {"stt": "stt", "tts": "tts", "restarting": "agent"}

StoreLineOf = Callable[[str, str], None]


class ConversationInput:
    """Agent process, data channel and playout of one session."""

    connected = True  # the agent is a part of the session

    def __init__(
        self,
        playout: Playout,
        session: Session,
        metrics: Metrics,
        *,
        push_to_talk: bool,
        max_buffered_s: float,
        store_line: StoreLineOf,
        now: Callable[[], float],
    ) -> None:
        """``store_line`` gets role and text of each line of the transcript."""
        self._playout = playout
        self._session = session
        self._metrics = metrics
        self._store_line = store_line
        self._now = now
        self._turns = AgentTurns(
            playout, self, on_activity=self._mark_active, max_buffered_s=max_buffered_s
        )
        self._machine = ChannelMachine(push_to_talk=push_to_talk)
        self._channel = DataChannel(
            session.id,
            self,
            metrics,
            agent_identity=AGENT_IDENTITY_PREFIX + session.id,
            now=now,
        )
        self._latency = TurnLatency(metrics, self._tell_latency)
        self._link: ConversationLink | None = None
        self._has_listener = False
        self._joined = asyncio.Event()  # or failed to
        self._failure: Refused | RoomUnavailable | None = None

    # Start.

    def begin(self, process: AgentProcess, settings: ConversationSettings) -> None:
        """Let the agent join its room; raise `Refused` if there is no agent process."""
        self._link = process.begin(settings, self)

    async def joined(self) -> None:
        """Wait until the agent is in the room; raise `GatewayError` if it fails."""
        try:
            async with asyncio.timeout(JOIN_S):
                await self._joined.wait()
        except TimeoutError:
            raise RoomUnavailable(
                f"the agent did not join the LiveKit room within {JOIN_S:.0f} s; the "
                "server is busy or LiveKit does not answer; see the gateway's log"
            ) from None
        if self._failure is not None:
            raise self._failure

    def on_joined(self, room: JoinedRoom) -> None:
        """Take commands from the room, and wait for somebody who hears the avatar."""
        self._channel.listen(room)
        room.on("local_track_subscribed", self._on_subscribed)

    def _on_subscribed(self, track: LocalTrack) -> None:
        if track.name == AUDIO_TRACK and not self._has_listener:
            self._has_listener = True
            self._command("listener")

    # Life.

    async def run(self) -> None:
        """Play and send events until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._playout.run(self._turns.queue), name="playout")
            group.create_task(self._channel.run(), name="data channel")

    def stop(self, reason: EndReason, text: str) -> None:
        """Cut all speech, and tell everybody in the room why the session ended."""
        self._turns.close()
        self._perform(self._machine.stopped(reason, text))

    async def aclose(self) -> None:
        """Deliver the last events, and let the agent leave the room."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._channel.aclose(), name="last events")
            if self._link is not None:
                group.create_task(self._link.end(LEAVE_S), name="end of the agent")

    # From the agent process, see `ConversationReceiver`.

    def receive(self, message: ToGateway) -> None:
        match message:
            case Happened():
                self._happened(message)
            case StageTimes():
                self._latency.take(message)
            case Joined():
                self._joined.set()
            case Ended():
                self._ended(message)
            case _:
                self._speak(message)

    def _speak(self, message: ToGateway) -> None:
        turns = self._turns
        match message:
            case TurnAudioPiece(_, turn, pcm):
                if turns.receive(turn, pcm):
                    self._latency.arrived(turn, self._now())
            case OpenTurn(_, turn, source):
                self._machine.opened(turn, source)
                self._latency.opened(turn)
                turns.open(message)
            case TurnPhones(_, turn, phones):
                turns.add_phones(turn, phones)
            case SealTurn(_, turn):
                turns.seal(turn)
            case Clear():
                turns.queue.clear()
            case Hold():
                self._hold()
            case Release():
                turns.queue.release()
            case Attend(_, agent, user):
                turns.queue.set_state(agent=agent or None, user=user or None)

    def lost(self, text: str) -> None:
        """Be silent at once, and end the session."""
        self._turns.close()
        self._failure = Refused(503, text, retry_s=RETRY_S)
        self._joined.set()
        self._report_error("restarting", text)
        self._session.end(EndReason.SERVER_ERROR, text)

    def _hold(self) -> None:
        if (held := self._turns.hold()) and self._link is not None:
            turn, samples = held
            self._link.send(SpeechHeld(self._link.number, turn, samples))

    def _happened(self, event: Happened) -> None:
        if event.event == "error":
            self._count_error(event.code)
        self._mark_active()
        self._perform(self._machine.happened(event))

    def _ended(self, ended: Ended) -> None:
        """End the session as the agent says; before it has joined, fail its start."""
        if not self._joined.is_set():
            self._failure = RoomUnavailable(f"the agent could not join: {ended.text}")
            self._joined.set()
        if ended.code:
            self._report_error(ended.code, ended.text)
        try:
            reason = EndReason(ended.reason)
        except ValueError:
            reason = EndReason.SERVER_ERROR
        self._session.end(reason, ended.text)

    def _report_error(self, code: str, text: str) -> None:
        self._count_error(code)
        error = Happened(0, "error", foreign_text(text), code)
        self._perform(self._machine.happened(error))

    def _count_error(self, code: str) -> None:
        part = _PARTS.get(code, "model")
        self._metrics.conversation_errors.labels(part, code).inc()

    # From the room, see `CommandReceiver`.

    def take_command(self, command: ChannelCommand) -> None:
        """Perform a command of a client."""
        self._mark_active()
        self._perform(self._machine.receive(command))

    def refuse_packet(self, error: ProtocolError) -> None:
        """Answer a packet that is no command."""
        self._perform(self._machine.refuse(error))

    # From playout, see `TurnListener`.

    def turn_started(self, turn: int) -> None:
        self._latency.submitted(turn, self._now())
        if self._link is not None:
            self._link.send(SpeechStarted(self._link.number, turn))
        self._perform(self._machine.started(turn))

    def turn_finished(self, turn: int, samples: int, *, interrupted: bool) -> None:
        outcome = "interrupted" if interrupted else "finished"
        self._metrics.conversation_turns.labels(outcome).inc()
        if self._link is not None:
            number = self._link.number
            self._link.send(SpeechFinished(number, turn, samples, interrupted))
        self._perform(self._machine.finished(turn))

    # Effects.

    def _perform(self, effects: list[ChannelEffect]) -> None:
        for effect in effects:
            match effect:
                case SendEvent(event):
                    self._channel.send(event)
                case CutSpeech():
                    self._turns.cut()
                case TellAgent(name, text, event_id):
                    self._command(name, text, event_id)
                case SetPose(listening):
                    self._playout.pose = "listening" if listening else "idle"
                case StopSession():
                    text = "a client stopped the session (session.stop)"
                    self._session.end(EndReason.USER_CLOSED, text)
                case StoreLine(role, text):
                    self._store_line(role, text)

    def _command(self, name: str, text: str = "", event_id: str | None = None) -> None:
        if self._link is not None:
            self._link.send(Command(self._link.number, name, text, event_id))

    def _tell_latency(self, turn: int, stages: dict[str, float]) -> None:
        self._perform(self._machine.latency(turn, stages))

    def _mark_active(self) -> None:
        self._session.mark_active()
