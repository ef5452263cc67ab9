"""Browsers: pages of other sites, and headers of our own pages."""

import re
from types import SimpleNamespace

import pytest
from fastapi import Request

from lite_gateway.api.dependencies import public_base_url
from lite_gateway.config import Config
from lite_gateway.http.page_headers import connect_sources
from tests.http.asgi import request

PAGE_KEY = "the key that the demo page gets"
HOST = "127.0.0.1:8080"
OWN = f"http://{HOST}"
EVIL = "https://evil.example"
ORIGIN = "https://app.example.com"
TOKEN = "/v1/sessions/token"


@pytest.fixture(scope="module")
def dev(build_app):
    """The application as `dev` builds it."""
    keys = f"dev,{PAGE_KEY}"
    return build_app(demo_key=PAGE_KEY, api_keys=keys, cors_origins=ORIGIN, key_rate=0)


# Pages of other sites.


@pytest.mark.parametrize("key", ["dev", PAGE_KEY])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:3000", "sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/launch", TOKEN, "/v1/livekit/start-avatar"])
def test_pages_of_other_sites_change_nothing(dev, path, headers, key):
    body = f'{{"livekit_url": "ws://x", "avaluma_key": "{key}"}}'.encode()
    answer = request(
        *(dev, "POST", path, body),
        content_type="application/json",
        x_api_key=key,
        **headers,
    )
    assert (answer.status, answer.reads) == (403, 0)
    assert "--cors-origins" in answer.message


def test_a_form_of_another_site_does_not_launch(dev):
    """`fetch(..., {mode: "no-cors"})` sends text, without a preflight."""
    for origin in ({"origin": EVIL}, {}):
        answer = request(
            *(dev, "POST", "/launch", b'{"livekit_url":"ws://x","avaluma_key":"dev"}'),
            content_type="text/plain",
            **origin,
        )
        assert answer.status in (403, 415)


@pytest.mark.parametrize("host", ["rebind.evil.example", "evil.example:8080", "", "["])
@pytest.mark.parametrize("path", ["/demo.json", "/", "/v1/avatars/public", "/docs"])
def test_a_name_that_resolves_to_loopback_reads_nothing(dev, path, host):
    answer = request(dev, "GET", path, host=host)
    assert answer.status == 403
    assert "Host" in answer.message
    assert PAGE_KEY.encode() not in answer.body


@pytest.mark.parametrize(
    "host", [HOST, "localhost:9000", "LOCALHOST", "[::1]:8080", "my.localhost:80"]
)
def test_names_of_this_machine_reach_dev(dev, host):
    assert request(dev, "GET", "/health", host=host).status == 200


def test_only_dev_names_the_language_model(build_app):
    model = {"llm_url": "http://10.0.0.2/v1", "llm_model": "acme-large"}
    for key, is_named in ((PAGE_KEY, True), ("", False)):
        app = build_app(demo_key=key, **model)
        app.state.service.missing_packages = lambda _: ""
        app.state.service.agent = SimpleNamespace(state="ready")
        text = request(app, "GET", "/demo.json").json["conversations"]["text"]
        assert "answers by" in text
        assert ("acme-large" in text) == is_named


def test_the_demo_page_gets_a_key_that_works(dev):
    answer = request(dev, "GET", "/demo.json", sec_fetch_site="same-origin")
    assert answer.json["api_key"] == PAGE_KEY
    body = b'{"mode": "FULL", "avatar_id": "mira"}'
    answer = request(dev, "POST", TOKEN, body, x_api_key=PAGE_KEY, origin=OWN)
    assert answer.status in (404, 422)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"origin": EVIL},
        {"origin": ORIGIN},
        {"origin": "http://["},
    ],
)
def test_only_the_demo_page_gets_its_key(dev, headers):
    answer = request(dev, "GET", "/demo.json", **headers)
    assert answer.status == 403
    assert PAGE_KEY.encode() not in answer.body


def test_the_key_dev_is_for_programs(dev):
    body = b'{"mode": "FULL", "avatar_id": "mira"}'
    answer = request(dev, "POST", TOKEN, body, x_api_key="dev")
    assert answer.status in (404, 422)
    answer = request(dev, "POST", TOKEN, body, x_api_key="dev", origin=OWN)
    assert answer.status == 401
    assert "/demo.json" in answer.message


def test_an_allowed_origin_may_call(dev):
    body = b'{"mode": "FULL", "avatar_id": "mira"}'
    headers = {"origin": ORIGIN, "sec_fetch_site": "cross-site"}
    answer = request(dev, "POST", TOKEN, body, x_api_key="dev", **headers)
    assert answer.status in (404, 422)
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_serve_takes_any_name(app):
    assert request(app, "GET", "/health", host="avatars.example.com").status == 200


# Headers.


@pytest.mark.parametrize("path", ["/", "/create"])
def test_pages_run_scripts_of_this_server_only(app, path):
    page = request(app, "GET", path)
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "ws://127.0.0.1:7880 http://127.0.0.1:7880" in policy
    assert page.headers["x-frame-options"] == "DENY"
    # Nothing that the policy would block.
    assert not re.search(rb"<script>|<style|\sstyle=|\son\w+=", page.body)


def test_the_page_of_the_api_loads_nothing_from_elsewhere(app):
    page = request(app, "GET", "/docs")
    assert page.status == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    files = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert len(files) == 5
    assert not [file for file in files if "//" in file]
    assert request(app, "GET", "/redoc").status == 404


@pytest.mark.parametrize("path", ["/nothing", "/create/", "/js/none.js"])
def test_browsers_get_a_page_for_a_wrong_address_and_others_json(app, path):
    page = request(app, "GET", path, accept="text/html,application/xhtml+xml,*/*")
    assert page.status == 404
    assert page.headers["content-type"].startswith("text/html")
    assert b'<a href="/">' in page.body
    assert page.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for accept in ("*/*", "application/json"):
        assert (
            "nothing at this path" in request(app, "GET", path, accept=accept).message
        )
    of_the_api = request(app, "GET", "/v1/nothing", accept="text/html")
    assert (of_the_api.status, of_the_api.json["code"]) == (404, 4404)


@pytest.mark.parametrize(
    "path", ["/package.json", "/package-lock.json", "/vendor/.gitignore", "/js"]
)
def test_files_of_the_makers_are_not_served(app, path):
    assert request(app, "GET", path).status in (404, 307)


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (("ws://127.0.0.1:7880", ""), ("ws://127.0.0.1:7880", "http://127.0.0.1:7880")),
        (("https://u:p@rtc.example/x",), ("wss://rtc.example", "https://rtc.example")),
        (
            ("wss://app-123.livekit.cloud",),
            ("wss://*.livekit.cloud", "https://*.livekit.cloud"),
        ),
    ],
)
def test_pages_may_connect_to_livekit(urls, expected):
    assert connect_sources(*urls) == expected


# Addresses of the gateway.


@pytest.mark.parametrize(
    ("public", "expected"),
    [
        ("", "http://127.0.0.1:8080"),
        ("wss://avatars.example.com", "https://avatars.example.com"),
        ("ws://127.0.0.1:1/base/", "http://127.0.0.1:1/base"),
        ("HTTPS://avatars.example.com", "https://avatars.example.com"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_the_public_address_has_one_spelling(public, expected, scheme):
    scope = {
        "type": "http",
        "scheme": scheme,
        "server": ("127.0.0.1", 8080),
        "path": "/v1/sessions/start",
        "headers": [],
    }
    service = SimpleNamespace(config=Config(public_url=public))
    assert public_base_url(service, Request(scope)) == expected
