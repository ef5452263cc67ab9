"""Signals to the server: the first one drains, the second one ends at once."""

import asyncio
import signal
import socket
from types import SimpleNamespace

import pytest
import uvicorn

from lite_gateway.server import _Server
from tests.waiting import PATIENCE_S


class SpeakingSessions:
    """Sessions that never stop speaking."""

    slots_taken = 1

    async def end_silent(self) -> None:
        await asyncio.Event().wait()


class Service(SimpleNamespace):
    """Service as the server sees it at its end."""

    def stop_accepting(self) -> None:
        pass

    async def drain(self) -> None:
        self.drained = True


async def app(_scope, _receive, _send) -> None:
    raise AssertionError("nobody asks")


@pytest.mark.parametrize("pause_s", [0.0, 0.05], ids=["at once", "while it drains"])
def test_a_second_signal_skips_the_drain_whenever_it_comes(pause_s):
    """Also before the drain has begun: uvicorn notices the first one after 100 ms."""
    service = Service(
        config=SimpleNamespace(drain_s=1000.0),
        supervisor=SimpleNamespace(failure=None),
        sessions=SpeakingSessions(),
        drained=False,
    )

    async def main() -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        config.load()
        server = _Server(service, config, None)
        server.lifespan = config.lifespan_class(config)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            await server.startup([listening])
            server.handle_exit(signal.SIGTERM, None)
            if not pause_s:
                server.handle_exit(signal.SIGTERM, None)
            await asyncio.sleep(0.01)
            assert server.should_exit
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                group.create_task(server.shutdown([listening]))
                if pause_s:
                    await asyncio.sleep(pause_s)
                    server.handle_exit(signal.SIGTERM, None)

    asyncio.run(main())
    assert service.drained
