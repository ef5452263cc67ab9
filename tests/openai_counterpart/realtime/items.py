"""Items of a Realtime conversation, in order."""

from dataclasses import dataclass, field
from typing import Any

from tests.openai_counterpart.realtime.events import RefusedEvent

# Kinds of content that each role may have in an item that a client creates.
_CONTENT = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
}


@dataclass(slots=True)
class Item:
    """Item of a conversation. ``audio_ms`` is what was sent of it, or what is left."""

    wire: dict[str, Any]
    audio_ms: float = 0.0
    sent_ms: float = 0.0
    truncated_ms: int | None = None
    heard: str = ""  # words of the user, also if nobody has asked for a transcription

    @property
    def id(self) -> str:
        """Id of the item."""
        return str(self.wire["id"])

    @property
    def text(self) -> str:
        """Text of the item."""
        parts = self.wire.get("content", [])
        texts = (part.get("text") or part.get("transcript") or "" for part in parts)
        return " ".join(texts) or self.heard

    def as_json(self) -> dict[str, Any]:
        """Return the item as control shows it."""
        return {
            "id": self.id,
            "role": self.wire.get("role", ""),
            "status": self.wire.get("status", ""),
            "text": self.text,
            "audio_ms": self.audio_ms,
            "sent_ms": self.sent_ms,
            "truncated_ms": self.truncated_ms,
        }


@dataclass(slots=True)
class Conversation:
    """Items in order, and what clients may do to them."""

    items: list[Item] = field(default_factory=list)
    deleted: list[Item] = field(default_factory=list)

    def find(self, item_id: str) -> Item | None:
        """Return an item, None if there is none with this id."""
        return next((each for each in self.items if each.id == item_id), None)

    def append(self, item: Item) -> str | None:
        """Add an item at the end; return the id of the item before it."""
        previous = self.items[-1].id if self.items else None
        self.items.append(item)
        return previous

    def create(self, event: dict[str, Any], item_id: str) -> tuple[Item, str | None]:
        """Add an item of a client; return it with the id of the item before it."""
        values = event["item"]
        if values.get("id") and self.find(values["id"]):
            raise RefusedEvent(
                f"Error adding item: an item with id '{values['id']}' already exists.",
                "item_create_duplicate_item_id",
                param="item.id",
            )
        _check_content(values)
        wire = {"object": "realtime.item", "status": "completed"} | values
        wire["id"] = values.get("id") or item_id
        item = Item(wire)
        previous = event.get("previous_item_id")
        if previous is None:
            return item, self.append(item)
        if previous == "root":
            self.items.insert(0, item)
            return item, None
        before = self.find(previous)
        if before is None:
            raise RefusedEvent(
                "Error adding item: the previous item with id "
                f"'{previous}' does not exist.",
                "item_create_invalid_previous_item_id",
                param="previous_item_id",
            )
        self.items.insert(self.items.index(before) + 1, item)
        return item, previous

    def delete(self, item_id: str) -> None:
        """Remove an item."""
        item = self.find(item_id)
        if item is None:
            raise RefusedEvent(
                f"Error deleting item: the item with id '{item_id}' does not exist.",
                "item_delete_invalid_item_id",
                param="item_id",
            )
        self.items.remove(item)
        self.deleted.append(item)

    def retrieve(self, item_id: str) -> Item:
        """Return an item."""
        item = self.find(item_id)
        if item is None:
            raise RefusedEvent(
                f"Error retrieving item: the item with id '{item_id}' does not exist.",
                "item_retrieve_invalid_item_id",
                param="item_id",
            )
        return item

    def truncate(self, event: dict[str, Any]) -> None:
        """Cut the audio of an item of the assistant."""
        item_id, end_ms = event["item_id"], event["audio_end_ms"]
        item = self.find(item_id)
        if item is None:
            raise RefusedEvent(
                f"Error truncating item: the item with id '{item_id}' does not exist.",
                "item_truncate_invalid_item_id",
                param="item_id",
            )
        if item.wire.get("role") != "assistant" or event["content_index"] != 0:
            raise RefusedEvent(
                "Only model output audio messages can be truncated.",
                "invalid_value",
                param="item_id",
            )
        if end_ms < 0:
            raise RefusedEvent(
                "audio_end_ms must not be negative.",
                "invalid_value",
                param="audio_end_ms",
            )
        if end_ms > item.audio_ms:
            raise RefusedEvent(
                f"Audio content of {item.audio_ms:.0f}ms is already shorter than "
                f"{end_ms}ms",
                "invalid_value",
                param="audio_end_ms",
            )
        item.audio_ms, item.truncated_ms = float(end_ms), end_ms
        # The words cannot be told apart at a time, so none are left.
        item.wire["content"] = [{"type": "output_audio", "transcript": ""}]


def _check_content(values: dict[str, Any]) -> None:
    if values.get("type") != "message":
        return
    allowed = _CONTENT[values["role"]]
    for index, part in enumerate(values["content"]):
        if part.get("type") not in allowed:
            raise RefusedEvent(
                f"Invalid value: '{part.get('type')}'. Supported values are: "
                f"{', '.join(allowed)}.",
                "invalid_value",
                param=f"item.content[{index}].type",
            )
