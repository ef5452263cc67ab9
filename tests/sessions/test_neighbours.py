"""Bad input of one client and the timing of another session, in virtual time."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from protocol.lite.messages import MAX_PCM_BYTES
from tests.fakes import MemoryRoom, MemoryTransport, tone
from tests.sessions.fixtures import running_session
from tests.virtual import VirtualLoop, run

VECTORS = Path(__file__).parent.parent / "vectors"
BAD = json.loads((VECTORS / "bad-input.json").read_text())
MESSAGE_S = 0.004  # for which one message keeps the loop busy, big or small
MESSAGES = 700  # they keep the loop busy for 2.8 s, longer than the neighbour speaks
SPEECH_S = 2.0
FLOODS = {case["what"]: case["wire"] for case in BAD} | {
    "interrupt while idle": '{"type": "agent.interrupt"}',
    "end of nothing": '{"type": "agent.speak_end"}',
    "no audio": '{"type": "agent.speak", "audio": ""}',
    "binary": b"\xff\x00",
}


class CostlyTransport(MemoryTransport):
    """Client whose every message keeps the event loop busy for `MESSAGE_S`."""

    async def receive(self) -> str | bytes | None:
        message = await super().receive()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.block(MESSAGE_S)
        return message


async def speak_beside(frames: list[str | bytes]) -> MemoryRoom:
    """Return the room of a session that speaks while another one gets ``frames``."""
    async with running_session() as bad, running_session() as good:
        flood = CostlyTransport()
        for frame in frames:
            flood.client_sends_raw(frame)
        await asyncio.sleep(0.5)
        client = good.connect()
        async with asyncio.TaskGroup() as group:
            group.create_task(bad.speech.attach(flood))
            client.speak(tone(SPEECH_S))
            client.client_sends(type="agent.speak_end")
            await asyncio.sleep(SPEECH_S + 1.0)
            flood.disconnect()
        assert client.types().count("agent.speak_ended") == 1
        assert client.errors() == []
        return good.room


def max_gap_s(room: MemoryRoom) -> float:
    return float(np.max(np.diff([at_s for at_s, _ in room.frames])))


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_delays_a_neighbours_frames_by_a_few_messages_at_most(kind):
    calm = run(speak_beside([]), debug=False)
    flooded = run(speak_beside([FLOODS[kind]] * MESSAGES), debug=False)
    assert flooded.speech == calm.speech == tone(SPEECH_S)
    assert len(flooded.frames) == pytest.approx(len(calm.frames), abs=2)
    assert max_gap_s(flooded) < max_gap_s(calm) + 5 * MESSAGE_S


def test_audio_of_more_than_1_mib_delays_a_neighbour_by_a_few_messages_at_most():
    flood = MemoryTransport()

    async def main():
        flood.speak(bytes(MAX_PCM_BYTES + 2))
        return await flood.receive()

    frame = run(main())
    calm = run(speak_beside([]), debug=False)
    flooded = run(speak_beside([frame] * 50), debug=False)
    assert flooded.speech == calm.speech
    assert max_gap_s(flooded) < max_gap_s(calm) + 5 * MESSAGE_S
