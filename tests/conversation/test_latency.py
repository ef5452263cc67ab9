"""Stages of a turn, from the user's last loud sample to the avatar's first one."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.conversation.latency import STAGES, stages
from protocol.link.messages import MOMENTS, OpenTurn, StageTimes, TurnAudioPiece
from tests.conversation.conversing import conversation
from tests.fakes import tone
from tests.virtual import run


def test_the_stages_of_a_turn_are_told_once_and_counted():
    moments = dict(
        zip(MOMENTS, (10.0, 10.4, 10.45, 10.6, 10.7, 10.8, 10.9), strict=True)
    )

    async def main() -> None:
        async with conversation() as at:
            at.says(OpenTurn, turn=1)
            at.says(StageTimes, turn=1, moments=moments)
            at.says(TurnAudioPiece, turn=1, pcm=tone(1))
            await asyncio.sleep(1)
            at.says(StageTimes, turn=1, moments=moments)
            [event] = [e for e in at.client.events if e["event_type"] == "latency"]
            told = event["stages"]
            assert [*told] == [*STAGES, "total"]
            assert told["turn_end"] == 400
            assert told["stt"] == 50
            name = "lite_conversation_stage_seconds_count"
            assert at.sample(name, stage="total") == 1

    run(main())


def test_answers_to_texts_are_told_and_not_counted_as_those_to_a_voice():
    async def main() -> None:
        async with conversation() as at:
            at.says(OpenTurn, turn=1)
            at.says(StageTimes, turn=1, moments={"turn_end": 0.0, "queue": 0.2})
            at.says(TurnAudioPiece, turn=1, pcm=tone(1))
            await asyncio.sleep(1)
            [event] = [e for e in at.client.events if e["event_type"] == "latency"]
            assert [*event["stages"]] == ["queue", "link", "avatar", "total"]
            name = "lite_conversation_stage_seconds_count"
            assert not at.sample(name, stage="total")

    run(main())


@given(
    st.dictionaries(
        st.sampled_from([*MOMENTS, "link", "avatar"]), st.floats(0, 1e6), min_size=1
    )
)
def test_stages_are_never_negative_and_sum_to_their_total(moments):
    found = stages(moments)
    total = found.pop("total")
    assert all(seconds >= 0 for seconds in found.values())
    assert sum(found.values()) == pytest.approx(total, abs=1e-3)
