"""Workers for LiveKit's agent dispatch: real processes and the real server."""

import contextlib
import itertools
import json
import os
import re
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
from livekit import api

from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.devserver.process import LiveKit, running
from tests.e2e.calls import LEAN
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.livekit
SMALL = {"avatar_id": "fiducial", "quality": "128x128"}
RETRY_S = 3.0  # between two dispatches: LiveKit does not retry one


@dataclass
class Dispatch:
    """Client of LiveKit's dispatch API: create dispatches and find their jobs."""

    livekit: LiveKit
    agent_name: str = field(default_factory=lambda: f"avatars-{uuid.uuid4().hex[:8]}")
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def _ask(self, ask: Callable[[api.LiveKitAPI], Any]) -> Any:
        async def call_api() -> Any:
            keys = self.livekit.key, self.livekit.secret
            async with api.LiveKitAPI(self.livekit.url, *keys) as server:
                return await ask(server)

        with anyio.from_thread.start_blocking_portal() as portal:
            return portal.call(call_api)

    def send(self, **metadata: object) -> str:
        """Dispatch one avatar to a new room, and return the room's name."""
        room = f"{self.agent_name}-{next(self._numbers)}"
        request = api.CreateAgentDispatchRequest(
            agent_name=self.agent_name,
            room=room,
            metadata=json.dumps({**SMALL, **metadata}),
        )
        self._ask(lambda server: server.agent_dispatch.create_dispatch(request))
        return room

    def _listed(self, room: str) -> list[Any]:
        """List the room's dispatches, without the unnamed one that LiveKit adds."""
        listed = self._ask(lambda server: server.agent_dispatch.list_dispatch(room))
        return [item for item in listed if item.agent_name == self.agent_name]

    def send_until(self, check: Callable[[list[str]], Any], **metadata: object) -> Any:
        """
        Dispatch to new rooms until ``check``, called with all of them, returns a value.

        LiveKit tries each dispatch once, and drops it if no worker has a free slot.
        """
        rooms: list[str] = []
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            rooms.append(self.send(**metadata))
            with contextlib.suppress(AssertionError):
                return until(lambda: check(rooms), within_s=RETRY_S)
        raise AssertionError(f"no dispatch succeeded: {rooms}")

    def taken(self, **metadata: object) -> str:
        """Dispatch until a worker takes one; return its room and close the others."""
        sent = []

        def first(rooms: list[str]) -> str | None:
            sent[:] = rooms
            return next((room for room in rooms if self.jobs(room)), None)

        room = self.send_until(first, **metadata)
        for other in set(sent) - {room}:
            self.close(other)
        return room

    def jobs(self, room: str) -> list[Any]:
        return [job for item in self._listed(room) for job in item.state.jobs]

    def worker_of(self, room: str) -> str:
        [job] = until(lambda: self.jobs(room))
        return job.state.worker_id

    def participants(self, room: str) -> list[Any]:
        request = api.ListParticipantsRequest(room=room)
        with contextlib.suppress(api.TwirpError):
            return list(
                self._ask(
                    lambda server: server.room.list_participants(request)
                ).participants
            )
        return []

    def shown(self, room: str) -> list[Any]:
        """Return the participants that publish two tracks, audio and video."""
        return [member for member in self.participants(room) if len(member.tracks) == 2]

    def close(self, room: str) -> None:
        request = api.DeleteRoomRequest(room=room)
        self._ask(lambda server: server.room.delete_room(request))

    def cancel(self, room: str) -> None:
        [item] = self._listed(room)
        self._ask(lambda server: server.agent_dispatch.delete_dispatch(item.id, room))


def registered(worker: Gateway) -> str:
    """Return the worker's id in LiveKit, from the newest registration in its log."""
    pattern = r"worker registered, agent=\S+ worker=(\S+)"
    return until(lambda: re.findall(pattern, worker.log_path.read_text()))[-1]


@contextlib.contextmanager
def working(dispatch: Dispatch, log_path: Path, **env: str) -> Iterator[Gateway]:
    livekit = dispatch.livekit
    with running_gateway(
        livekit.url,
        livekit.key,
        livekit.secret,
        log_path,
        mode="worker",
        LITE_AGENT_NAME=dispatch.agent_name,
        LITE_FPS="10",
        **{"LITE_DRAIN_S": "0", **LEAN, **env},
    ) as worker:
        registered(worker)
        yield worker


@pytest.fixture(scope="module")
def dispatch(livekit) -> Dispatch:
    return Dispatch(livekit)


@pytest.fixture(scope="module")
def worker(dispatch, tmp_path_factory) -> Iterator[Gateway]:
    log_path = tmp_path_factory.mktemp("worker") / "worker.log"
    with working(dispatch, log_path, LITE_MAX_SESSIONS="2") as started:
        yield started


def test_a_dispatched_avatar_joins_the_room_and_leaves_when_the_dispatch_is_deleted(
    worker, dispatch
):
    room = dispatch.taken(agent_identity="the-agent")
    [avatar] = until(lambda: dispatch.shown(room))
    assert avatar.identity == "avatar-fiducial"
    assert avatar.kind == api.ParticipantInfo.Kind.AGENT
    assert avatar.attributes["lk.publish_on_behalf"] == "the-agent"
    [video] = [track for track in avatar.tracks if track.width]
    assert (video.width, video.height) == (128, 128)
    until(lambda: worker.metrics()["lite_sessions"] == 1)
    assert dispatch.worker_of(room) == registered(worker)
    dispatch.cancel(room)
    until(lambda: not dispatch.participants(room))
    until(lambda: worker.metrics()["lite_sessions"] == 0)


def test_a_closed_room_frees_the_slot(worker, dispatch):
    room = dispatch.taken(avatar_identity="an-identity")
    [avatar] = until(lambda: dispatch.shown(room))
    assert avatar.identity == "an-identity"
    dispatch.close(room)
    until(lambda: worker.metrics()["lite_sessions"] == 0)


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"avatar_id": "unknown"}, "there is no avatar 'unknown'"),
        ({"quality": "huge"}, "unknown quality 'huge'"),
        ({"colour": "red"}, "metadata of the job: colour: Extra inputs"),
    ],
)
def test_an_impossible_dispatch_is_refused_with_a_log_message(
    worker, dispatch, metadata, text
):
    def refused(rooms: list[str]) -> list[str]:
        return rooms if text in worker.log_path.read_text() else []

    for room in dispatch.send_until(refused, **metadata):
        assert not dispatch.participants(room)
    assert worker.metrics()["lite_sessions"] == 0


def test_a_full_worker_takes_no_job_until_a_slot_is_free(worker, dispatch):
    rooms = [dispatch.taken() for _ in range(2)]
    for room in rooms:
        until(lambda room=room: dispatch.shown(room))
    late = dispatch.send()
    time.sleep(1)  # LiveKit sends no event for a dispatch that no worker takes
    assert not dispatch.participants(late)
    dispatch.close(rooms[0])
    again = dispatch.taken()
    until(lambda: dispatch.shown(again))
    for room in (rooms[1], late, again):
        dispatch.close(room)
    until(lambda: worker.metrics()["lite_sessions"] == 0)


def alive(worker: Gateway) -> bool:
    stat = Path(f"/proc/{worker.pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_worker_that_drains_lets_its_sessions_end_and_takes_no_more(
    livekit, tmp_path
):
    dispatch = Dispatch(livekit)
    with working(dispatch, tmp_path / "first.log", LITE_DRAIN_S="60") as first:
        room = dispatch.taken()
        until(lambda: dispatch.shown(room))
        os.kill(first.pid, signal.SIGTERM)
        until(lambda: "worker is draining" in first.log_path.read_text())
        with working(dispatch, tmp_path / "second.log") as second:
            others = [dispatch.taken() for _ in range(3)]
            where = {dispatch.worker_of(other) for other in others}
            assert where == {registered(second)}
            assert dispatch.shown(room)
            assert alive(first)
            dispatch.close(room)
            until(lambda: not alive(first))
            assert all(dispatch.participants(other) for other in others)


@pytest.mark.slow
def test_a_second_signal_stops_a_draining_worker_at_once(livekit, tmp_path):
    dispatch = Dispatch(livekit)
    with working(dispatch, tmp_path / "worker.log", LITE_DRAIN_S="60") as worker:
        room = dispatch.taken()
        until(lambda: dispatch.shown(room))
        os.kill(worker.pid, signal.SIGTERM)
        until(lambda: "worker is draining" in worker.log_path.read_text())
        os.kill(worker.pid, signal.SIGTERM)
        until(lambda: not alive(worker))
        until(lambda: not dispatch.participants(room))


@pytest.mark.slow
def test_a_worker_registers_again_after_livekit_was_down(livekit_binary, tmp_path):
    port, secret = free_port(), "a LiveKit secret of at least 32 bytes"

    def server(name: str) -> Any:
        return running(
            livekit_binary,
            port=port,
            secret=secret,
            log_path=tmp_path / name,
            port_search=0,
        )

    with anyio.from_thread.start_blocking_portal() as portal, ExitStack() as around:
        first = portal.wrap_async_context_manager(server("first.log"))
        with first as livekit:
            dispatch = Dispatch(livekit)
            started = working(dispatch, tmp_path / "worker.log")
            worker = around.enter_context(started)
            room, before = dispatch.taken(), registered(worker)
            until(lambda: dispatch.shown(room))
        until(lambda: "not registered" in worker.log_path.read_text())
        with portal.wrap_async_context_manager(server("second.log")):
            until(lambda: registered(worker) != before)
            again = dispatch.taken()
            until(lambda: dispatch.shown(again))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twelve_dispatches_are_shared_by_three_workers_and_by_two_when_one_is_killed(
    livekit, tmp_path, record_property
):
    """LiveKit selects a worker at random, with a weight for its free share."""
    dispatch, max_sessions = Dispatch(livekit), 6
    with ExitStack() as stack:
        workers: dict[str, Gateway] = {}
        for name in ("one", "two", "three"):
            started = working(
                dispatch, tmp_path / f"{name}.log", LITE_MAX_SESSIONS=str(max_sessions)
            )
            worker = stack.enter_context(started)
            workers[registered(worker)] = worker
        rooms = [dispatch.taken() for _ in range(12)]
        where = {room: dispatch.worker_of(room) for room in rooms}
        spread = Counter(where.values())
        record_property("spread", sorted(spread.values()))
        print("spread", spread)
        for room in rooms:
            until(lambda room=room: dispatch.shown(room))
        assert set(spread) <= set(workers)
        assert max(spread.values()) <= max_sessions
        assert len(spread) == 3 or sorted(spread.values()) == [
            max_sessions,
            max_sessions,
        ]
        for worker_id, worker in workers.items():
            count = spread[worker_id]
            until(lambda w=worker, n=count: w.metrics()["lite_sessions"] == n)

        dead = spread.most_common(1)[0][0]
        os.kill(workers[dead].pid, signal.SIGKILL)
        lost = [room for room in rooms if where[room] == dead]
        until(lambda: not any(dispatch.shown(room) for room in lost))
        started_s = time.monotonic()
        renewed = [dispatch.taken() for _ in lost]
        new = {room: dispatch.worker_of(room) for room in renewed}
        print("anew", Counter(new.values()), time.monotonic() - started_s)
        assert dead not in new.values()
        for room in renewed:
            until(lambda room=room: dispatch.shown(room))
        for room in set(rooms) - set(lost):
            assert dispatch.shown(room)
