"""Server of Realtime that a test plays: it sends what the test says, and when."""

import asyncio
import contextlib
import json

import aiohttp
from livekit.agents.llm import ChatContext

from conversation.agent.realtime_session import HeardRealtimeModel
from tests.waiting import until_async

SAID = "one two three four"  # all words of the answer


class PlayedServer:
    """HTTP session with one WebSocket after another; it shows the newest."""

    def __init__(self, refuses: int = 0) -> None:
        self.connections = 0
        self.refuses = refuses  # so many connections
        self.closed = False
        self.is_broken = False  # until it is closed: it can be read, but not written
        self.received: list[dict] = []
        self._confirmed = 0  # of those that were received
        self._events: asyncio.Queue[dict] = asyncio.Queue()

    async def ws_connect(self, **_: object) -> "PlayedServer":
        if self.refuses:
            self.refuses -= 1
            raise aiohttp.ClientError
        self.connections += 1
        if self.closed:
            self.closed = self.is_broken = False
            self.received, self._confirmed = [], 0
            self._events = asyncio.Queue()
        return self

    async def send_str(self, text: str) -> None:
        if self.is_broken:
            raise aiohttp.ClientConnectionResetError
        self.received.append(json.loads(text))

    async def receive(self) -> aiohttp.WSMessage:
        event = await self._events.get()
        self.closed = not event
        kind = aiohttp.WSMsgType.TEXT if event else aiohttp.WSMsgType.CLOSED
        return aiohttp.WSMessage(kind, json.dumps(event), None)

    async def close(self) -> None:
        self.lose()

    def lose(self) -> None:
        """Close the connection after what was sent."""
        self.send({})

    def send(self, event: dict) -> None:
        self._events.put_nowait(event)

    def of(self, kind: str) -> list[dict]:
        return [event for event in self.received if event["type"] == kind]

    def confirm(self) -> None:
        """Confirm all changes of the history that were not confirmed yet."""
        for event in self.received[self._confirmed :]:
            if event["type"] == "conversation.item.create":
                previous = event["previous_item_id"]
                previous = None if previous == "root" else previous
                values = {"item": event["item"], "previous_item_id": previous}
                self.send({"type": "conversation.item.added", **values})
            elif event["type"] == "conversation.item.delete":
                values = {"item_id": event["item_id"]}
                self.send({"type": "conversation.item.deleted", **values})
        self._confirmed = len(self.received)

    def history(self) -> list[str]:
        """Return the texts of the items that the client has made; it may cut none."""
        items: list[dict] = []
        for event in self.received:
            ids = ["root", *(item["id"] for item in items)]
            if event["type"] == "conversation.item.create":
                assert event["item"]["id"] not in ids
                items.insert(ids.index(event["previous_item_id"]), event["item"])
            elif event["type"] == "conversation.item.delete":
                del items[ids.index(event["item_id"]) - 1]
            assert event["type"] != "conversation.item.truncate"
        return [item["content"][0]["text"] for item in items]


@contextlib.asynccontextmanager
async def answered_session(**options: int):
    """
    Yield a session, its server, and the number of the speech that is heard now.

    The server has made the whole answer ``item``, whose text is `SAID`, to "Count.".
    The session's history has both, as the framework's: it copies an item that the
    server adds, but not its list of words.
    """
    server = PlayedServer(**options)
    model = HeardRealtimeModel(
        max_age_s=60, model="m", api_key="k", base_url="ws://x", http_session=server
    )
    session = model.session()
    history = ChatContext.empty()
    asked = history.add_message(role="user", content="Count.")
    session.history = lambda: history

    def drop(item_id: str) -> None:
        history.items[:] = [item for item in history.items if item.id != item_id]

    session.drop = drop
    session.on(
        "remote_item_added",
        lambda added: (
            history.get_by_id(added.item.id)
            or history.items.append(added.item.model_copy())
        ),
    )
    response = {"id": "response", "status": "completed", "output": [], "usage": None}
    question = {"id": asked.id, "type": "message", "role": "user", "content": []}
    item = {"id": "item", "type": "message", "role": "assistant", "content": []}
    common = {"object": "realtime.item", "status": "completed"}
    first, then = {"previous_item_id": None}, {"previous_item_id": asked.id}
    for kind, values in (
        ("conversation.item.added", {"item": question | common, **first}),
        ("response.created", {"response": response}),
        ("response.output_item.added", {"item": item | common}),
        ("conversation.item.added", {"item": item | common, **then}),
        ("response.output_audio_transcript.delta", {"item_id": "item", "delta": SAID}),
        ("response.done", {"response": response}),
    ):
        server.send({"type": kind, **values})
    try:
        speech = session.answers.begin_speech()
        await until_async(lambda: session.chat_ctx.get_by_id("item"))
        await until_async(lambda: not session.has_active_generation)
        assert history.get_by_id("item").text_content == SAID
        yield session, server, speech
    finally:
        await session.aclose()
