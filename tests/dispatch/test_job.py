"""Metadata of dispatch jobs, and the load that a worker reports."""

import pytest

from lite_gateway.dispatch.job import TARGET_LOAD, JobMetadata, WorkerLoad
from lite_gateway.errors import Refused
from lite_gateway.sessions.session_config import ExternalRoom

ROOM = ExternalRoom("ws://livekit", "lobby", "token", "avatar-mira", "agent-1")


def test_dispatch_without_metadata_uses_the_defaults():
    metadata = JobMetadata.parse("")
    assert metadata == JobMetadata.parse("{}") == JobMetadata()
    config = metadata.session_config("mira", "low", 60.0, ROOM)
    assert (config.avatar, config.codec, config.external_room) == ("mira", "H264", ROOM)
    assert config.max_duration_s == 60.0
    assert config.quality.name == "640x360"
    assert config.data_stream


def test_dispatch_may_shorten_the_session_but_not_lengthen_it():
    text = '{"max_session_duration": %d}'
    assert (
        JobMetadata.parse(text % 20)
        .session_config("mira", "low", 60.0, ROOM)
        .max_duration_s
        == 20
    )
    assert (
        JobMetadata.parse(text % 90)
        .session_config("mira", "low", 60.0, ROOM)
        .max_duration_s
        == 60
    )


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ("quality", "JSON"),
        ("[]", "JSON"),
        ('{"avatar": "mira"}', "avatar"),
        ('{"avatar_id": 7}', "avatar_id"),
        ('{"encoding": "AV1"}', "encoding"),
        ('{"max_session_duration": 0}', "max_session_duration"),
    ],
)
def test_invalid_metadata_is_refused_with_the_name_of_the_field(metadata, field):
    with pytest.raises(Refused, match=f"metadata of the job: {field}: "):
        JobMetadata.parse(metadata)


def test_unknown_quality_is_refused():
    with pytest.raises(Refused, match="quality 'huge'"):
        JobMetadata.parse('{"quality": "huge"}').session_config(
            "mira", "low", 60.0, ROOM
        )


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_load_stays_below_the_target_while_a_slot_is_free(slots):
    loads = [WorkerLoad(taken, slots, 0.0) for taken in range(slots + 1)]
    assert loads[0].load == 0
    assert [load.load for load in loads] == sorted({load.load for load in loads})
    for load in loads[:-1]:
        assert not load.full
        assert load.load < TARGET_LOAD
    assert loads[-1].full


def test_worker_is_full_when_its_render_thread_is_busy():
    assert WorkerLoad(1, 8, 0.5).load > WorkerLoad(1, 8, 0.0).load
    assert not WorkerLoad(1, 8, 0.5).full
    assert WorkerLoad(1, 8, 0.9).full
    assert WorkerLoad(1, 8, 3.0).load == TARGET_LOAD
