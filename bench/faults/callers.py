"""Faults of callers: clients that vanish, floods, late joins, too many starts."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator

import httpx
from livekit import api

from bench.faults.conversation import Conversation, conversation
from bench.faults.outside import Fault, start, stop_session
from bench.faults.site import Site
from bench.faults.together import together
from bench.probe.faults import NEVER, silent_peers, slow_proxy
from protocol.lite.messages import Speak, SpeakEnd

# The SDK gives up a connection after 5 s, asks the server why for 3 s, and connects
# again: this join succeeds after more than 12 s, when its start was answered.
LATE_JOIN_S = (NEVER, NEVER, 4.5)
LATE_JOINS = 3
LEFT_WITHIN_S = 45.0  # for rooms that were joined too late
EMPTY_S = 3.0  # participants that are still joining are not counted by LiveKit
GONE_S = 15.0  # longer than a client may be away and still count as connected
FLOOD_MESSAGES = 20_000
FLOOD_TURNS = 40_000
FLOOD_S = 20.0  # for each of the floods, as machines may be slow
IDLE_PEERS = 300
LARGE_BODIES = 4
BODY_BYTES = 31_000_000
STARTS = 20
MIN_STARTED = 4  # of them
_POLL_S = 0.5
_CHUNK = bytes(65_536)
_RUBBISH = ('{"type": "agent.dance"}', "{oops", '{"type": "session.keep_alive"}')


async def _leave(site: Site) -> list[str]:
    """Leave a session in the middle of a turn, for ever."""
    async with conversation(site, "fiducial") as talk:
        await talk.started(await talk.speak(5.0))
        talk.leave()
        await asyncio.sleep(GONE_S)
        session_id = talk.session.session_id
        body = {"session_id": session_id}
        stopped = await site.call("POST", "/v1/sessions/stop", json=body)
        item = await site.call("GET", f"/v1/sessions/{session_id}")
    wrong = []
    if stopped.status_code != httpx.codes.OK:
        wrong.append(f"a stop was answered with {stopped.status_code}")
    if (reason := item.json()["data"].get("end_reason")) not in (None, "USER_CLOSED"):
        wrong.append(f"a session without a client ended with {reason}")
    return wrong


async def _flood_messages(site: Site) -> list[str]:
    """Send messages that cannot be read, beside connections that say nothing."""
    peers = silent_peers(site.gateway.url, IDLE_PEERS)
    with contextlib.ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, peers)
        async with conversation(site, "fiducial") as talk:
            until_s = time.monotonic() + FLOOD_S
            for number in range(FLOOD_MESSAGES):
                await talk.send_raw(_RUBBISH[number % len(_RUBBISH)])
                if time.monotonic() > until_s:
                    break
            await talk.speak(0.3)
            await talk.settled()
            wrong = _account(talk)
        bodies = [_send_large_body(site) for _ in range(LARGE_BODIES)]
        for status in await together(bodies):
            if status not in (None, 401, 413, 429):
                wrong.append(f"a large body without a key was answered with {status}")
        return wrong


async def _send_large_body(site: Site) -> int | None:
    """Return the status; None if the server closed before it was read."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // len(_CHUNK)):
            yield _CHUNK

    with contextlib.suppress(httpx.TransportError):
        path, headers = "/v1/sessions/token", {"Content-Type": "application/json"}
        response = await site.call("POST", path, headers=headers, content=body())
        return response.status_code
    return None


async def _flood_turns(site: Site) -> list[str]:
    """Send turns of one sample; the server may refuse those that are too many."""
    async with conversation(site, "fiducial") as talk:
        until_s = time.monotonic() + FLOOD_S
        for _ in range(FLOOD_TURNS):
            turn = talk.name()
            talk.account.sending(turn, certain=False)
            await talk.session.send(Speak(bytes(2), turn))
            await talk.session.send(SpeakEnd(turn))
            if time.monotonic() > until_s:
                break
        await talk.interrupt()
        await talk.settled()
        return _account(talk)


def _account(talk: Conversation) -> list[str]:
    """Return what is wrong with the turns of a session that was flooded."""
    wrong = talk.account.faults[:3]
    if due := talk.account.due():
        wrong.append(f"{len(due)} turns of a flood were not over")
    return wrong


async def _join_late(site: Site) -> list[str]:
    """Start sessions in rooms whose server answers after the deadline."""
    async with contextlib.AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(slow_proxy(site.livekit.port, LATE_JOIN_S))
            for _ in range(LATE_JOINS)
        ]
        rooms = [f"late-{port}" for port in ports]
        joins = [
            start(site, livekit_config=_own_room(site, port, room))
            for port, room in zip(ports, rooms, strict=True)
        ]
        results = await together(joins)
        wrong = [
            f"a join that is late was answered with {status}"
            for status, _, _ in results
            if status not in (400, 502, 503)
        ]
        for status, bearer, _ in results:
            if status == httpx.codes.CREATED:
                await stop_session(site, bearer)
        wrong += await _left(site, rooms)
    return wrong


def _own_room(site: Site, port: int, room: str) -> dict[str, str]:
    server = site.livekit.server
    token = (
        api.AccessToken(server.key, server.secret)
        .with_identity("avatar")
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )
    url = f"ws://127.0.0.1:{port}"
    return {"livekit_url": url, "livekit_room": room, "livekit_client_token": token}


async def _left(site: Site, rooms: list[str]) -> list[str]:
    """Wait until the rooms were joined, too late, and are empty again."""
    server = site.livekit.server
    since_s = empty_s = time.monotonic()
    joined, occupied = set[str](), list[str]()
    async with api.LiveKitAPI(server.url, server.key, server.secret) as livekit:
        while (now_s := time.monotonic()) - since_s < LEFT_WITHIN_S:
            request = api.ListRoomsRequest(names=rooms)
            listed = (await livekit.room.list_rooms(request)).rooms
            joined |= {room.name for room in listed}
            occupied = [room.name for room in listed if room.num_participants]
            if occupied or len(joined) < len(rooms):
                empty_s = now_s
            elif now_s - empty_s > EMPTY_S:
                return []
            await asyncio.sleep(_POLL_S)
    # Fewer rooms may have been joined: the SDK gives up, too.
    return [f"rooms were not left: {occupied}"] if occupied else []


async def _storm(site: Site) -> list[str]:
    """Start many sessions at the same time."""
    results = await together(start(site) for _ in range(STARTS))
    statuses = Counter(status for status, _, _ in results)
    wrong = []
    # 502: a join took longer than 10 s, as on a machine that is starved.
    if set(statuses) - {201, 429, 502, 503} or statuses[201] < MIN_STARTED:
        wrong.append(f"{STARTS} starts were answered with {dict(statuses)}")
    tokens = [bearer for _, bearer, _ in results if bearer]
    stops = await together(stop_session(site, bearer) for bearer in tokens)
    if set(stops) != {httpx.codes.OK}:
        wrong.append(f"stops were answered with {Counter(stops)}")
    return wrong


CALLERS = (
    Fault("client gone", "its session goes on and can be stopped", _leave),
    Fault("flood of messages", "its turns are accounted for", _flood_messages),
    Fault("flood of turns", "those that are taken are over once", _flood_turns),
    Fault("late joins", "starts are refused, rooms left", _join_late),
    Fault("storm of starts", "each is started or told why", _storm),
)
