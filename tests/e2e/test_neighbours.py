"""A client's bad input does not disturb the audio and video of another session."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench.probe.listening import MIN_MATCH, Listener, Recording, listening, speech
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.client.pacing import send
from tests.clients.program import Program, running
from tests.waiting import best_of, figures

pytestmark = pytest.mark.livekit
PROGRAM = Path(__file__).with_name("bad_client.py")
SPEECH_S = 3.0
# Turns without and with bad input alternate, so that other work of the machine
# disturbs both alike.
DISTURBED = (False, True, True, False)
KINDS = {
    "not JSON", "no command", "bad base64", "PCM of more than 1 MiB", "flood",
    "odd bytes", "interrupt while idle", "end of nothing", "second socket",
    "frame of 9 MiB", "unread events",
}  # fmt: skip
# Warnings of two cores that also run the bad client and the listener.
BUSY = {"reduced_frame_rate", "full_frame_rate", "underrun"}
REFUSED = ("BadMessage", "TooMuchAudio", "replaced")


@dataclass(frozen=True)
class Turn:
    """Turn of the undisturbed session: its number and its time."""

    number: int
    is_disturbed: bool
    since_s: float
    until_s: float

    def frames(self, heard: Recording) -> np.ndarray:
        """Return the arrival times of its frames."""
        return heard.frames[heard.frames[:, 2] == self.number, 0]

    def match(self, heard: Recording, pcm: bytes) -> float:
        return heard.match(pcm, self.since_s, self.until_s)[0]


@dataclass(frozen=True)
class Measured:
    """Medians over turns of the undisturbed session."""

    frames: float  # that a subscriber received of a turn
    match: float  # of their audio with what was sent
    gap_s: float  # 95 % of their frames arrived sooner after the frame before


def measured(
    turns: list[Turn], heard: Recording, pcm: bytes, *, is_disturbed: bool
) -> Measured:
    some = [turn for turn in turns if turn.is_disturbed is is_disturbed]
    gaps_s = [np.quantile(np.diff(turn.frames(heard)), 0.95) for turn in some]
    return Measured(
        float(np.median([len(turn.frames(heard)) for turn in some])),
        float(np.median([turn.match(heard, pcm) for turn in some])),
        float(np.median(gaps_s)),
    )


@asynccontextmanager
async def two_sessions(
    gateway, folder: Path
) -> AsyncIterator[tuple[Program, AvatarSession, Listener]]:
    """Open a session with a bad client, and one with a listener."""

    def opened():
        small = {"video_settings": {"quality": "256x256"}}
        return open_session(gateway.url, gateway.key, avatar="fiducial", **small)

    async with opened() as bad, opened() as good:
        token = good.livekit_client_token
        with (
            listening(good.livekit_url, token, folder) as listener,
            running(Path(sys.executable), PROGRAM, folder, bad.ws_url) as program,
        ):
            listener.wait_for_media()
            yield program, good, listener


async def spoken(avatar: AvatarSession, pcm: bytes) -> list[str]:
    """Speak one turn in real time; return the types of its events and warnings."""
    async with asyncio.TaskGroup() as group:
        group.create_task(send(avatar, pcm, "1x"))
        types = []
        async for event in avatar.events():
            types.append(event.get("warning", event)["type"])
            if event["type"] == "agent.speak_ended":
                break
    return types


async def talk(gateway, folder: Path, pcm: bytes):
    """Return the turns, the types of all events, what was heard, and what was sent."""
    turns, types, sent = [], [], {}
    async with two_sessions(gateway, folder) as (program, avatar, listener):
        for number, is_disturbed in enumerate(DISTURBED, start=1):
            if is_disturbed:
                program.tell("begin")
                program.wait("begun")
            since_s = time.monotonic()
            types += await spoken(avatar, pcm)
            await asyncio.sleep(0.5)  # until the end is heard
            turns.append(Turn(number, is_disturbed, since_s, time.monotonic()))
            if is_disturbed:
                program.tell("rest")
                sent = (await asyncio.to_thread(program.wait, "rested"))["sent"]
        return turns, types, listener.leave(), sent


@pytest.mark.timeout(300)
@best_of(3)
def test_bad_input_of_one_client_does_not_disturb_another_session(
    gateway, tmp_path, record_property
):
    pcm = speech(SPEECH_S)
    before = gateway.metrics()
    turns, types, heard, sent = asyncio.run(talk(gateway, tmp_path, pcm))
    after = gateway.metrics()

    assert set(sent) == KINDS
    for reason in REFUSED:
        name = f'lite_ws_refused_total{{reason="{reason}"}}'
        assert after[name] > before.get(name, 0.0), reason
    assert types.count("agent.speak_ended") == len(DISTURBED)
    assert not {"error", "agent.speak_interrupted"} & set(types)
    warned = {name for name in types if not name.startswith(("agent.", "session."))}
    assert warned <= BUSY
    calm = measured(turns, heard, pcm, is_disturbed=False)
    disturbed = measured(turns, heard, pcm, is_disturbed=True)
    record_property("calm_disturbed_sent", str((calm, disturbed, sent)))
    with figures():
        assert "underrun" not in warned
        assert disturbed.frames > 0.9 * calm.frames
        assert disturbed.match > MIN_MATCH
        assert disturbed.gap_s < 1.5 * calm.gap_s
