"""What a dispatch may ask for, and what LiveKit is told of a gateway."""

import pytest

from lite_gateway.dispatch.job import TARGET_LOAD, JobMetadata, WorkerLoad
from lite_gateway.errors import Refused
from lite_gateway.sessions.request import ExternalRoom

ROOM = ExternalRoom("ws://livekit", "lobby", "token", "avatar-ada", "agent-1")


def test_a_dispatch_without_metadata_is_one_for_the_defaults():
    wanted = JobMetadata.parse("")
    assert wanted == JobMetadata.parse("{}") == JobMetadata()
    order = wanted.order("ada", "low", 60.0, ROOM)
    assert (order.avatar, order.codec, order.external_room) == ("ada", "H264", ROOM)
    assert order.max_duration_s == 60.0
    assert order.quality.name == "640x360"
    assert order.data_stream


def test_a_dispatch_may_ask_for_less_time_and_not_for_more():
    asked = '{"max_session_duration": %d}'
    assert (
        JobMetadata.parse(asked % 20).order("ada", "low", 60.0, ROOM).max_duration_s
        == 20
    )
    assert (
        JobMetadata.parse(asked % 90).order("ada", "low", 60.0, ROOM).max_duration_s
        == 60
    )


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ("quality", "it"),
        ("[]", "it"),
        ('{"avatar": "ada"}', "avatar"),
        ('{"avatar_id": 7}', "avatar_id"),
        ('{"encoding": "AV1"}', "encoding"),
        ('{"max_session_duration": 0}', "max_session_duration"),
    ],
)
def test_metadata_that_is_wrong_is_refused_by_the_name_of_the_field(metadata, named):
    with pytest.raises(Refused, match=f"metadata of the job: {named}: "):
        JobMetadata.parse(metadata)


def test_a_quality_that_does_not_exist_is_refused():
    with pytest.raises(Refused, match="quality 'huge'"):
        JobMetadata.parse('{"quality": "huge"}').order("ada", "low", 60.0, ROOM)


@pytest.mark.parametrize("most", [1, 3, 8])
def test_a_gateway_with_a_free_place_is_never_too_loaded_for_livekit(most):
    loads = [WorkerLoad(taken, most, 0.0) for taken in range(most + 1)]
    assert loads[0].load == 0
    assert [each.load for each in loads] == sorted({each.load for each in loads})
    for each in loads[:-1]:
        assert not each.full
        assert each.load < TARGET_LOAD
    assert loads[-1].full


def test_a_gateway_whose_renderer_has_no_time_left_is_full():
    assert WorkerLoad(1, 8, 0.5).load > WorkerLoad(1, 8, 0.0).load
    assert not WorkerLoad(1, 8, 0.5).full
    assert WorkerLoad(1, 8, 0.9).full
    assert WorkerLoad(1, 8, 3.0).load == TARGET_LOAD
