"""A machine that is too slow: measured capacity, 429, and a halved frame rate."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.probe.listening import speech
from bench.probe.stack import Gateway, running_gateway
from lite_gateway.client import ServerRefused, open_session
from lite_gateway.client.session import AvatarSession
from lite_gateway.playout.degradation import GROUPS
from tests.e2e.calls import LEAN
from tests.fakes import SwitchedDriver
from tests.waiting import PATIENCE_S, best_of, figures, until, until_async

pytestmark = pytest.mark.livekit
DRIVER = f"{SwitchedDriver.__module__}:{SwitchedDriver.__name__}"
TURN_S = 12.0


@contextlib.contextmanager
def slow_gateway(livekit, folder: Path, *, slow: bool, **env) -> Iterator[Gateway]:
    """Run a gateway whose driver is slow from its start on, or fast."""
    switch(folder, slow=slow)
    connection = (livekit.url, livekit.key, livekit.secret, folder / "log")
    settings = {**LEAN, "LITE_DRIVER": DRIVER, **env}
    with running_gateway(*connection, **settings) as running:
        yield running


def switch(folder: Path, *, slow: bool) -> None:
    (folder / SwitchedDriver.FAULT_FILE).write_text("is slow" if slow else "")


def test_starts_beyond_the_measured_capacity_get_429(livekit, tmp_path):
    with slow_gateway(
        livekit, tmp_path, slow=True, LITE_MAX_SESSIONS="auto"
    ) as gateway:

        async def main() -> None:
            connection = gateway.url, gateway.key
            async with open_session(*connection, avatar="fiducial"):
                with pytest.raises(ServerRefused, match="about 1 of fiducial 512x512"):
                    async with open_session(*connection, avatar="fiducial"):
                        pass
                await asyncio.to_thread(refused, gateway)

        ready = gateway.get("/ready")
        assert ready.json() == {
            **{"ready": True, "message": "ready"},
            **{"capacity": 1, "free": 1, "conversations": "off"},
        }
        asyncio.run(main())
        until(lambda: gateway.get("/ready").status_code == 200)
        assert "capacity measured" in gateway.log_path.read_text()


def refused(gateway: Gateway) -> None:
    """Check the answers of a gateway that carries no further session."""
    token = gateway.create_session().json()["data"]["session_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = gateway.post("/v1/sessions/start", headers=headers)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    body = answer.json()
    assert body["code"] != 1000
    assert body["data"] is None
    for words in ("1 session run", "smaller quality", "--max-sessions"):
        assert words in body["message"]
    ready = gateway.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["capacity"] == 1
    assert ready.json()["free"] == 0
    metrics = gateway.metrics()
    assert metrics["lite_capacity_sessions"] == 1
    assert metrics["lite_slots_free"] == 0


def test_a_number_of_sessions_overrules_the_measurement(livekit, tmp_path):
    with slow_gateway(livekit, tmp_path, slow=True, LITE_MAX_SESSIONS="2") as gateway:

        async def main() -> None:
            connection = gateway.url, gateway.key
            async with (
                open_session(*connection, avatar="fiducial"),
                open_session(*connection, avatar="fiducial"),
            ):
                with pytest.raises(ServerRefused, match="all 2 session slots"):
                    async with open_session(*connection, avatar="fiducial"):
                        pass

        assert gateway.get("/ready").json()["capacity"] == 2
        asyncio.run(main())


class Observer:
    """Reads the metrics of a gateway again and again, until the block ends."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.level = 0.0
        self.halved: dict[
            str, float
        ] = {}  # when the first frame of a pose was left out

    def look(self) -> dict[str, float]:
        metrics = self._gateway.metrics()
        self.level = metrics["lite_degradation_level"]
        for pose in GROUPS:
            if metrics[f'lite_frames_left_out_total{{pose="{pose}"}}']:
                self.halved.setdefault(pose, time.monotonic())
        return metrics

    async def run(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(0.1)


async def warnings(avatar: AvatarSession, told: list[str]) -> None:
    """Collect the types of the warnings that a client gets."""
    async for event in avatar.events():
        if event["type"] == "warning":
            told.append(event["warning"]["type"])


@best_of(3)
def test_idle_faces_are_halved_before_listening_and_speaking_ones(livekit, tmp_path):
    with slow_gateway(livekit, tmp_path, slow=False) as gateway:
        observer = Observer(gateway)
        told: list[list[str]] = [[], [], []]

        async def main() -> None:
            connection = gateway.url, gateway.key
            async with (
                open_session(*connection, avatar="fiducial") as idle,
                open_session(*connection, avatar="fiducial") as listening,
                open_session(*connection, avatar="fiducial") as talking,
                asyncio.TaskGroup() as group,
            ):
                tasks = [group.create_task(observer.run())]
                sessions = (idle, listening, talking)
                for avatar, own in zip(sessions, told, strict=True):
                    tasks.append(group.create_task(warnings(avatar, own)))
                await listening.start_listening()
                switch(tmp_path, slow=True)
                await talking.append(speech(TURN_S))
                await until_async(lambda: observer.level == 3)
                switch(tmp_path, slow=False)
                await talking.speak_end()
                await until_async(lambda: observer.level < 3, 3 * PATIENCE_S)
                await until_async(lambda: all(told))
                for task in tasks:
                    task.cancel()

        asyncio.run(main())
        metrics = observer.look()
    with figures():
        assert sorted(observer.halved, key=observer.halved.__getitem__) == list(GROUPS)
        # No sample of the speech was late.
        assert metrics['lite_turn_gaps_seconds_count{cause="server"}'] == 0
    assert all(own[0] == "reduced_frame_rate" for own in told)
    log = (tmp_path / "log").read_text()
    assert "faces with half the frame rate: idle, listening, talking, level=3" in log
    assert "faces with half the frame rate: idle, listening, level=2 before=3" in log
