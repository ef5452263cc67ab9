"""
Conversation by a pipeline: speech recognition, a language model, and a voice.

A voice activity detector in this process finds the turns of the user, or the commands
of push to talk do. What fails is told, and the conversation goes on.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents import NOT_GIVEN, AgentSession
from livekit.agents.voice.events import UserInputTranscribedEvent

from conversation.agent.answers import Answers
from conversation.agent.engine import (
    ECHO_WARM_UP_S,
    ConversationFault,
    RefusedCommand,
    forget_old,
    speech_of_task,
    tell_fault,
)
from conversation.agent.hearing import Hearing, Recording
from conversation.agent.microphone import Microphone
from conversation.agent.pipeline_agent import PipelineAgent, drain
from conversation.agent.provider_errors import ProviderFault
from conversation.agent.providers import Providers
from conversation.agent.stage_times import TurnMoments
from conversation.agent.synthesis import Synthesis
from conversation.agent.voice_activity import MIN_SILENCE_S, VoiceActivity
from protocol.link.settings import ConversationSettings

log = logging.getLogger(__name__)

# Silence that ends a turn of the user. Speech recognition already runs meanwhile.
TURN_SILENCE_S = 0.35
# Without words for so long after a voice, an answer that was held goes on.
FALSE_INTERRUPTION_S = 2.0
MAX_FAILURES = 4  # of speech recognition or voice in a row
_NEVER = 1 << 30  # failures after which the framework ends the session by itself


def pipeline_engine(
    settings: ConversationSettings, microphone: Microphone, moments: TurnMoments
) -> "PipelineEngine":
    """Return the engine of a conversation in FULL mode."""
    return PipelineEngine(settings, microphone, moments, Providers(settings))


class PipelineEngine:
    """Pipeline of one conversation; ``providers`` are closed with it."""

    def __init__(
        self,
        settings: ConversationSettings,
        microphone: Microphone,
        moments: TurnMoments,
        providers: Providers,
    ) -> None:
        self._microphone = microphone
        self._moments = moments
        self._providers = providers
        self._failures = {"stt": 0, "tts": 0}  # in a row
        self._interrupted_at = float("-inf")  # monotonic s
        self._turn = _UserTurn()
        self._recording: Recording | None = None  # of push to talk
        self._activity = None if settings.push_to_talk else VoiceActivity()
        self._hearing = None
        if providers.stt is not None:
            self._hearing = Hearing(
                providers.stt, self._on_fault, lambda: self._worked("stt")
            )
        self.agent = PipelineAgent(
            settings.instructions,
            words=self._words if self._activity else self._record,
            answers=self._answers(),
            synthesis=self._synthesis(),
            takes_turn=self._takes_turn,
        )
        self.session = _session(settings, providers, self._activity)
        self.session.on("session_usage_updated", self._forget)
        self.session.on("agent_state_changed", self._forget)

    def _answers(self) -> Answers | None:
        if self._providers.llm is None:
            return None
        return Answers(
            self._providers.llm,
            self._on_fault,
            lambda: self._mark("llm_first_token"),
        )

    def _synthesis(self) -> Synthesis | None:
        if self._providers.tts is None:
            return None
        return Synthesis(
            self._providers.tts,
            on_sentence=lambda: self._mark("first_sentence"),
            on_audio=lambda: self._mark("tts_first_audio"),
            on_spoken=lambda: self._worked("tts"),
            on_fault=self._on_fault,
        )

    def started(self) -> None:
        """Do nothing: the parts connect when they are needed."""

    async def wait_ready(self) -> None:
        """Return at once."""

    def speak(self, text: str) -> Any:
        """Speak a text."""
        return self.session.say(text)

    def respond(self, text: str) -> Any:
        """Answer a text of the user; `RefusedCommand` without a language model."""
        if self._providers.llm is None:
            raise RefusedCommand(
                "this session has no context, so nothing answers; "
                "use avatar.speak_text, or create it with a context"
            )
        return self.session.generate_reply(user_input=text)

    def interrupt(self) -> None:
        """Drop all speech, and the answer to a turn that has ended before."""
        self._interrupted_at = time.monotonic()
        self._moments.forget()
        self.session.interrupt(force=True)

    def begin_turn(self) -> None:
        """Record from now on."""
        self._recording = Recording()

    async def commit_turn(self) -> None:
        """Answer what was recorded."""
        recording = self._recording
        if recording is None or self._hearing is None:
            return
        committed_at = time.monotonic()
        loud_at = self._microphone.last_loud
        await recording.wait(self._microphone.heard_s)
        if self._recording is recording:
            self._recording = None
        if not recording.is_speech:
            return
        text = await self._hearing.words(recording.frames)
        if not text:
            return
        event = UserInputTranscribedEvent(transcript=text, is_final=True)
        self.session.emit("user_input_transcribed", event)
        if committed_at <= self._interrupted_at or self._providers.llm is None:
            return
        self._moments.begin(
            last_speech=min(loud_at or committed_at, committed_at),
            turn_end=committed_at,
        )
        self._moments.mark("stt")
        self.session.generate_reply(user_input=text, input_modality="audio")

    async def hear(self, frames: list[rtc.AudioFrame]) -> str:
        """Return the words of an utterance."""
        return await self._hearing.words(frames) if self._hearing else ""

    def fault(self, error: Any) -> ConversationFault | None:
        """Return what people are told of an error; the parts have told their own."""
        return error if isinstance(error, ConversationFault) else None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._providers.aclose()

    # Hearing.

    async def _words(self, audio: AsyncIterable[rtc.AudioFrame]) -> AsyncIterator[str]:
        """
        Yield the words of each turn.

        Words are recognised after each short silence, and are a turn after a longer
        one. The framework is not given earlier ones: at the next silence it would
        answer them, without the words that are still being recognised.
        """
        assert self._activity is not None
        if self._hearing is None:
            await drain(audio)
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(drain(audio), name="drain")
            words: list[str] = []
            async for utterance in self._activity.utterances():
                self._turn.note_end(utterance.ended_at, self._microphone.last_loud)
                if text := await self._hearing.words(utterance.frames):
                    words.append(text)
                self._turn.words_at = time.monotonic()
                await asyncio.sleep(self._turn.silence_left(time.monotonic()))
                if words and not self._activity.goes_on:
                    yield " ".join(words)
                    words.clear()

    async def _record(self, audio: AsyncIterable[rtc.AudioFrame]) -> AsyncIterator[str]:
        """Record the audio of push to talk; `commit_turn` has its words."""
        async for frame in audio:
            if self._recording is not None:
                self._recording.add(frame)
        return
        yield ""  # makes it a generator

    def _takes_turn(self) -> bool:
        """Return whether the user's turn is answered; note its moments."""
        turn = self._turn
        if turn.ended_at <= self._interrupted_at:
            return False
        self._moments.begin(**turn.moments(time.monotonic()))
        return True

    # Faults.

    def _on_fault(self, fault: ProviderFault) -> None:
        log.warning("%s", fault.details)
        failures = 0
        if fault.part in self._failures:
            self._failures[fault.part] += 1
            failures = self._failures[fault.part]
        text, is_fatal = fault.message, failures >= MAX_FAILURES
        if is_fatal:
            text += f"; it has failed {failures} times in a row"
        error = ConversationFault(
            fault.code, text, is_fatal=is_fatal, speech=speech_of_task()
        )
        tell_fault(self.session, error)
        if fault.part == "stt" and failures == 1 and self._is_quiet():
            self.session.say(fault.spoken, add_to_chat_ctx=False)

    def _is_quiet(self) -> bool:
        has_voice = self._providers.tts is not None
        return has_voice and self.session.current_speech is None

    def _worked(self, part: str) -> None:
        self._failures[part] = 0

    # Inside.

    def _mark(self, name: str) -> None:
        """Note a moment of the speech that the current task makes."""
        self._moments.mark(name, speech_of_task())

    def _forget(self, _: Any) -> None:
        forget_old(self.session, self.agent)


class _UserTurn:
    """Times of the user's newest turn, in monotonic s."""

    def __init__(self) -> None:
        self.last_speech = 0.0
        self.ended_at = float("inf")
        self.words_at = 0.0

    def note_end(self, ended_at: float, loud_at: float | None) -> None:
        """Note that the user is silent, and when they were last loud."""
        self.ended_at = ended_at
        self.last_speech = min(loud_at or ended_at - MIN_SILENCE_S, ended_at)

    def silence_left(self, now: float) -> float:
        """Return the time until the user's silence ends their turn, in s."""
        return self.last_speech + TURN_SILENCE_S - now

    def moments(self, now: float) -> dict[str, float]:
        """Return the moments of a turn that is over now."""
        # Words are recognised while the silence is waited for that ends a turn.
        turn_end = min(now, max(self.ended_at, self.last_speech + TURN_SILENCE_S))
        return {
            "last_speech": self.last_speech,
            "turn_end": turn_end,
            "stt": max(turn_end, min(self.words_at, now)),
        }


def _session(
    settings: ConversationSettings,
    providers: Providers,
    activity: VoiceActivity | None,
) -> AgentSession[Any]:
    from livekit.agents.voice.agent_session import SessionConnectOptions

    return AgentSession(
        stt=providers.stt or NOT_GIVEN,
        llm=providers.llm or NOT_GIVEN,
        tts=providers.tts or NOT_GIVEN,
        vad=activity,
        turn_handling={
            "turn_detection": "manual" if settings.push_to_talk else "vad",
            # The words come when the turn is over.
            "endpointing": {"mode": "fixed", "min_delay": 0.0, "max_delay": 0.0},
            "interruption": {
                "mode": "vad",
                "min_duration": settings.barge_in_s,
                "resume_false_interruption": True,
                "false_interruption_timeout": FALSE_INTERRUPTION_S,
            },
            "preemptive_generation": {"enabled": False},
        },
        conn_options=SessionConnectOptions(max_unrecoverable_errors=_NEVER),
        # `Synthesis` does it, sentence by sentence, so that places in the text stay.
        tts_text_transforms=None,
        aec_warmup_duration=ECHO_WARM_UP_S,
        user_away_timeout=None,
        session_close_transcript_timeout=0.0,
    )
