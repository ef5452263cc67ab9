"""One FastAPI application: REST, WebSocket, health, metrics and the demo page."""

import contextlib
import math
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException

from lite_gateway.api.account import account
from lite_gateway.api.avatars import avatars
from lite_gateway.api.contexts import contexts
from lite_gateway.api.dependencies import Serving
from lite_gateway.api.embeddings import embeddings, pages
from lite_gateway.api.livekit_calls import avatar_calls
from lite_gateway.api.llm import llm_configurations
from lite_gateway.api.secrets import secrets
from lite_gateway.api.sessions import sessions
from lite_gateway.api.voices import voices
from lite_gateway.errors import Refused, RoomUnavailable, StoreUnavailable
from lite_gateway.service import Service
from protocol.lite.codec import encode
from protocol.lite.messages import Error, ErrorKind

WS_MAX_BYTES = 8 << 20  # a frame over this closes the socket with 1009
UNKNOWN_SESSION = 4404
ROUTERS = (
    *(sessions, avatars, voices, contexts, secrets),
    *(llm_configurations, account, embeddings, pages, avatar_calls),
)
WEB = Path(__file__).resolve().parent.parent / "web"
DESCRIPTION = (
    "Speech in over a WebSocket, a talking face in a LiveKit room. "
    "The WebSocket's messages are in PROTOCOL.md."
)


def make_app(service: Service, *, demo_key: str = "") -> FastAPI:
    """``demo_key`` is handed to the demo page; never a real one."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="lite-gateway",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.demo_key = demo_key
    _allow_browsers(app, service)
    _answer_errors(app)
    _add_operations(app)
    app.add_api_websocket_route("/v1/ws/{session_id}/{secret}", talk)
    for router in ROUTERS:
        app.include_router(router)
    if WEB.is_dir():
        app.mount("/", StaticFiles(directory=WEB, html=True), name="demo")
    app.openapi()  # takes long enough to hold up a frame; kept from here on
    return app


def _allow_browsers(app: FastAPI, service: Service) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(service.config.origins),
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Retry-After"],
    )


def _add_operations(app: FastAPI) -> None:
    @app.get("/health", tags=["operations"], response_class=PlainTextResponse)
    async def health() -> str:
        """The process is up."""
        return "ok"

    @app.get("/ready", tags=["operations"], responses={503: {}})
    async def ready(serving: Serving) -> Response:
        """503 until an avatar is loaded and warm and LiveKit answers."""
        fault = await serving.fault()
        body = {"ready": fault is None, "message": fault or "ready"}
        return JSONResponse(body, 503 if fault else 200)

    @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse)
    async def metrics(serving: Serving) -> Response:
        text = generate_latest(serving.metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4")

    @app.get("/demo.json", include_in_schema=False)
    async def demo(request: Request) -> dict[str, str]:
        """What the demo page may know: a key in dev mode, nothing otherwise."""
        return {"api_key": request.app.state.demo_key}


def _answer_errors(app: FastAPI) -> None:
    """Errors in the service's envelope: JSON, a number, and what to do about it."""

    @app.exception_handler(Refused)
    async def refused(_: Request, why: Refused) -> JSONResponse:
        headers = None
        if why.retry_s is not None:
            headers = {"Retry-After": str(math.ceil(why.retry_s))}
        more = {}
        if why.status == 422:  # the shape that FastAPI gives its own
            told = {"loc": ["body"], "msg": str(why), "type": "value_error"}
            more = {"detail": [told]}
        return _error(why.status, str(why), headers=headers, **more)

    @app.exception_handler(StoreUnavailable)
    async def store_unavailable(_: Request, why: StoreUnavailable) -> JSONResponse:
        return _error(503, str(why), headers={"Retry-After": "5"})

    @app.exception_handler(RoomUnavailable)
    async def room_unavailable(_: Request, why: RoomUnavailable) -> JSONResponse:
        return _error(502, str(why))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, why: HTTPException) -> JSONResponse:
        return _error(why.status_code, str(why.detail), headers=why.headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> JSONResponse:
        return _error(500, "the server failed; its log says more")

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, why: RequestValidationError) -> JSONResponse:
        # Without what was sent: it may be a secret.
        detail = jsonable_encoder(
            [{k: v for k, v in each.items() if k in _TOLD} for each in why.errors()]
        )
        told = "; ".join(
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
            for each in detail
        )
        return _error(422, told, detail=detail)


_TOLD = ("loc", "msg", "type")


def _error(
    status: int,
    text: str,
    *,
    headers: object = None,
    **more: object,
) -> JSONResponse:
    body = {"code": 4000 + status % 1000, "data": None, "message": text, **more}
    return JSONResponse(body, status, headers=headers)  # type: ignore[arg-type]


class _Socket:
    """Starlette's WebSocket as a session's `Wire`."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes | None:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"]

    async def send(self, text: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.send_text(text)

    async def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(code, reason)


async def talk(socket: WebSocket, session_id: str, secret: str) -> None:
    """The LITE WebSocket. The url itself is the credential."""
    serving: Service = socket.app.state.service
    session = serving.sessions.open_session(session_id, secret)
    await socket.accept()
    if session is None:
        serving.metrics.ws_refused.labels("unknown_session").inc()
        why = "no such session is running; use the ws_url of POST /v1/sessions/start"
        await socket.send_text(encode(Error(ErrorKind.INVALID_REQUEST, why)))
        await socket.close(UNKNOWN_SESSION, why)
        return
    await session.serve(_Socket(socket))
