"""Texts that no database can store: each stored field refuses them with words."""

import json
import uuid

import pytest

from tests.http.asgi import request
from tests.http.conftest import KEY

SECRET = str(uuid.uuid4())
FIELDS = [
    ("POST", "/v1/contexts", {"name": "n", "prompt": "p", "opening_text": "o"}),
    (
        "POST",
        "/v1/secrets",
        {"secret_name": "n", "secret_type": "OPENAI_API_KEY", "secret_value": "v"},
    ),
    (
        "POST",
        "/v1/llm-configurations",
        {"display_name": "d", "model_name": "m", "base_url": "https://a/"},
    ),
    ("POST", "/v1/voices/third_party", {"provider_voice_id": "p", "name": "n"}),
    ("PATCH", "/v1/avatars/fiducial", {"name": "n"}),
    ("POST", "/v2/embeddings", {"avatar_id": "fiducial", "default_language": "en"}),
    ("POST", "/v1/sessions/token", {"mode": "LITE", "avatar_id": "fiducial"}),
]


@pytest.mark.parametrize("bad", ["\0", "\ud800", "\udfff\ud800"], ids=ascii)
@pytest.mark.parametrize(
    ("method", "path", "body"), FIELDS, ids=[path for _, path, _ in FIELDS]
)
def test_a_text_that_cannot_be_stored_is_refused(app, method, path, body, bad):
    for name in body:
        sent = {**body, "secret_id": SECRET, name: body[name] + bad}
        if path != "/v1/llm-configurations" and "voices" not in path:
            del sent["secret_id"]
        answer = request(
            app,
            method,
            path,
            json.dumps(sent).encode(),
            x_api_key=KEY,
            content_type="application/json",
        )
        stored_encrypted = name == "secret_value" and bad == "\0"
        unknown_avatar = name == "avatar_id" and answer.status == 404
        expected = 200 if stored_encrypted else 404 if unknown_avatar else 422
        assert answer.status == expected, (name, answer.body)


def test_a_text_in_an_address_is_no_database_error(app):
    for path in ("/v1/sessions/%00", "/v1/sessions/%ED%A0%80", "/v1/avatars/%00"):
        answer = request(app, "GET", path, x_api_key=KEY)
        assert answer.status in (404, 422), (path, answer.body)


NAMES = {
    "/v1/contexts": "name",
    "/v1/secrets": "secret_name",
    "/v1/llm-configurations": "display_name",
    "/v1/voices/third_party": "name",
    "/v1/avatars/fiducial": "name",
}


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\n", "\u2028"])
@pytest.mark.parametrize("path", NAMES)
def test_a_name_with_what_nobody_sees_is_refused(app, path, hidden):
    [(method, body)] = [(m, body) for m, where, body in FIELDS if where == path]
    sent = {**body, "secret_id": SECRET, NAMES[path]: f"a{hidden}b"}
    if path in ("/v1/contexts", "/v1/secrets", "/v1/avatars/fiducial"):
        del sent["secret_id"]
    answer = request(
        app,
        method,
        path,
        json.dumps(sent).encode(),
        x_api_key=KEY,
        content_type="application/json",
    )
    assert answer.status == 422
    text = json.loads(answer.body)["message"]
    assert f"has the character U+{ord(hidden):04X}, which nobody sees" in text


def test_line_breaks_around_a_name_are_removed(app):
    body = {"name": " Ana\n", "prompt": "p", "opening_text": "o"}
    answer = request(
        app,
        "POST",
        "/v1/contexts",
        json.dumps(body).encode(),
        x_api_key=KEY,
        content_type="application/json",
    )
    assert answer.status == 200, answer.body
