"""A LiveKit server at hand: it comes up, keeps to itself, and never stays behind."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.request import urlopen

import pytest
from livekit import api, rtc

from bench.probe.stack import free_port
from lite_gateway.devserver import process
from lite_gateway.devserver.process import LiveKitUnavailable, running
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]


def script(path: Path, body: str) -> Path:
    """Stands in for livekit-server: a program that does only what ``body`` says."""
    path.write_text(f"#!{sys.executable}\n{textwrap.dedent(body)}")
    path.chmod(0o755)
    return path


def alive(pid: int) -> bool:
    """A zombie is dead, though its number is not free yet."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def running_as(binary: Path) -> list[str]:
    """The processes with that program on their command line."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # gone meanwhile
            if str(binary) in cmdline.read_text():
                found.append(cmdline.parent.name)
    return found


def listening(pid: int) -> set[str]:
    """Addresses, as the kernel writes them, of the TCP and UDP sockets of ``pid``."""
    links = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    inodes = {os.readlink(link) for link in links}
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if f"socket:[{words[9]}]" in inodes:
                found.add(words[1].partition(":")[0])
    return found


def get(url: str) -> bytes:
    with urlopen(url) as answer:
        return answer.read()


def holding(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


@pytest.mark.livekit
def test_the_sessions_server_answers_and_knows_its_keys(livekit):
    async def main():
        url = livekit.url.replace("ws", "http")
        async with api.LiveKitAPI(url, livekit.key, livekit.secret) as client:
            await client.room.create_room(api.CreateRoomRequest(name="keys"))
            mine = api.ListRoomsRequest(names=["keys", "nobody made this"])
            return await client.room.list_rooms(mine)

    assert [room.name for room in asyncio.run(main()).rooms] == ["keys"]
    assert livekit.secret not in repr(livekit)


@pytest.mark.livekit
def test_media_gets_through_over_loopback_alone(livekit):
    token = api.AccessToken(livekit.key, livekit.secret).with_identity("me")
    token.with_grants(api.VideoGrants(room_join=True, room="loopback"))

    async def main():
        room = rtc.Room()
        await asyncio.wait_for(room.connect(livekit.url, token.to_jwt()), PATIENCE_S)
        state = room.connection_state
        await room.disconnect()
        return state

    assert asyncio.run(main()) == rtc.ConnectionState.CONN_CONNECTED


@pytest.mark.livekit
def test_it_starts_answers_stops_and_leaves_nothing(livekit_binary, tmp_path):
    port = free_port()

    async def main():
        log_path = tmp_path / "new folder" / "server.log"
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            assert await asyncio.to_thread(get, f"http://127.0.0.1:{port}/") == b"OK"
            assert listening(server.pid) == {"0100007F"}  # 127.0.0.1, backwards
            await asyncio.sleep(0.2)
        assert "starting LiveKit server" in log_path.read_text()
        return server

    server = asyncio.run(main())

    assert server.url == f"ws://127.0.0.1:{port}"
    assert not alive(server.pid)
    holding(port).close()


@pytest.mark.livekit
def test_a_taken_port_leads_to_the_next_free_one(livekit_binary, tmp_path):
    port = free_port()

    async def main():
        log_path = tmp_path / "server.log"
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            return server.url

    with holding(port), holding(port + 1):
        assert asyncio.run(main()) == f"ws://127.0.0.1:{port + 2}"


def test_a_taken_port_is_named_when_no_other_may_be_used(tmp_path):
    port = free_port()

    async def main():
        log_path = tmp_path / "server.log"
        async with running(Path("unused"), port=port, log_path=log_path, port_search=0):
            pass

    told = rf"port {port} is taken on .*--livekit-port"
    with holding(port), pytest.raises(LiveKitUnavailable, match=told):
        asyncio.run(main())


@pytest.mark.livekit
def test_many_at_once_share_nothing(livekit_binary, tmp_path):
    """All want the same port, so most lose it between the look and the leap."""

    port = free_port()

    async def one(name, urls, all_up):
        log_path = tmp_path / f"{name}.log"
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            urls.append(server.url)
            await asyncio.wait_for(all_up.wait(), PATIENCE_S)

    async def main():
        urls, all_up = [], asyncio.Barrier(4)
        async with asyncio.TaskGroup() as group:
            for name in range(4):
                group.create_task(one(name, urls, all_up), name=f"server {name}")
        return urls

    assert len(set(asyncio.run(main()))) == 4


@pytest.mark.livekit
def test_a_server_that_dies_is_noticed_with_its_last_words(livekit_binary, tmp_path):
    async def main():
        log_path = tmp_path / "server.log"
        port = free_port()
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            os.kill(server.pid, signal.SIGKILL)
            return await asyncio.wait_for(server.wait_exited(), PATIENCE_S)

    said = asyncio.run(main())

    assert "ended (-9)" in said
    assert "starting LiveKit server" in said


@pytest.mark.livekit
def test_it_dies_with_a_parent_that_is_killed(livekit_binary, tmp_path):
    program = """
        import asyncio, sys
        from pathlib import Path
        from lite_gateway.devserver.process import running

        async def main():
            binary, log_path, port = *map(Path, sys.argv[1:3]), int(sys.argv[3])
            async with running(binary, port=port, log_path=log_path) as server:
                print(server.pid, flush=True)
                await asyncio.sleep(60)

        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(
        [*command, livekit_binary, tmp_path / "server.log", str(free_port())],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as parent:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()

    until(lambda: not alive(pid))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("print('my config is odd')", r"ended at once \(0\).*\n  my config is odd"),
        ("raise SystemExit(3)", r"ended at once \(3\)"),
    ],
)
def test_a_server_that_ends_at_once_is_reported(tmp_path, body, says):
    async def main():
        binary = script(tmp_path / "livekit-server", body)
        async with running(binary, port=free_port(), log_path=tmp_path / "server.log"):
            pass

    with pytest.raises(LiveKitUnavailable, match=says):
        asyncio.run(main())


@pytest.mark.parametrize("content", [None, b"\x7fELF but not quite"])
def test_a_binary_that_cannot_run_is_reported(tmp_path, content):
    binary = tmp_path / "livekit-server"
    if content:
        binary.write_bytes(content)
        binary.chmod(0o755)

    async def main():
        async with running(binary, port=free_port(), log_path=tmp_path / "server.log"):
            pass

    with pytest.raises(LiveKitUnavailable, match=f"{binary}: "):
        asyncio.run(main())


def test_a_server_that_never_answers_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "START_TIMEOUT_S", 1.0)
    monkeypatch.setattr(process, "STOP_GRACES_S", (0.1, 0.1))
    body = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    """
    binary = script(tmp_path / "livekit-server", body)

    async def main():
        async with running(binary, port=free_port(), log_path=tmp_path / "server.log"):
            pass

    with pytest.raises(LiveKitUnavailable, match=r"did not answer .* within"):
        asyncio.run(main())
    assert not running_as(binary)


@pytest.mark.parametrize(
    ("host", "says"), [("localhost", "needs an IP address"), ("192.0.2.1", "cannot")]
)
def test_a_host_that_is_not_ours_is_refused(tmp_path, host, says):
    async def main():
        log_path = tmp_path / "server.log"
        async with running(
            Path("unused"), port=free_port(), host=host, log_path=log_path
        ):
            pass

    with pytest.raises(LiveKitUnavailable, match=says):
        asyncio.run(main())
