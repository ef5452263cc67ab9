"""One job: an avatar in the making, then a draft, then kept or gone."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lite_gateway.avatar_jobs.program import STEPS, Line
from lite_gateway.foreign.text import foreign_text
from renderer.avatar import Avatar

log = logging.getLogger(__name__)

State = Literal["running", "finished", "failed", "cancelled"]
_MAX_TEXT = 500  # characters of a sentence


@dataclass(frozen=True, slots=True)
class Reason:
    """Sentence about a photo, and its code for programs."""

    code: str
    message: str


_NOT_WRITTEN = Reason(
    "internal",
    "The server could not write the avatar: tell who runs it. The log says why.",
)


@dataclass(slots=True)
class AvatarJob:
    """State of one job, as its program tells it."""

    id: str
    key_id: str  # of the API key that started it
    name: str  # of the package
    title: str
    folder: Path  # of all that this job writes; nothing else is in it
    state: State = "running"
    progress: float = 0.0  # 0..1
    step: str = "starting"
    is_waiting: bool = False  # for a processor that others use
    face: Mapping[str, Any] | None = None  # width, height, turned, box, landmarks
    warnings: list[Reason] = field(default_factory=list)
    reason: Reason | None = None  # why it failed
    preview: Path | None = None  # as long as there is the draft, or it was kept
    draft: Avatar | None = None  # of a job that finished, until it is kept or goes
    kept: Avatar | None = None
    expires_s: float = 0.0  # monotonic time at which the draft goes
    # Held by who keeps or discards the draft.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Set when the caller wants the program, or the draft, to go or to stay.
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    # Set when the program has ended and its outcome is known.
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, line: Line) -> None:
        """Take a line of the program. What is not known is left alone."""
        match line:
            case {"type": "progress", "step": str(step), "share": int() | float()}:
                self.step = STEPS.get(step, "working")
                self.progress = min(max(float(line["share"]), self.progress), 1.0)
            case {"type": "waiting", "waiting": bool(waiting)}:
                self.is_waiting = waiting
            case {"type": "face", **face}:
                self.face = face
            case {"type": "warning", "code": str(code), "text": str(text)}:
                self.warnings.append(_reason(code, text))
            case {"type": "refused", "code": "not_written", "text": str(text)}:
                # The text names a folder of this machine.
                log.error("avatar job %s: %s", self.id, foreign_text(text))
                self.reason = _NOT_WRITTEN
            case {"type": "refused", "code": str(code), "text": str(text)}:
                self.reason = _reason(code, text)
            case {"type": "done", "preview": str(preview)}:
                self.preview = Path(preview)

    def fail(self, code: str, message: str) -> None:
        """End the job with a reason, unless the program has told one."""
        self.state = "failed"
        self.reason = self.reason or Reason(code, message)
        self.preview = None


def _reason(code: str, text: str) -> Reason:
    return Reason(code, foreign_text(text, limit=_MAX_TEXT))
