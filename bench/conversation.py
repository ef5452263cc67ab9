"""
Scenario ``conversation``: time until the avatar answers, stops and holds (T1 to T7).

A person in the room says recordings; the models are a look-alike of OpenAI's services
that answers at once, so that nearly all of the time is this server's. First a person
talks in FULL mode, interrupts by command and by voice, and uses push to talk; then
another one talks by OpenAI Realtime. Before that several talk at once. The stages
come from the ``latency`` event, all other times from the gateway's trace, from the
look-alike and from the person, on one clock. With --minutes, conversations run beside a
LITE session instead: lateness of the event loop, L1, and memory of the agent process.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.probe.stack import Stack
from bench.report.figures import Report
from bench.talks import long_run
from bench.talks.evidence import Evidence
from bench.talks.figures import Measured, add_answers, conversation_report
from bench.talks.person import NotHappened, Person, sample
from bench.talks.site import LONG_S, ConversationSite, running_site
from lite_gateway.playout.trace import PERIOD_S, read
from tests.openai_counterpart.voice import counting

AVATAR, QUALITY = "fiducial", "512x512"
BRIEF_S = 1.36  # into web/samples/hello.wav; what follows is said in a second
_MANY = 3  # conversations at once
_REST_S = (0.3, 0.6)  # between two turns
# The first speech of a session cannot be interrupted by voice for a second.
_ECHO_S = 1.2

Act = Callable[[Person, Evidence], Awaitable[None]]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--turns",
        type=int,
        default=6,
        help="answers in each mode, and half as many interruptions of each kind "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="run conversations beside a LITE session for so long instead",
    )
    parser.add_argument(
        "--conversations",
        type=int,
        default=_MANY,
        help="conversations at once (default: %(default)s)",
    )
    parser.add_argument("--avatar", default=AVATAR, help="default: %(default)s")
    parser.add_argument(
        "--quality", default=QUALITY, help="WIDTHxHEIGHT (default: %(default)s)"
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    with tempfile.TemporaryDirectory() as folder:
        is_long = args.minutes > 0
        with running_site(stack.livekit, Path(folder), wakes=is_long) as site:
            if is_long:
                return [long_run.measure(args, site, console)]
            return [measure(args, site, console)]


def measure(
    args: argparse.Namespace, site: ConversationSite, console: Console
) -> Report:
    """Measure T1 to T7 with the gateway and the counterpart of a site."""
    return asyncio.run(_Measurement(args, site, console).run())


def measure_answers(
    args: argparse.Namespace, site: ConversationSite, console: Console
) -> Report:
    """Measure the answers in FULL mode alone."""
    return asyncio.run(_Measurement(args, site, console).run_answers())


class _Measurement:
    """Sessions of one run: several at once, then one after the other."""

    def __init__(
        self, args: argparse.Namespace, site: ConversationSite, console: Console
    ) -> None:
        self._args = args
        self._site = site
        self._console = console
        self._chance = random.Random(4)
        self._brief = sample("hello", BRIEF_S)
        self._hello = sample("hello")
        self._cuts = max(2, args.turns // 2)
        self._agent = site.agent()

    async def run(self) -> Report:
        started_s = time.monotonic()
        # First, in a process that is as small as it was when it began.
        many, memory = await self._talk_at_once()
        full = await self._talk("FULL mode", self._talk_in_full)
        push = await self._talk("push to talk", self._push_to_talk)
        realtime = await self._talk("OpenAI Realtime", self._talk_by_realtime)
        ended_s = time.monotonic()
        self._console.print(f"conversation: {ended_s - started_s:.0f} s")
        measured = Measured(
            *(full, push, realtime, many, memory),
            requests=self._site.counterpart.requests(),
            connections=self._site.counterpart.connections(),
            delays=self._site.delays(started_s, ended_s),
        )
        return conversation_report(self._conditions(), measured)

    async def run_answers(self) -> Report:
        report = Report("conversation, answers", self._conditions())
        full = await self._talk("FULL mode", self._answer_in_full)
        add_answers(report, full, self._site.counterpart.requests())
        return report

    def _conditions(self) -> dict[str, Any]:
        names = ("turns", "conversations", "avatar", "quality")
        own = {name: getattr(self._args, name) for name in names}
        return {**own, "models": "look-alike that answers at once"}

    async def _talk(self, name: str, act: Act) -> Evidence:
        """Let a person act in a session of their own; return what happened."""
        self._console.print(f"conversation: {name}")
        evidence = Evidence()
        async with self._session(act) as (person, session_id):
            await act(person, evidence)
            evidence.events, evidence.heard = person.events, person.heard()
        await asyncio.sleep(2 * PERIOD_S)  # then all of it is in the file
        events = await asyncio.to_thread(read, self._site.trace)
        evidence.trace = [event for owner, event in events if owner == session_id]
        return evidence

    @asynccontextmanager
    async def _session(self, act: Act) -> AsyncIterator[tuple[Person, str]]:
        where = self._args.avatar, self._args.quality
        if act == self._talk_by_realtime:
            start = partial(self._site.start_realtime, *where)
        elif act == self._push_to_talk:
            kind = {"interactivity_type": "PUSH_TO_TALK"}
            start = partial(self._site.start_full, *where, **kind)
        else:
            start = partial(self._site.start_full, *where)
        session = await asyncio.to_thread(start)
        async with Person().visiting(session) as person:
            await person.hears()
            yield person, session["session_id"]

    async def _rest(self) -> None:
        await asyncio.sleep(self._chance.uniform(*_REST_S))

    # FULL mode.

    async def _answer_in_full(self, person: Person, evidence: Evidence) -> None:
        await self._answer(person, Evidence())  # the first one warms up
        for _ in range(self._args.turns):
            await self._answer(person, evidence)

    async def _talk_in_full(self, person: Person, evidence: Evidence) -> None:
        await self._answer_in_full(person, evidence)
        for _ in range(self._cuts):
            await self._interrupt(person, evidence)
        for _ in range(self._cuts):
            await self._barge_in(person, evidence)

    async def _answer(self, person: Person, evidence: Evidence) -> None:
        """Say something and hear the answer."""
        since = len(person.events)
        used_s, begun_s = self._agent.processor_s, time.monotonic()
        evidence.turns.append(await person.say(self._brief))
        await self._until_heard(person, since, evidence)
        used_s = self._agent.processor_s - used_s
        evidence.processor.append(100 * used_s / (time.monotonic() - begun_s))

    async def _until_heard(
        self, person: Person, since: int, evidence: Evidence
    ) -> None:
        try:
            await person.event("avatar.speak_ended", since)
        except NotHappened as problem:
            evidence.missed += 1
            self._console.print(f"conversation: {problem}", markup=False)
        await self._rest()

    async def _interrupt(self, person: Person, evidence: Evidence) -> None:
        """Interrupt the avatar by command."""
        since = await self._long_speech(person)
        await asyncio.sleep(self._chance.uniform(0.3, 0.9))
        evidence.interrupts.append(await person.send("avatar.interrupt"))
        await self._until_heard(person, since, evidence)

    async def _barge_in(self, person: Person, evidence: Evidence) -> None:
        """Interrupt the avatar by voice, and hear the answer to that."""
        since = await self._long_speech(person)
        await asyncio.sleep(_ECHO_S + self._chance.uniform(0.0, 0.5))
        evidence.voices.append(await person.say(self._hello))
        await self._until_heard(person, since, evidence)
        answered = len(person.events)
        await self._until_heard(person, answered, evidence)

    async def _long_speech(self, person: Person) -> int:
        """Let the avatar begin a long speech; return the number of the next event."""
        since = len(person.events)
        await person.send("avatar.speak_text", text=counting(LONG_S))
        await person.event("avatar.speak_started", since)
        return len(person.events)

    # Push to talk.

    async def _push_to_talk(self, person: Person, evidence: Evidence) -> None:
        for _ in range(self._cuts):
            since = await self._long_speech(person)
            await asyncio.sleep(self._chance.uniform(0.3, 0.9))
            evidence.pushes.append(await person.send("user.start_push_to_talk"))
            await self._until_heard(person, since, evidence)
            await person.send("user.stop_push_to_talk")
            await person.event("user.push_to_talk_stopped", since)

    # OpenAI Realtime.

    async def _talk_by_realtime(self, person: Person, evidence: Evidence) -> None:
        await self._answer(person, Evidence())
        for _ in range(self._args.turns):
            await self._answer(person, evidence)
        for _ in range(self._cuts):
            await self._barge_in(person, evidence)

    # Several at once.

    async def _talk_at_once(self) -> tuple[list[Evidence], list[float]]:
        """Let more and more people talk at once; return the memory after each."""
        count = self._args.conversations
        self._console.print(f"conversation: {count} at once")
        memory, people = [], []
        async with AsyncExitStack() as sessions:
            for _ in range(count):
                session = self._session(self._talk_in_full)
                person, _ = await sessions.enter_async_context(session)
                people.append(person)
                await self._answer(person, Evidence())
                memory.append(self._agent.memory_mb)
            evidence = [Evidence() for _ in people]
            async with asyncio.TaskGroup() as group:
                for person, one in zip(people, evidence, strict=True):
                    group.create_task(self._answer(person, one))
        return evidence, memory
