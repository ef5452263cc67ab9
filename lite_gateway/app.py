"""FastAPI application: REST, WebSocket, health, metrics and the demo page."""

import math
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, WebSocket
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route

from lite_gateway import __version__
from lite_gateway.api.account import account
from lite_gateway.api.avatar_jobs import avatar_jobs
from lite_gateway.api.avatars import avatars
from lite_gateway.api.contexts import contexts
from lite_gateway.api.dependencies import ServiceDep, address_of
from lite_gateway.api.embeddings import embeddings, pages
from lite_gateway.api.endpoint_sources import read_sources
from lite_gateway.api.livekit_calls import livekit_calls
from lite_gateway.api.llm import llm_configurations
from lite_gateway.api.secrets import secrets
from lite_gateway.api.sessions import sessions
from lite_gateway.api.transcripts import transcripts
from lite_gateway.api.voices import voices
from lite_gateway.conversation.parts import offer_for_pages
from lite_gateway.errors import (
    Refused,
    RoomUnavailable,
    StoreRejected,
    StoreUnavailable,
)
from lite_gateway.http.api_document import ApiDocument
from lite_gateway.http.body_limit import BodyLimit, BodyTooLong, refusal
from lite_gateway.http.browser_guard import BrowserGuard, is_from_own_page
from lite_gateway.http.error_response import error_response
from lite_gateway.http.error_texts import http_error_text, validation_text
from lite_gateway.http.page_headers import connect_sources, page_headers
from lite_gateway.http.starlette_transport import StarletteTransport
from lite_gateway.http.web_pages import WebPages, web_page
from lite_gateway.resources import data_path
from lite_gateway.service import Service
from lite_gateway.supervisor import GATEWAY_FAILED
from lite_gateway.telemetry.context import enter_session, request_id
from lite_gateway.telemetry.requests import REQUEST_ID_HEADER, RequestTelemetry
from protocol.lite.codec import encode
from protocol.lite.messages import Error, ErrorKind

App = FastAPI  # alias, so that other modules need not import fastapi
WS_MAX_BYTES = 8 << 20  # a frame over this closes the socket with 1009
UNKNOWN_SESSION = 4404  # close code
ROUTERS = (
    *(sessions, transcripts, avatar_jobs, avatars, voices, contexts, secrets),
    *(llm_configurations, account, embeddings, pages, livekit_calls),
)
DESCRIPTION = (
    "Send speech over a WebSocket; a talking avatar appears in a LiveKit room. "
    "PROTOCOL.md describes the messages of the WebSocket."
)


def make_app(service: Service, *, demo_key: str = "") -> FastAPI:
    """Build the application of a service, as `routed_app` and `attach` do."""
    return attach(routed_app(), service, demo_key=demo_key)


def routed_app() -> FastAPI:
    """
    Build the application without its service, which takes tenths of a second.

    A thread may load the renderer meanwhile.
    """
    app = FastAPI(
        title="lite-gateway",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,  # `ApiDocument` answers
        docs_url=None,
        redoc_url=None,
    )
    _add_error_handlers(app)
    _add_operations(app)
    app.add_api_websocket_route("/v1/ws/{session_id}/{secret}", websocket_endpoint)
    for router in ROUTERS:
        # `include_router` would build each route again, on the event loop, at the first
        # request that passes it.
        app.router.routes.extend(router.routes)
    document = ApiDocument(app.openapi)
    app.add_api_route("/openapi.json", document.answer, include_in_schema=False)
    return app


def attach(app: FastAPI, service: Service, *, demo_key: str = "") -> FastAPI:
    """
    Let ``app`` serve the service, which runs; return it.

    The demo page gets ``demo_key`` without authentication: never pass a real key.
    """
    app.state.service = service
    app.state.demo_key = demo_key
    _add_middleware(app, service)
    _add_pages(app, service)
    read_sources(app)
    return app


def _add_middleware(app: FastAPI, service: Service) -> None:
    """Add the middleware; the last one added is the outermost."""
    config = service.config
    app.add_middleware(BodyLimit)
    _allow_cors(app, service)
    if app.state.demo_key:
        hosts = (config.host, urlsplit(config.public_url).hostname or "")
        app.add_middleware(BrowserGuard, hosts=hosts, origins=config.origins)
    # It sees every answer.
    app.add_middleware(RequestTelemetry, metrics=service.metrics)


def _add_pages(app: FastAPI, service: Service) -> None:
    """Add the demo page, the page that makes avatars, and that of the API."""
    folder = data_path("web")
    connect = connect_sources(service.rooms.public_url, service.config.public_url)
    app.state.embed_headers = page_headers(connect, frames="*")
    own_headers = page_headers(connect)
    api_headers = page_headers((), inline_styles=True)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return web_page(folder / "docs.html", api_headers)

    @app.get("/create", include_in_schema=False)
    async def create() -> Response:
        return web_page(folder / "create.html", own_headers)

    app.mount("/", WebPages(folder, own_headers), name="demo")


def _allow_cors(app: FastAPI, service: Service) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(service.config.origins),
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Retry-After", REQUEST_ID_HEADER],
    )


def _add_operations(app: FastAPI) -> None:
    @app.get(
        "/health",
        tags=["operations"],
        response_class=PlainTextResponse,
        responses={503: {}},
    )
    async def health(service: ServiceDep) -> Response:
        """Answer 503 if the process must be started again, which it does itself."""
        if service.supervisor.failure is not None:
            return PlainTextResponse(GATEWAY_FAILED, 503)
        return PlainTextResponse("ok")

    @app.get("/ready", tags=["operations"], responses={503: {}})
    async def ready(service: ServiceDep) -> Response:
        """Answer within 2 s: 503 with a reason unless a session could start now."""
        fault = await service.fault()
        body = {
            "ready": fault is None,
            "message": fault or "ready",
            "capacity": service.sessions.capacity,
            "free": service.sessions.slots_free,
            "conversations": service.agent.state,
        }
        return JSONResponse(body, 503 if fault else 200)

    @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse)
    async def metrics(service: ServiceDep) -> Response:
        """Return the metrics in Prometheus' text format."""
        text = generate_latest(service.metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4")

    @app.get("/demo.json", include_in_schema=False)
    async def demo(request: Request, service: ServiceDep) -> dict[str, Any]:
        """
        Return the demo page's API key, and whether people can talk with avatars.

        In dev mode alone it has the key, and names the language model.
        """
        if not is_from_own_page(request.headers):
            raise Refused(403, "only this server's own page gets the key")
        missing = service.missing_packages("FULL")
        key = request.app.state.demo_key
        offer = offer_for_pages(
            service.agent.state, missing, service.config, names_model=bool(key)
        )
        creates = service.avatar_jobs.enabled
        return {"api_key": key, "conversations": offer, "create": creates}


def _add_error_handlers(app: FastAPI) -> None:
    """Answer errors in the service's envelope: a code, a cause and a remedy."""
    _add_store_errors(app)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return _refused_response(error)

    @app.exception_handler(RoomUnavailable)
    async def room_unavailable(_: Request, error: RoomUnavailable) -> JSONResponse:
        return error_response(502, str(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code in (404, 405) and (allowed := _allowed_methods(request)):
            error = HTTPException(405, headers={"Allow": allowed})
        text = http_error_text(request.method, error)
        return error_response(error.status_code, text, headers=error.headers)

    @app.exception_handler(BodyTooLong)
    async def body_too_long(_: Request, error: BodyTooLong) -> JSONResponse:
        return refusal(error.is_photo)

    @app.exception_handler(ClientDisconnect)
    async def disconnected(_: Request, __: ClientDisconnect) -> JSONResponse:
        return error_response(400, "the client left")  # and does not get this

    @app.exception_handler(Exception)
    async def internal_error(_: Request, __: Exception) -> JSONResponse:
        # Starlette makes this answer outside of the middleware.
        headers = {REQUEST_ID_HEADER: request_id.get()}
        text = "internal server error; see the server's log"
        return error_response(500, text, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        detail = jsonable_encoder(
            [
                {name: value for name, value in item.items() if name in _DETAIL_FIELDS}
                for item in error.errors()
            ]
        )
        return error_response(422, validation_text(detail), detail=detail)


def _allowed_methods(request: Request) -> str:
    """
    Return the methods of the path of a request that no route takes; empty if unknown.

    Such a request ends at the pages, whose mount takes every path, and only GET.
    """
    allowed: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route):
            match, _ = route.matches(request.scope)
            if match is Match.FULL:
                return ""
            if match is Match.PARTIAL:
                allowed |= route.methods or set()
    return ", ".join(sorted(allowed))


def _add_store_errors(app: FastAPI) -> None:
    @app.exception_handler(StoreUnavailable)
    async def store_unavailable(_: Request, error: StoreUnavailable) -> JSONResponse:
        return error_response(503, str(error), headers={"Retry-After": "5"})

    @app.exception_handler(StoreRejected)
    async def store_rejected(_: Request, error: StoreRejected) -> JSONResponse:
        return error_response(_REJECTED[error.reason], str(error))


_REJECTED = {"data": 422, "conflict": 409, "error": 500}  # status by reason
# Without `input` and `ctx`: they repeat the request, which may contain a secret.
_DETAIL_FIELDS = ("loc", "msg", "type")


def _refused_response(error: Refused) -> JSONResponse:
    headers = None
    if error.retry_s is not None:
        headers = {"Retry-After": str(math.ceil(error.retry_s))}
    more: dict[str, object] = {}
    if error.code:
        more["reason"] = {"code": error.code, "message": str(error)}
    if error.status == 422:  # the format of FastAPI's own 422 errors
        detail = {"loc": ["body"], "msg": str(error), "type": "value_error"}
        more["detail"] = [detail]
    return error_response(error.status, str(error), headers=headers, **more)


async def websocket_endpoint(socket: WebSocket, session_id: str, secret: str) -> None:
    """Connect a client to its session. The secret in the URL is its credential."""
    service: Service = socket.app.state.service
    speech = service.sessions.lite_input(session_id, secret)
    if speech is None:
        await _refuse_socket(service, socket)
        return
    await service.long_steps.wait()
    await socket.accept()
    enter_session(session_id)
    await speech.attach(StarletteTransport(socket, service.long_steps))


async def _refuse_socket(service: Service, socket: WebSocket) -> None:
    """Close with 4404, or do not accept if the address has guessed too often."""
    service.metrics.ws_refused.labels("unknown_session").inc()
    guesses, address = service.api_keys.guesses, address_of(socket)
    try:
        guesses.check(address)
    except Refused as error:
        await socket.send_denial_response(_refused_response(error))
        return
    guesses.failed(address)
    await socket.accept()
    text = "no such session is running; use the ws_url of POST /v1/sessions/start"
    await socket.send_text(encode(Error(ErrorKind.INVALID_REQUEST, text)))
    await socket.close(UNKNOWN_SESSION, text)
