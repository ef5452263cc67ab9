"""Jobs of LiveKit agent dispatch: their metadata, and the load of a worker."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lite_gateway.errors import Refused
from lite_gateway.foreign.text import foreign_text
from lite_gateway.sessions.session_config import ExternalRoom, SessionConfig
from lite_gateway.video_quality import parse_quality

# LiveKit skips workers whose load reaches its setting `agents.target_load`, even if
# they have free slots. The reported load stays below the default of that setting.
TARGET_LOAD = 0.7
# Share of time that the render thread may work. Above it, frames become late.
_MAX_BUSY = 0.85


class JobMetadata(BaseModel):
    """Metadata of a job: a JSON object whose fields are all optional."""

    model_config = ConfigDict(extra="forbid")

    avatar_id: str = Field(default="", max_length=200)
    quality: str = ""
    encoding: Literal["H264", "VP8"] = "H264"
    background: str = ""  # as in video_settings of a token request
    agent_identity: str = ""  # agent that may speak through the avatar
    avatar_identity: str = ""
    max_session_duration: int | None = Field(default=None, gt=0)

    @classmethod
    def parse(cls, metadata: str) -> "JobMetadata":
        """Parse the JSON text of a job; `Refused` names the field that is wrong."""
        try:
            return cls.model_validate_json(metadata or "{}")
        except ValidationError as invalid:
            first = invalid.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "JSON"
            text = f"metadata of the job: {field}: {first['msg']}"
            raise Refused(422, foreign_text(text)) from None

    def session_config(
        self,
        avatar: str,
        default_quality: str,
        max_s: float,
        room: ExternalRoom,
        background: str = "",
    ) -> SessionConfig:
        """
        Return the settings of the session; ``max_s`` limits its length.

        ``background`` is that of `lite_gateway.avatars.background_of`.
        """
        return SessionConfig(
            avatar=avatar,
            quality=parse_quality(self.quality or default_quality),
            codec=self.encoding,
            background=background,
            max_duration_s=min(max_s, self.max_session_duration or max_s),
            external_room=room,
            data_stream=True,
        )


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """Load of this gateway."""

    slots_taken: int  # including reservations for jobs
    slots: int
    busy: float  # share of its time that the render thread works

    @property
    def full(self) -> bool:
        """True if the worker takes no more jobs."""
        return self.slots_taken >= self.slots or self.busy >= _MAX_BUSY

    @property
    def load(self) -> float:
        """Load to report: 0 if idle, `TARGET_LOAD` or just below it if full."""
        share = max(self.slots_taken / max(self.slots, 1), self.busy)
        return TARGET_LOAD * min(share, 1.0)
