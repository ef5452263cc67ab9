"""Client of the soak with faults: it speaks, interrupts and reconnects at random."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.faults.account import TurnAccount
from bench.faults.conversation import Conversation, SessionOver, conversation, stop
from bench.faults.site import Site
from bench.faults.together import together
from lite_gateway.client import ServerRefused
from protocol.lite.messages import EMOTIONS

AVATARS = ("fiducial", "mira", "theo")
RETRY_S = 1.0  # after a start that was refused
_PAUSE_S = 0.5
_BAD = (
    "{oops",
    "[1]",
    '{"type": 5}',
    '{"type": "agent.dance"}',
    '{"type": "agent.speak"}',
    '{"type": "agent.speak", "audio": "###"}',
)


@dataclass(frozen=True, slots=True)
class LostSession:
    """Session that ended unasked, and the fault that ran then."""

    fault: str
    reason: str


@dataclass(slots=True)
class Tally:
    """Results of all talkers."""

    accounts: list[TurnAccount] = field(default_factory=list)
    lost: list[LostSession] = field(default_factory=list)
    starts_refused: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  # waits that did not end
    reconnects: int = 0  # that no client caused

    def count(self, name: str) -> int:
        return sum(account.count(name) for account in self.accounts)


Script = Callable[[Conversation, random.Random], Awaitable[None]]


async def _burst(talk: Conversation, chance: random.Random) -> None:
    await talk.speak(chance.uniform(0.3, 2.5))
    await talk.settled()


async def _paced(talk: Conversation, chance: random.Random) -> None:
    await talk.speak(chance.uniform(0.3, 2.5), "1x")
    await talk.settled()


async def _queue(talk: Conversation, chance: random.Random) -> None:
    for _ in range(chance.randint(3, 6)):
        await talk.speak(chance.uniform(0.1, 1.0))
    await talk.settled()


async def _empty(talk: Conversation, chance: random.Random) -> None:
    await talk.speak(0.0)
    await talk.speak(chance.uniform(0.2, 0.5))
    await talk.settled()


async def _cut(talk: Conversation, chance: random.Random) -> None:
    turn = await talk.speak(chance.uniform(1.0, 3.0))
    await talk.speak(0.5)
    await talk.started(turn)
    await asyncio.sleep(chance.uniform(0.0, 0.9))
    await talk.interrupt()
    await talk.settled()


async def _cut_unheard(talk: Conversation, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 3)):
        await talk.speak(1.0)
    await talk.interrupt()
    await talk.settled()


async def _cut_while_sending(talk: Conversation, chance: random.Random) -> None:
    turn, after_s = talk.name(), chance.uniform(0.2, 1.2)

    async def cut() -> None:
        await asyncio.sleep(after_s)
        await talk.interrupt()

    await together([talk.send_turn(turn, 2.0, "1x"), cut()])
    await talk.settled()


async def _listen(talk: Conversation, chance: random.Random) -> None:
    await talk.session.start_listening(chance.choice(EMOTIONS))
    await asyncio.sleep(chance.uniform(0.2, 2.0))
    await talk.session.stop_listening()
    await talk.speak(0.5)
    await talk.settled()


async def _send_rubbish(talk: Conversation, chance: random.Random) -> None:
    turn = talk.name()

    async def rubbish() -> None:
        for _ in range(chance.randint(1, 20)):
            await talk.send_raw(chance.choice(_BAD))
            await talk.session.keep_alive()

    await together([talk.send_turn(turn, 1.0, "1x"), rubbish()])
    await talk.settled()


async def _vanish(talk: Conversation, chance: random.Random) -> None:
    """Lose the connection while a turn is heard whose end is still to come."""
    turn = await talk.speak(3.0)
    await talk.sealed(turn)
    await talk.started(turn)
    talk.abort()
    await talk.reconnected()
    await talk.settled()


async def _vanish_while_sending(talk: Conversation, chance: random.Random) -> None:
    turn, after_s = talk.name(), chance.uniform(0.2, 1.2)

    async def vanish() -> None:
        await asyncio.sleep(after_s)
        talk.abort()

    await together([talk.send_turn(turn, 2.0, "1x", certain=False), vanish()])
    await talk.reconnected()
    await talk.interrupt()  # ends the turn if its end was lost
    talk.account.doubt([turn])


SCRIPTS: Sequence[tuple[Script, int]] = (  # with weights
    (_burst, 4),
    (_paced, 3),
    (_queue, 3),
    (_empty, 1),
    (_cut, 3),
    (_cut_unheard, 2),
    (_cut_while_sending, 2),
    (_listen, 2),
    (_send_rubbish, 2),
    (_vanish, 1),
    (_vanish_while_sending, 1),
)


@dataclass(frozen=True)
class Talker:
    """Client that opens a session, runs scripts, and opens another one if it ends."""

    site: Site
    avatar: str
    chance: random.Random
    tally: Tally
    fault: Callable[[], str]  # name of the fault that runs now

    async def run(self, until_s: float) -> None:
        while time.monotonic() < until_s:
            try:
                await self._talk(until_s)
            except ServerRefused as error:
                self.tally.starts_refused.append(f"{self.fault()}: {error}")
                await asyncio.sleep(RETRY_S)

    async def _talk(self, until_s: float) -> None:
        async with conversation(self.site, self.avatar) as talk:
            self.tally.accounts.append(talk.account)
            try:
                await self._follow_scripts(talk, until_s)
                await talk.speak(2.0)  # a turn that the stop cuts
                await stop(self.site, talk)
            except (SessionOver, ServerRefused) as error:
                self._lose(talk, error)
            finally:
                self.tally.reconnects += talk.reconnects

    async def _follow_scripts(self, talk: Conversation, until_s: float) -> None:
        scripts, weights = zip(*SCRIPTS, strict=True)
        while time.monotonic() < until_s:
            [script] = self.chance.choices(scripts, weights)
            try:
                await script(talk, self.chance)
            except TimeoutError:
                due = ", ".join(talk.account.due()[:5])
                name = script.__name__.lstrip("_")
                text = f"{self.fault()}: {name} did not end; turns due: {due or 'none'}"
                self.tally.late.append(text)
            await asyncio.sleep(self.chance.uniform(0.1, _PAUSE_S))

    def _lose(self, talk: Conversation, error: Exception) -> None:
        stopped = talk.account.stopped
        reason = str(error)
        if stopped is not None:
            reason = f"{stopped.get('end_reason')}: {stopped.get('message')}"
        # The end may have come in the middle of a turn's sending.
        talk.account.doubt(talk.account.pending())
        self.tally.lost.append(LostSession(self.fault(), reason))
