"""Conversations by Realtime with the counterpart, and what it has of them."""

import asyncio

from tests.conversation.talks import RealtimeTalk


def talk(check, counterpart, **changes) -> RealtimeTalk:
    """Run ``check`` in a conversation; return it when it is over."""
    conversation = RealtimeTalk(counterpart.url, **changes)

    async def main():
        async with conversation.running():
            await check(conversation, conversation.gateway)

    asyncio.run(main())
    return conversation


def truncations(counterpart) -> dict[str, int]:
    """Return the milliseconds at which items were truncated; 0 for deleted ones."""
    found = {}
    for connection in counterpart.connections():
        for event in connection["received"]:
            if event["type"] == "conversation.item.truncate":
                found[event["item_id"]] = event["audio_end_ms"]
            if event["type"] == "conversation.item.delete":
                found[event["item_id"]] = 0
    return found


def newest_items(counterpart) -> list[dict]:
    """Return the history of the newest connection, as the counterpart has it."""
    return counterpart.connections()[-1]["items"]


def refused(counterpart) -> list:
    """Return what was refused but a cancellation that the end of an answer met."""
    met = "response_cancel_not_active"
    return [each for each in counterpart.refused() if each["error"]["code"] != met]
