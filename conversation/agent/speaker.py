"""
Audio output of an agent session: the avatar's speech, over the link to the gateway.

Nothing waits here. Each frame goes to the gateway as it comes, and the gateway tells
what was heard of it, to the sample.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from livekit import rtc
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities, TextOutput

from conversation.agent.heard_text import SAMPLE_RATE
from conversation.agent.provider_text import MAX_CHARACTERS, usable
from conversation.agent.speech_turn import SpeechTurn
from conversation.agent.speeches import Speeches
from conversation.agent.stage_times import TurnMoments
from protocol.link.messages import (
    Clear,
    Happened,
    Hold,
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
from protocol.phones.phone_list import shifted

# Audio that may be ahead of what was heard. More waits in this process: the model makes
# minutes of speech in seconds, and an interruption drops most of it.
MAX_AHEAD_S = 60.0
MIN_PACE_S = 0.02  # between two events of words that were heard
# Keys of a frame's userdata: the character of the text that begins with the frame, and
# the one that begins after it.
TEXT_BEGINS = "lite.text_begins"
TEXT_ENDS = "lite.text_ends"
PHONES = "lite.phones"  # key of phones, with times from the start of their frame
PIECE_BYTES = SAMPLE_RATE * 2 // 5  # 200 ms, so that no frame of the link is long


class SpeechLink(Protocol):
    """Way to the gateway; `AgentLink` is one."""

    number: int

    def send(self, message: ToGateway) -> None: ...

    async def drain(self) -> None: ...


class LinkBroken(Exception):
    """The gateway hears no more from this conversation."""


class Speaker(AudioOutput):
    """
    Audio output that speaks through the gateway.

    A segment of the framework is a turn of the link. Each reports exactly one
    ``playback_finished``: the gateway's report, or `close` when the link is gone.
    """

    def __init__(
        self,
        link: SpeechLink,
        moments: TurnMoments,
        speeches: Speeches,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            label="Speaker",
            next_in_chain=None,
            sample_rate=SAMPLE_RATE,
            capabilities=AudioOutputCapabilities(pause=True),
        )
        self._link = link
        self._moments = moments
        self._speeches = speeches
        self._now = now
        self._turns: dict[int, SpeechTurn] = {}  # those that the gateway has not ended
        self._current: SpeechTurn | None = None
        self._number = 0
        self._held = False
        self._closed = False
        self._free_s = float("-inf")  # when the newest turn that is over was over
        self._changed = asyncio.Event()  # what is played, or how much there is of it
        self._all_told = True  # no word that is known is still to be told as heard
        self.interrupts = 0  # commands of clients to interrupt that were read

    # Calls of the framework.

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """
        Send audio on; wait while `MAX_AHEAD_S` of it were not heard yet.

        Raise `LinkBroken` if the link is gone.
        """
        if self._closed:
            raise LinkBroken("the link to the gateway is closed")
        await super().capture_frame(frame)
        turn = self._turn_for_audio()
        if turn.over:  # cut by the gateway, and the framework does not know yet
            return
        if (character := frame.userdata.get(TEXT_BEGINS)) is not None:
            turn.text.know(character)
        if phones := frame.userdata.get(PHONES):
            timed = shifted(phones, turn.text.samples / SAMPLE_RATE)
            self._send(TurnPhones(self._link.number, turn.number, tuple(timed)))
        self._send_audio(turn, bytes(frame.data))
        if (character := frame.userdata.get(TEXT_ENDS)) is not None:
            turn.text.know(character)
        self._more_to_tell()
        await self._link.drain()
        await self._wait_until_heard(turn)

    def flush(self) -> None:
        """Complete the current turn."""
        super().flush()
        turn = self._current
        if turn is None or turn.audio_complete:
            return
        turn.complete_audio()
        if turn.opened and not turn.over:
            self._send(SealTurn(self._link.number, turn.number))
        self._more_to_tell()

    def _mark_input_truncated(self) -> None:
        """Note that the rest of the current turn's text is never spoken."""
        super()._mark_input_truncated()
        if self._current is not None and not self._current.audio_complete:
            self._current.given_up = True

    def clear_buffer(self) -> None:
        """Cut all turns; the gateway reports what was heard of them."""
        if self._turns and not self._closed:
            self._send(Clear(self._link.number))

    def pause(self) -> None:
        """Be silent, and keep what was not heard."""
        super().pause()
        if not self._held:
            self._held = True
            self._send(Hold(self._link.number))
            self._changed.set()

    def resume(self) -> None:
        """Go on where `pause` has stopped."""
        super().resume()
        if self._held:
            self._held = False
            self._send(Release(self._link.number))
            for turn in self._turns.values():
                if turn.started:
                    turn.play(self._now())
            self._changed.set()

    # Text of what is spoken.

    def add_text(self, text: str) -> None:
        """
        Append text of the speech; a `TimedString` has its times.

        What goes beyond `MAX_CHARACTERS` of a turn is dropped.
        """
        turn = self._turn_for_text()
        if turn.over:  # cut by the gateway, and the framework does not know yet
            return
        left = MAX_CHARACTERS - len(turn.text.text)
        said = usable(str(text), left) if left > 0 else ""
        if not said:  # a model that goes on without an end
            return
        start, end = getattr(text, "start_time", None), getattr(text, "end_time", None)
        turn.text.add_text(
            said,
            start if isinstance(start, int | float) else None,
            end if isinstance(end, int | float) else None,
        )
        self._tell("avatar.transcription.chunk", said, turn)
        self._more_to_tell()

    def end_text(self) -> None:
        """Note that the text of the speech is complete."""
        if self._current is not None:
            self._current.complete_text()

    # Reports of the gateway.

    def receive(self, message: SpeechStarted | SpeechFinished | SpeechHeld) -> None:
        """Take a report of the gateway; one about a turn that is over is ignored."""
        turn = self._turns.get(message.turn)
        if turn is None:
            return
        match message:
            case SpeechStarted():
                turn.play(self._now())
                created_at = time.time()  # noqa: TID251 - the framework uses this clock
                self.on_playback_started(created_at=created_at)
            case SpeechHeld(samples=samples):
                turn.hold(samples)
                if not self._held:  # released before this report came
                    turn.play(self._now())
            case SpeechFinished(samples=samples, interrupted=interrupted):
                self._finish(turn, samples, interrupted=interrupted)
        self._changed.set()

    def close(self) -> None:
        """End all turns, because the link is gone; later audio is refused."""
        self._closed = True
        self.give_up()

    @property
    def unplayed(self) -> tuple[int, int] | None:
        """
        Turn that should be playing, and the samples of it that were heard.

        None while nothing is to be played, more audio is waited for, or it is held.
        """
        turn = next(iter(self._turns.values()), None)
        if turn is None or self._held:
            return None
        played = turn.played(self._now())
        if played >= turn.text.samples and not turn.audio_complete:
            return None
        return turn.number, played

    async def wait_changed(self) -> None:
        """Wait for more audio, or a report of the gateway."""
        self._changed.clear()
        await self._changed.wait()

    def give_up(self) -> str | None:
        """
        Cut all turns without waiting for the gateway's reports.

        Return the id of the command that asked for the oldest, None if none did.
        """
        source = next((turn.source for turn in self._turns.values()), None)
        self.clear_buffer()
        for turn in list(self._turns.values()):
            self._finish(turn, turn.played(self._now()), interrupted=True)
        self._changed.set()
        return source

    async def tell_heard_text(self) -> None:
        """Tell clients the words as they are heard, until cancelled."""
        while True:
            self._changed.clear()
            waits = [self._tell_words(turn) for turn in self._turns.values()]
            wait_s = min((wait for wait in waits if wait is not None), default=None)
            self._all_told = wait_s is None
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    # Inside.

    def _turn_for_text(self) -> SpeechTurn:
        turn = self._current
        ended = turn is not None and turn.over and turn.audio_complete
        if turn is None or turn.text_complete or ended:
            turn = self._new_turn()
        return turn

    def _turn_for_audio(self) -> SpeechTurn:
        turn = self._current
        if turn is None or turn.audio_complete:
            turn = self._new_turn()
        if not turn.opened:
            turn.opened = True
            self._turns[turn.number] = turn
            number, source = turn.number, turn.source
            self._send(OpenTurn(self._link.number, number, source, self.interrupts))
        return turn

    def _new_turn(self) -> SpeechTurn:
        self._number += 1
        handle = self._speeches.current
        source = self._speeches.source_of(handle)
        self._current = SpeechTurn(self._number, handle=handle, source=source)
        return self._current

    def _send_audio(self, turn: SpeechTurn, pcm: bytes) -> None:
        first = turn.text.samples == 0
        turn.text.add_audio(len(pcm) // 2)
        for start in range(0, len(pcm), PIECE_BYTES):
            piece = pcm[start : start + PIECE_BYTES]
            self._send(TurnAudioPiece(self._link.number, turn.number, piece))
        if first and (moments := self._moments.take(turn.handle, self._free_s)):
            self._send(StageTimes(self._link.number, turn.number, moments))

    async def _wait_until_heard(self, turn: SpeechTurn) -> None:
        """Wait while too much audio of a turn is ahead."""
        while not turn.over:
            ahead = turn.text.samples - turn.played(self._now())
            wait_s = ahead / SAMPLE_RATE - MAX_AHEAD_S
            if wait_s <= 0:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s if turn.playing else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _finish(self, turn: SpeechTurn, samples: int, *, interrupted: bool) -> None:
        turn.finish(samples)
        self._tell_words(turn)
        del self._turns[turn.number]
        self._free_s = self._now()
        heard = turn.played(self._now())
        cut = interrupted or turn.given_up
        text = turn.text.heard(heard) if cut else turn.text.text
        if turn.text.text.strip():  # told in chunks: this closes them
            self._tell("avatar.transcription", text.strip(), turn)
        self.on_playback_finished(
            playback_position=heard / SAMPLE_RATE,
            interrupted=interrupted,
            synchronized_transcript=text if cut else None,
        )
        # The gateway may have cut it by itself, and then this one must stop, too.
        if interrupted and turn.handle is not None:
            turn.handle.interrupt(force=True)

    def _more_to_tell(self) -> None:
        if self._all_told:
            self._changed.set()

    def _tell_words(self, turn: SpeechTurn) -> float | None:
        """Tell the words that were heard; return the time until the next one, in s."""
        samples = turn.played(self._now())
        heard = turn.text.heard(samples)
        if len(heard) > len(turn.told):
            turn.told = heard
            self._tell("avatar.transcription.heard", heard, turn)
        following = turn.text.next_word(samples)
        if following is None or not turn.playing:
            return None
        return max(MIN_PACE_S, (following - samples) / SAMPLE_RATE)

    def _tell(self, event: str, text: str, turn: SpeechTurn) -> None:
        happened = Happened(
            self._link.number,
            event,
            text,
            turn=turn.number,
            source_event_id=turn.source,
        )
        self._send(happened)

    def _send(self, message: ToGateway) -> None:
        if not self._closed:
            self._link.send(message)


class AvatarText(TextOutput):
    """Text output that gives the text to the speaker of its audio."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__(label="AvatarText", next_in_chain=None)
        self._speaker = speaker

    async def capture_text(self, text: str) -> None:
        """Take a piece of the text."""
        self._speaker.add_text(text)

    def flush(self) -> None:
        """Complete the text of the current turn."""
        self._speaker.end_text()
