"""Transcripts over the API: pages, bounds, deletion, and why one is empty."""

import asyncio
import datetime
import uuid

import pytest

from lite_gateway.api.transcripts import MAX_LINES
from lite_gateway.store import transcripts
from lite_gateway.store.models import now
from lite_gateway.store.transcripts import TranscriptLine
from tests.api.conftest import full, make_api


@pytest.fixture
def session_id(api) -> str:
    return full(api).json["data"]["session_id"]


def add(api, session_id: str, count: int) -> int:
    """Add lines a second apart from now on, and return the time of the first."""
    first_ms = transcripts.unix_ms(now() + datetime.timedelta(seconds=1))
    lines = [
        TranscriptLine(
            session_id, "user" if n % 2 == 0 else "avatar", f"line {n}", first_ms + n
        )
        for n in range(count)
    ]
    api.service.store.run_sync(lambda db: transcripts.add(db, lines))
    return first_ms


def test_a_transcript_has_roles_words_and_times(api, session_id):
    first_ms = add(api, session_id, 2)
    answer = api("GET", f"/v1/sessions/{session_id}/transcript")
    assert answer.status == 200
    assert answer.json["message"] == "ok"
    data = answer.json["data"]
    assert (data["session_active"], data["next_timestamp"]) == (False, None)
    assert all(line.pop("relative_timestamp") > 0 for line in data["transcript_data"])
    assert data["transcript_data"] == [
        {"role": "user", "transcript": "line 0", "absolute_timestamp": first_ms},
        {"role": "avatar", "transcript": "line 1", "absolute_timestamp": first_ms + 1},
    ]


def test_a_long_transcript_is_read_page_by_page(api, session_id):
    first_ms = add(api, session_id, 2 * MAX_LINES + 1)
    path = f"/v1/sessions/{session_id}/transcript"
    words, sizes, query = [], [], ""
    while True:
        data = api.data("GET", path + query)
        sizes.append(len(data["transcript_data"]))
        words += [line["transcript"] for line in data["transcript_data"]]
        if data["next_timestamp"] is None:
            break
        query = f"?start_timestamp={data['next_timestamp']}"
    assert sizes == [MAX_LINES, MAX_LINES, 1]
    assert words == [f"line {n}" for n in range(2 * MAX_LINES + 1)]
    query = f"?start_timestamp={first_ms + 3}&end_timestamp={first_ms + 5}"
    lines = api.data("GET", path + query)["transcript_data"]
    assert [line["transcript"] for line in lines] == ["line 3", "line 4", "line 5"]


@pytest.mark.parametrize("bound", ["9" * 40, "-" + "9" * 40])
@pytest.mark.parametrize("name", ["start_timestamp", "end_timestamp"])
def test_bounds_of_any_size_are_no_error(api, session_id, name, bound):
    add(api, session_id, 1)
    path = f"/v1/sessions/{session_id}/transcript?{name}={bound}"
    assert api("GET", path).status == 200


def test_deleting_the_events_deletes_written_and_queued_lines(api, session_id):
    add(api, session_id, 3)
    other = full(api).json["data"]["session_id"]
    add(api, other, 1)

    async def say() -> None:
        api.service.transcripts.add(session_id, "user", "queued", 0.0)
        api.service.transcripts.add(other, "user", "queued", 0.0)

    asyncio.run(say())
    assert api.data("DELETE", f"/v1/sessions/{session_id}/events") is None
    asyncio.run(api.service.transcripts.close())
    path = "/v1/sessions/{}/transcript"
    assert api.data("GET", path.format(session_id))["transcript_data"] == []
    assert len(api.data("GET", path.format(other))["transcript_data"]) == 2


def test_an_empty_transcript_says_why(api, build_app, session_id):
    lite = api.mint().json["data"]["session_id"]
    for each, words in ((session_id, "nothing was said"), (lite, "only audio")):
        answer = api("GET", f"/v1/sessions/{each}/transcript")
        assert answer.json["data"]["transcript_data"] == []
        assert words in answer.json["message"]
    off = make_api(build_app, transcripts="off")
    answer = off("GET", f"/v1/sessions/{session_id}/transcript")
    assert "LITE_TRANSCRIPTS=off" in answer.json["message"]


def test_only_who_may_see_a_session_reads_and_deletes_its_words(build_app, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("only-mints-sessions minter mint\n")
    api = make_api(build_app, api_keys_file=str(keys))
    session_id = full(api).json["data"]["session_id"]
    add(api, session_id, 1)
    for method, path in (("GET", "transcript"), ("DELETE", "events")):
        path = f"/v1/sessions/{session_id}/{path}"
        assert api(method, path, key="only-mints-sessions").status == 404
        assert api(method, path, key="unknown key").status == 401
        unknown = path.replace(session_id, str(uuid.uuid4()))
        assert api(method, unknown).status == 404
    path = f"/v1/sessions/{session_id}/transcript"
    assert len(api.data("GET", path)["transcript_data"]) == 1
