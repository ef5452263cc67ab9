"""The gateway's application in this process, without renderer and LiveKit."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from lite_gateway.app import make_app
from lite_gateway.config import Config
from lite_gateway.metrics import Metrics
from lite_gateway.playout.trace import recording
from lite_gateway.service import Service
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store

KEY = "a key of more than 16 characters"
MakeApp = Callable[..., FastAPI]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    store = Store.open(str(folder / "state.db"), KeyRing(path=folder / "key"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def build_app(store: Store, few_avatars: Path) -> MakeApp:
    """Return a function that builds an application with other settings."""

    def build(demo_key: str = "", **settings: object) -> FastAPI:
        config = Config(
            livekit_url="ws://127.0.0.1:7880",
            livekit_api_key="key",
            livekit_api_secret="a LiveKit secret of at least 32 bytes",
            **{"avatars": str(few_avatars), "api_keys": KEY, **settings},
        )
        with recording("") as traces:
            service = Service(config, Metrics(), traces, store)
        return make_app(service, demo_key=demo_key)

    return build


@pytest.fixture(scope="module")
def app(build_app: MakeApp) -> FastAPI:
    return build_app()
