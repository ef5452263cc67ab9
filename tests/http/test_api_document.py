"""The OpenAPI document is built once, when it is first asked for, in a thread."""

import asyncio
import json
import threading

import pytest

from lite_gateway.app import routed_app
from lite_gateway.http.api_document import ApiDocument
from tests.waiting import PATIENCE_S


def test_a_start_builds_no_document():
    assert routed_app().openapi_schema is None


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "/v1/avatars/jobs/{job_id}/keep"), ("delete", "/v1/avatars/{avatar_id}")],
)
def test_the_document_has_the_answers_of_a_full_disk(method, path):
    responses = routed_app().openapi()["paths"][path][method]["responses"]
    assert {"503", "507"} <= responses.keys()


def test_the_event_loop_goes_on_while_the_document_is_built_once():
    builders, stepped = [], threading.Event()

    def build():
        builders.append(threading.current_thread())
        assert stepped.wait(PATIENCE_S)
        return {"openapi": "3.1.0"}

    async def ask():
        document = ApiDocument(build)
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(document.answer()) for _ in range(3)]
            for _ in range(3):
                await asyncio.sleep(0.01)
            assert not any(answer.done() for answer in answers)
            stepped.set()
        return [json.loads(answer.result().body) for answer in answers]

    documents = asyncio.run(ask())

    assert documents == [{"openapi": "3.1.0"}] * 3
    assert len(builders) == 1
    assert builders[0] is not threading.main_thread()


def test_a_document_that_could_not_be_built_is_tried_again():
    failures = [MemoryError("no memory")]

    def build():
        if failures:
            raise failures.pop()
        return {}

    async def ask_twice():
        document = ApiDocument(build)
        with pytest.raises(MemoryError):
            await document.answer()
        return (await document.answer()).body

    assert asyncio.run(ask_twice()) == b"{}"
