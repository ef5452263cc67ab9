"""What LiveKit's dispatch asks for, a job's metadata, and is told: how full we are."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lite_gateway.errors import Refused
from lite_gateway.sessions.request import ExternalRoom, SessionConfig
from lite_gateway.video_quality import parse_quality

# LiveKit passes over workers whose load has reached its `agents.target_load`, also
# where there is room: what we tell it stays below the default of that.
TARGET_LOAD = 0.7
_BUSY = 0.85  # of the render thread's time; more, and frames come late


class JobMetadata(BaseModel):
    """A job's metadata: a JSON object in which everything is optional."""

    model_config = ConfigDict(extra="forbid")

    avatar_id: str = Field(default="", max_length=200)
    quality: str = ""
    encoding: Literal["H264", "VP8"] = "H264"
    agent_identity: str = ""  # who may speak through it, and for whom it stands
    avatar_identity: str = ""
    max_session_duration: int | None = Field(default=None, gt=0)

    @classmethod
    def parse(cls, metadata: str) -> "JobMetadata":
        """`Refused` says which field is wrong."""
        try:
            return cls.model_validate_json(metadata or "{}")
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "it"
            text = f"metadata of the job: {place}: {first['msg']}"
            raise Refused(422, text) from None

    def order(
        self, avatar: str, picture: str, longest_s: float, room: ExternalRoom
    ) -> SessionConfig:
        """``picture`` is the quality where none is asked for."""
        return SessionConfig(
            avatar=avatar,
            quality=parse_quality(self.quality or picture),
            codec=self.encoding,
            max_duration_s=min(longest_s, self.max_session_duration or longest_s),
            external_room=room,
            data_stream=True,
        )


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """How much of this gateway is in use."""

    taken: int  # places, those promised to LiveKit included
    most: int
    busy: float  # share of its time that the render thread works

    @property
    def full(self) -> bool:
        return self.taken >= self.most or self.busy >= _BUSY

    @property
    def load(self) -> float:
        """0 when empty, just under `TARGET_LOAD` before it is full."""
        share = max(self.taken / max(self.most, 1), self.busy)
        return TARGET_LOAD * min(share, 1.0)
