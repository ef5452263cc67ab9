"""
Script of the counterpart: rules that say how it answers each request.

The first rule of a part that matches and is not spent gives the answer; without one,
the answer is `Answer()`.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Self

PARTS = ("chat", "transcriptions", "speech", "handshakes", "responses")
# Failures of an answer. Those of HTTP are in faults.py, those of a response of Realtime
# in realtime/responses.py.
FAULTS = (
    "auth",  # 401, the key is refused
    "model",  # 404, no such model
    "quota",  # 429, the account has no money left
    "rate",  # 429, too many requests
    "server",  # 500
    "bad_request",  # 400
    "html",  # 200 with a page
    "empty",  # 200 with nothing in it
    "no_words",  # 200, complete and well formed, with nothing to say
    "hang",  # no answer
    "drop",  # connection closed without an answer
    "redirect",  # 307 to ``location``
)


class NotAScript(ValueError):
    """Script with an unknown part, field or fault."""


@dataclass(frozen=True, slots=True)
class Match:
    """Conditions of a rule; all that are given must hold."""

    contains: str = ""  # in the newest text of the user, or in what is to be spoken
    key: str = ""
    model: str = ""
    voice: str = ""
    min_s: float = 0.0  # length of the audio
    max_s: float = float("inf")
    clip: str = ""  # name of a clip that was taught by /control/clips

    def holds(self, request: "Request") -> bool:
        """Return whether a request meets the conditions."""
        return (
            self.contains.lower() in request.text.lower()
            and self.key in ("", request.key)
            and self.model in ("", request.model)
            and self.voice in ("", request.voice)
            and self.min_s <= request.audio_s <= self.max_s
            and self.clip in ("", request.clip)
        )


@dataclass(frozen=True, slots=True)
class Request:
    """Properties of a request that rules look at."""

    text: str = ""
    key: str = ""
    model: str = ""
    voice: str = ""
    audio_s: float = 0.0
    clip: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    Answer to one request.

    Delays are in seconds. ``pace`` is the speed of audio: 0 sends it in one burst, 1 as
    fast as it is heard, 2 twice as fast.
    """

    text: str | None = None  # None: the part's own answer
    seconds: float = 0.0  # speak so long: without a text, count up
    is_noise: bool = False  # Realtime: not the voice, but the noise of the item's id
    first_s: float = 0.0  # before the first token, or the first byte of audio
    token_s: float = 0.0  # between two tokens
    transcription_s: float = 0.0  # before the words of the user are known
    pace: float = 0.0
    piece_ms: int = 100  # audio in one event or write
    break_after: int | None = (
        None  # tokens, or pieces of audio; then the connection ends
    )
    stall_after: int | None = None  # tokens, or pieces of audio; then nothing comes
    fault: str = ""
    location: str = ""
    status: int = 0  # with ``body``: the answer as it is
    body: str = ""
    content_type: str = "application/json"
    plain: bool = False  # audio: ignore ``stream_format``, as compatible servers do
    error: dict[str, str] | None = None  # Realtime: error of a failed response
    finish_reason: str = "stop"


@dataclass(slots=True)
class Rule:
    """Rule of a part: whom it answers, how, and how often."""

    when: Match
    answer: Answer
    times: int | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the rule of a JSON object; raise `NotAScript` for another one."""
        values = dict(values)
        when = _record(Match, values.pop("when", {}))
        times = values.pop("times", None)
        answer = _record(Answer, values)
        if answer.fault not in ("", *FAULTS):
            raise NotAScript(f"no fault {answer.fault!r}; use one of {FAULTS}")
        return cls(when, answer, times)


@dataclass(slots=True)
class Script:
    """Rules of all parts, and what the counterpart accepts."""

    rules: dict[str, list[Rule]] = field(default_factory=dict)
    keys: list[str] | None = None  # None: each key but an empty one
    models: list[str] | None = None  # None: each model

    def update(self, values: dict[str, Any]) -> None:
        """Replace the parts that a JSON object names; raise `NotAScript` otherwise."""
        for name, value in values.items():
            if name in PARTS:
                rules = value if isinstance(value, list) else [value]
                self.rules[name] = [Rule.from_json(each) for each in rules]
            elif name in ("keys", "models"):
                setattr(self, name, value)
            else:
                raise NotAScript(f"no part {name!r}; use one of {PARTS}, keys, models")

    def answer(self, part: str, request: Request) -> Answer:
        """Return the answer to a request, and count the use of its rule."""
        for rule in self.rules.get(part, []):
            if rule.times == 0 or not rule.when.holds(request):
                continue
            if rule.times is not None:
                rule.times -= 1
            return rule.answer
        return Answer()

    def is_key(self, key: str) -> bool:
        """Return whether a key is accepted."""
        return bool(key) if self.keys is None else key in self.keys

    def is_model(self, model: str) -> bool:
        """Return whether a model exists."""
        return bool(model) if self.models is None else model in self.models


def _record(kind: type[Any], values: dict[str, Any]) -> Any:
    unknown = values.keys() - {each.name for each in fields(kind)}
    if unknown:
        raise NotAScript(f"{kind.__name__} has no {sorted(unknown)}")
    return kind(**values)
