"""LiveKit server as a child process: start, isolation, and its end."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from livekit import api, rtc

from bench.probe.stack import free_port
from lite_gateway.devserver import process
from lite_gateway.devserver.process import LiveKitUnavailable, running
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]


def script(path: Path, body: str) -> Path:
    """Write a Python program that replaces livekit-server."""
    path.write_text(f"#!{sys.executable}\n{textwrap.dedent(body)}")
    path.chmod(0o755)
    return path


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not, although it has its id."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def running_as(binary: Path) -> list[str]:
    """Return the ids of processes with that program on their command line."""
    pids = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # the process has ended meanwhile
            if str(binary) in cmdline.read_text():
                pids.append(cmdline.parent.name)
    return pids


LOOPBACK = "0100007F"  # 127.0.0.1 in the kernel's notation: little-endian


def kernel_notation(address: process.Address) -> str:
    return address.packed[::-1].hex().upper()


def listening(pid: int, protocol: str) -> set[str]:
    """Return the addresses of the process's sockets, in kernel notation."""
    links = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    inodes = {os.readlink(link) for link in links}
    addresses = set()
    for table in (protocol, f"{protocol}6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if f"socket:[{columns[9]}]" in inodes:
                addresses.add(columns[1].partition(":")[0])
    return addresses


def get(url: str) -> bytes:
    with urlopen(url) as response:
        return response.read()


def listen_on(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


@pytest.mark.livekit
def test_server_of_the_test_run_answers_and_accepts_its_keys(livekit):
    async def main():
        url = livekit.url.replace("ws", "http")
        async with api.LiveKitAPI(url, livekit.key, livekit.secret) as client:
            await client.room.create_room(api.CreateRoomRequest(name="keys"))
            request = api.ListRoomsRequest(names=["keys", "no such room"])
            return await client.room.list_rooms(request)

    assert [room.name for room in asyncio.run(main()).rooms] == ["keys"]
    assert livekit.secret not in repr(livekit)


@pytest.mark.livekit
def test_media_connects_over_loopback(livekit):
    token = api.AccessToken(livekit.key, livekit.secret).with_identity("me")
    token.with_grants(api.VideoGrants(room_join=True, room="loopback"))

    async def main():
        room = rtc.Room()
        await asyncio.wait_for(room.connect(livekit.url, token.to_jwt()), PATIENCE_S)
        state = room.connection_state
        await room.disconnect()
        return state

    assert asyncio.run(main()) == rtc.ConnectionState.CONN_CONNECTED


def config(host: str = "127.0.0.1") -> dict[str, Any]:
    plan = process._Plan(Path("x"), process._address(host), "k", "s", Path("log"))
    written: dict[str, Any] = json.loads(process._config(plan, 7880))
    return written


def settings(host: str = "127.0.0.1") -> dict[str, Any]:
    rtc: dict[str, Any] = config(host)["rtc"]
    return rtc


def test_rooms_that_callers_create_keep_sound_and_lips_in_step():
    assert config()["room"] == {"sync_streams": True}


def test_media_uses_one_address_that_firefox_uses_too():
    rtc = settings()
    address = process._media_address(process._address("127.0.0.1"))
    assert rtc["ips"]["includes"] == [f"{address}/32"]
    assert rtc["node_ip"] == str(address)
    # Firefox fails with some of its connections if it is offered loopback as well.
    assert ("enable_loopback_candidate" in rtc) is address.is_loopback


def test_media_stays_on_loopback_without_a_network(monkeypatch):
    # The kernel refuses broadcasts as it refuses an address without a route.
    monkeypatch.setattr(process, "ELSEWHERE", {4: ("255.255.255.255", 9)})
    rtc = settings()
    assert rtc["ips"]["includes"] == ["127.0.0.1/32"]
    assert rtc["node_ip"] == "127.0.0.1"
    assert rtc["enable_loopback_candidate"]


def test_a_viewer_who_missed_a_keyframe_may_have_the_next_one_soon():
    gaps = settings()["pli_throttle"]
    # Whatever layer the only one counts as; LiveKit's own gaps are 500 ms and 1 s.
    assert set(gaps) == {"low_quality", "mid_quality", "high_quality"}
    assert all(0 < int(gap.removesuffix("ms")) <= 100 for gap in gaps.values())


def test_no_browser_blocks_the_port_of_the_stun_server():
    [server] = settings()["stun_servers"]
    # The "bad ports" of the Fetch standard below 50, which Firefox applies to STUN too.
    blocked = {0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43}
    assert int(server.rpartition(":")[2]) not in blocked


@pytest.mark.livekit
def test_server_starts_answers_and_stops_without_remains(livekit_binary, tmp_path):
    port = free_port()

    async def main():
        log_path = tmp_path / "new folder" / "server.log"
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            assert await asyncio.to_thread(get, f"http://127.0.0.1:{port}/") == b"OK"
            assert listening(server.pid, "tcp") == {LOOPBACK}
            media = process._media_address(process._address("127.0.0.1"))
            assert listening(server.pid, "udp") == {kernel_notation(media)}
        assert "starting LiveKit server" in log_path.read_text()
        return server

    server = asyncio.run(main())

    assert server.url == f"ws://127.0.0.1:{port}"
    assert not alive(server.pid)
    listen_on(port).close()


@pytest.mark.livekit
def test_port_in_use_leads_to_the_next_free_one(livekit_binary, tmp_path):
    port = free_port()

    async def main():
        log_path = tmp_path / "server.log"
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            return server.url

    with listen_on(port), listen_on(port + 1):
        assert asyncio.run(main()) == f"ws://127.0.0.1:{port + 2}"


def test_port_in_use_is_named_if_no_other_may_be_tried(tmp_path):
    port = free_port()

    async def main():
        log_path = tmp_path / "server.log"
        async with running(Path("unused"), port=port, log_path=log_path, port_search=0):
            pass

    message = rf"port {port} is in use on .*--livekit-port"
    with listen_on(port), pytest.raises(LiveKitUnavailable, match=message):
        asyncio.run(main())


@pytest.fixture
def taken_udp_port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        media = process._media_address(process._address("127.0.0.1"))
        holder.bind((str(media), 0))
        yield holder.getsockname()[1]


@pytest.mark.livekit
def test_media_port_that_was_just_taken_is_replaced(
    livekit_binary, tmp_path, monkeypatch, taken_udp_port
):
    """The server keeps its TCP port, which was free."""
    free, port = process._free_udp_port, free_port()
    ports = iter([taken_udp_port, taken_udp_port])
    monkeypatch.setattr(
        process, "_free_udp_port", lambda host: next(ports, None) or free(host)
    )

    async def main():
        log_path = tmp_path / "server.log"
        async with running(
            livekit_binary, port=port, log_path=log_path, port_search=0
        ) as server:
            return server.url

    assert asyncio.run(main()) == f"ws://127.0.0.1:{port}"
    assert next(ports, None) is None


@pytest.mark.livekit
def test_media_ports_that_are_always_taken_are_reported(
    livekit_binary, tmp_path, monkeypatch, taken_udp_port
):
    monkeypatch.setattr(process, "_free_udp_port", lambda _: taken_udp_port)
    monkeypatch.setattr(process, "MAX_MEDIA_PORTS", 1)

    async def main():
        log_path = tmp_path / "server.log"
        async with running(livekit_binary, port=free_port(), log_path=log_path):
            pass

    with pytest.raises(LiveKitUnavailable, match="free UDP ports"):
        asyncio.run(main())


@pytest.mark.livekit
def test_servers_started_at_once_get_different_ports(livekit_binary, tmp_path):
    """All try the same port first, so most find it in use after their own check."""

    port = free_port()

    async def serve(name, urls, all_up):
        log_path = tmp_path / f"{name}.log"
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            urls.append(server.url)
            await asyncio.wait_for(all_up.wait(), PATIENCE_S)

    async def main():
        urls, all_up = [], asyncio.Barrier(4)
        async with asyncio.TaskGroup() as group:
            for name in range(4):
                group.create_task(serve(name, urls, all_up), name=f"server {name}")
        return urls

    assert len(set(asyncio.run(main()))) == 4


@pytest.mark.livekit
def test_exit_of_the_server_is_reported_with_the_end_of_its_log(
    livekit_binary, tmp_path
):
    async def main():
        log_path = tmp_path / "server.log"
        port = free_port()
        async with running(livekit_binary, port=port, log_path=log_path) as server:
            os.kill(server.pid, signal.SIGKILL)
            return await asyncio.wait_for(server.wait_exited(), PATIENCE_S)

    text = asyncio.run(main())

    assert "ended (-9)" in text
    assert "starting LiveKit server" in text


@pytest.mark.livekit
def test_server_ends_when_its_parent_is_killed(livekit_binary, tmp_path):
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
    ("body", "message"),
    [
        ("print('my config is odd')", r"ended at once \(0\).*\n  my config is odd"),
        ("raise SystemExit(3)", r"ended at once \(3\)"),
    ],
)
def test_server_that_exits_at_once_is_reported(tmp_path, body, message):
    async def main():
        binary = script(tmp_path / "livekit-server", body)
        async with running(binary, port=free_port(), log_path=tmp_path / "server.log"):
            pass

    with pytest.raises(LiveKitUnavailable, match=message):
        asyncio.run(main())


@pytest.mark.parametrize("content", [None, b"\x7fELF but not quite"])
def test_binary_that_cannot_run_is_reported(tmp_path, content):
    binary = tmp_path / "livekit-server"
    if content:
        binary.write_bytes(content)
        binary.chmod(0o755)

    async def main():
        async with running(binary, port=free_port(), log_path=tmp_path / "server.log"):
            pass

    with pytest.raises(LiveKitUnavailable, match=f"{binary}: "):
        asyncio.run(main())


def test_server_that_does_not_answer_is_stopped(tmp_path, monkeypatch):
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
    ("host", "message"), [("localhost", "Use an IP address"), ("192.0.2.1", "cannot")]
)
def test_host_of_another_machine_is_refused(tmp_path, host, message):
    async def main():
        log_path = tmp_path / "server.log"
        async with running(
            Path("unused"), port=free_port(), host=host, log_path=log_path
        ):
            pass

    with pytest.raises(LiveKitUnavailable, match=message):
        asyncio.run(main())
