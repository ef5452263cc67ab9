"""Calls of the REST API in this process: real database, no renderer, no LiveKit."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from lite_gateway.conversation import transcripts
from lite_gateway.conversation.voices import HIBARI_VOICES
from lite_gateway.metrics import Metrics
from lite_gateway.service import Service
from lite_gateway.sessions import recorder
from lite_gateway.sessions.admission import FixedSlots
from lite_gateway.sessions.recorder import HistoryRecorder
from lite_gateway.sessions.registry import SessionRegistry
from lite_gateway.store import engine
from tests.http.asgi import Answer, request
from tests.http.conftest import KEY, build_app, store

__all__ = ["build_app", "store"]

MINUTES_S = 600.0


@dataclass(frozen=True)
class Api:
    """Application, and calls with its API key."""

    app: FastAPI

    @property
    def service(self) -> Service:
        return self.app.state.service

    def __call__(
        self, method: str, path: str, body: Any = None, key: str = KEY
    ) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        return request(
            *(self.app, method, path, content),
            x_api_key=key,
            content_type="application/json",
        )

    def data(self, method: str, path: str, body: Any = None) -> Any:
        answer = self(method, path, body)
        assert answer.status == 200, answer.body
        return answer.json["data"]

    def secret(self, kind: str, value: str = "hush") -> str:
        body = {"secret_name": "n", "secret_type": kind, "secret_value": value}
        return self.data("POST", "/v1/secrets", body)["id"]

    def context(self, prompt: str, opening_text: str | None = None, links=()) -> str:
        body = {"name": "n", "prompt": prompt, "opening_text": opening_text}
        return self.data("POST", "/v1/contexts", {**body, "links": [*links]})["id"]

    def llm(self, base_url: str, kind: str = "LLM_API_KEY") -> str:
        body = {"display_name": "d", "model_name": "large", "base_url": base_url}
        body["secret_id"] = self.secret(kind)
        return self.data("POST", "/v1/llm-configurations", body)["id"]

    def voice(self, kind: str) -> str:
        body = {"provider_voice_id": "ada", "secret_id": self.secret(kind)}
        return self.data("POST", "/v1/voices/third_party", body)["voice_id"]

    def mint(self, key: str = KEY, **fields: Any) -> Answer:
        body = {"avatar_id": "fiducial", **fields}
        return self("POST", "/v1/sessions/token", body, key)


def make_api(build_app, **settings: Any) -> Api:
    """Build an application that creates sessions; packages count as installed."""
    api = Api(build_app(**settings))
    service = api.service
    metrics = Metrics()
    service.recorder = HistoryRecorder(
        service.store, delete_room=None, history_days=0, metrics=metrics
    )
    service.sessions = SessionRegistry(
        None,
        service.recorder,
        open_session=None,
        close_session=None,
        admission=FixedSlots(8),
        metrics=metrics,
    )
    service.missing_packages = lambda _: ""
    service.installed_voices = HIBARI_VOICES
    return api


@pytest.fixture(scope="module", autouse=True)
def patient_database() -> Iterator[None]:
    """Give transactions minutes: these tests run while others have all processors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "DEADLINE_S", MINUTES_S)
        patch.setattr(recorder, "WRITE_WAIT_S", MINUTES_S)
        patch.setattr(transcripts, "CLOSE_TIMEOUT_S", MINUTES_S)
        yield


@pytest.fixture(scope="module")
def api(build_app) -> Api:
    return make_api(build_app)


def config_of(api, answer):
    """Return the configuration of the session that an answer has created."""
    assert answer.status == 200, answer.body
    return api.service.sessions.get(answer.json["data"]["session_id"]).config


def full(api, persona=None, **fields):
    return api.mint(mode="FULL", avatar_persona=persona or {}, **fields)


def connector(api, secret_id, **fields):
    body = {"secret_id": secret_id, **fields}
    return api.mint(mode="LITE", openai_realtime_config=body)


def check_refused(answer, status, words):
    assert answer.status == status, answer.body
    assert words in answer.message
    assert answer.json["code"] != 1000
