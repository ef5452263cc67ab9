"""Bodies: their limit, the key before them, and what is taken as JSON."""

import pytest

from lite_gateway.auth.guesses import Guesses
from lite_gateway.http.body_limit import MAX_BODY_BYTES
from tests.http.asgi import request
from tests.http.conftest import KEY

TOKEN = "/v1/sessions/token"
PIECE = b"{" * 1024


def chunks(count: int = 100):
    return (PIECE for _ in range(count))


def json_of(length: int) -> bytes:
    return b'{"a":"' + b"x" * (length - 8) + b'"}'


# Limit.


@pytest.mark.parametrize("path", [TOKEN, "/launch", "/v1/sessions/stop", "/nowhere"])
def test_a_longer_body_is_refused_before_it_is_read(app, path):
    body = json_of(MAX_BODY_BYTES + 1)
    answer = request(app, "POST", path, body, x_api_key=KEY)
    assert (answer.status, answer.reads) == (413, 0)
    assert answer.json["code"] == 4413
    assert "64 KiB" in answer.message
    assert answer.headers["connection"] == "close"


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_long(app):
    answer = request(app, "POST", TOKEN, chunks(), x_api_key=KEY)
    assert (answer.status, answer.reads) == (413, MAX_BODY_BYTES // len(PIECE) + 1)
    assert answer.headers["connection"] == "close"


def test_the_rest_of_a_refused_body_is_dropped_for_a_while_only(app):
    def endless():
        while True:
            yield PIECE

    answer = request(app, "POST", TOKEN, endless(), x_api_key=KEY)
    assert answer.status == 413


@pytest.mark.parametrize("length", [100, MAX_BODY_BYTES])
def test_a_body_up_to_the_limit_is_read(app, length):
    answer = request(
        app, "POST", TOKEN, json_of(length), x_api_key=KEY, content_type="text/json"
    )
    assert answer.status == 422
    assert "avatar_id: Field required" in answer.message


# Key before body.


@pytest.mark.parametrize("key", [None, "wrong", "lg_unknown_key"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", TOKEN),
        ("POST", "/v1/sessions/stop"),
        ("POST", "/v1/sessions/keep-alive"),
        ("POST", "/v1/contexts"),
        ("POST", "/v1/secrets"),
        ("POST", "/v2/embeddings"),
        ("POST", "/v1/livekit/stop-avatar"),
    ],
)
def test_without_a_key_no_byte_of_the_body_is_read(app, method, path, key):
    headers = {"x_api_key": key} if key else {}
    answer = request(app, method, path, chunks(), **headers)
    assert (answer.status, answer.reads) == (401, 0)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("header", ["x_api_key", "api_secret"])
@pytest.mark.parametrize("path", ["/launch", "/v1/livekit/start-avatar"])
def test_a_plugin_s_wrong_key_in_a_header_is_seen_before_the_body(app, path, header):
    answer = request(app, "POST", path, chunks(), **{header: "wrong"})
    assert (answer.status, answer.reads) == (401, 0)


def test_a_wrong_session_token_is_seen_before_the_body(app):
    bearer = {"authorization": "Bearer wrong"}
    answer = request(app, "POST", "/v1/sessions/stop", chunks(), **bearer)
    assert (answer.status, answer.reads) == (401, 0)


def test_every_operation_with_security_and_a_body_asks_for_the_key_first(app):
    count = 0
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            if "security" in operation and "requestBody" in operation:
                answer = request(app, method.upper(), path, chunks())
                # Some take their key in a JSON body, and only there.
                assert answer.status in (401, 415), (method, path)
                assert answer.reads == 0, (method, path)
                count += 1
    assert count >= 8


def test_a_key_is_counted_once_a_request(build_app):
    app = build_app(key_rate=3)
    statuses = [
        request(app, "POST", TOKEN, b"{}", x_api_key=KEY).status for _ in range(4)
    ]
    assert statuses == [422, 422, 422, 429]


# JSON.


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json"]
)
def test_json_is_read_whatever_its_content_type_if_the_key_is_in_a_header(app, kind):
    headers = {"content_type": kind} if kind else {}
    body = b'{"mode": "FULL", "avatar_id": "mira"}'
    answer = request(app, "POST", TOKEN, body, x_api_key=KEY, **headers)
    assert answer.status in (404, 422)
    assert "valid dictionary" not in answer.message


def test_a_body_that_is_not_json_is_told_what_to_send(app):
    answer = request(app, "POST", TOKEN, b"avatar_id=mira", x_api_key=KEY)
    assert answer.status == 422
    assert "Content-Type: application/json" in answer.message
    assert answer.json["detail"][0]["loc"] == ["body"]


@pytest.mark.parametrize("path", ["/launch", "/v1/livekit/start-avatar"])
@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"],
)
def test_a_key_in_the_body_needs_json(app, path, kind):
    headers = {"content_type": kind} if kind else {}
    body = f'{{"livekit_url": "ws://x", "avaluma_key": "{KEY}"}}'.encode()
    answer = request(app, "POST", path, body, **headers)
    assert (answer.status, answer.reads) == (415, 0)
    assert "Content-Type: application/json" in answer.message


def test_a_form_may_start_an_avatar_if_the_key_is_in_a_header(app):
    kind = "application/x-www-form-urlencoded"
    body = b"livekit_token=x&avatar_id=mira"
    answer = request(app, "POST", "/launch", body, api_secret=KEY, content_type=kind)
    assert answer.status == 422
    assert "livekit_url" in answer.message
    assert "livekit_token" not in answer.message


@pytest.mark.parametrize(
    "kind", ["", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_launch_reads_json_whatever_its_content_type(app, kind):
    headers = {"content_type": kind} if kind else {}
    body = b' {"token": "x", "avatar_id": "mira"}'
    answer = request(app, "POST", "/launch", body, x_api_key=KEY, **headers)
    assert answer.status == 422
    assert "livekit_url" in answer.message
    assert "livekit_token" not in answer.message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[1]", "body: must be a JSON object"),
        (b"", "body: is empty; send a JSON object"),
        (
            b'{"avatar_id":"mira","video_settings":1}',
            "body.video_settings: must be a JSON object",
        ),
        (
            b'{"avatar_id":"mira","livekit_config":{"url":"ftp://x","token":"x"}}',
            "body.livekit_config.livekit_url: must be a URL with ws, wss, http",
        ),
    ],
)
def test_a_wrong_body_is_told_what_would_be_right(app, body, text):
    answer = request(app, "POST", TOKEN, body, x_api_key=KEY)
    assert answer.status == 422
    assert answer.message.startswith(text)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/nowhere", 404, "there is nothing at this path; /docs lists"),
        ("DELETE", "/v1/sessions/token", 405, "at this path; use GET, POST"),
        ("PUT", "/v1/contexts", 405, "PUT is not possible at this path; use GET, POST"),
        ("GET", "/v1/livekit/start-avatar", 405, "at this path; use POST"),
        ("POST", "/health", 405, "at this path; use GET"),
        ("POST", "/style.css", 405, "at this path; use GET, HEAD"),
    ],
)
def test_a_wrong_path_or_method_is_told_where_to_look(app, method, path, status, text):
    answer = request(app, method, path, x_api_key=KEY)
    assert answer.status == status
    assert text in answer.message
    if status == 405:
        assert answer.headers["allow"] == text.partition("use ")[2]


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xed\xa0\x80"', b'"a\\uDFFFb"'])
@pytest.mark.parametrize("field", ["avatar_id", "livekit_config", "nested"])
def test_a_lone_surrogate_is_refused_wherever_it_stands(app, field, text):
    values = {
        "avatar_id": b'{"avatar_id": %s}' % text,
        "livekit_config": b'{"avatar_id":"mira","livekit_config":'
        b'{"livekit_url": %s, "livekit_client_token": "x"}}' % text,
        "nested": b'{"avatar_id":"mira","x":[{%s: 1}]}' % text,
    }
    answer = request(app, "POST", TOKEN, values[field], x_api_key=KEY)
    assert answer.status == 422
    assert "valid Unicode" in answer.message


def test_a_pair_of_surrogates_is_a_character(app):
    body = b'{"avatar_id": "\\ud83d\\ude00", "mode": "FULL"}'
    answer = request(app, "POST", TOKEN, body, x_api_key=KEY)
    assert "valid Unicode" not in answer.message


def test_a_body_that_is_nested_too_deeply_is_refused(app):
    answer = request(app, "POST", TOKEN, b"[" * 60_000, x_api_key=KEY)
    assert answer.status == 422


# Guessing.


def test_guesses_are_slowed_by_address_and_right_keys_work(build_app):
    app = build_app()
    app.state.service.api_keys.guesses = Guesses(lambda: 0.0)
    sent = [
        {"x_api_key": "lg_wrong"},
        {"api_secret": "wrong"},
        {"authorization": "Bearer wrong"},
    ]
    paths = [TOKEN, "/launch", "/v1/sessions/start"]
    statuses = [
        request(app, "POST", paths[n % 3], b"", **sent[n % 3]).status for n in range(33)
    ]
    assert statuses == [401] * 30 + [429] * 3
    answer = request(app, "POST", TOKEN, b"", x_api_key="wrong")
    assert int(answer.headers["retry-after"]) <= 2
    assert request(app, "POST", TOKEN, b"{}", x_api_key=KEY).status == 422
    other = request(app, "POST", TOKEN, b"", client="192.0.2.2", x_api_key="wrong")
    assert other.status == 401
