"""API keys over REST: scopes, limits, revocation, and CORS for browsers."""

from collections.abc import Iterator

import httpx
import pytest

from bench.probe.stack import Gateway, running_gateway
from tests.e2e.calls import LEAN, Calls, command, ended, make_key, printed, with_key
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.livekit


def start_session(gateway, call) -> tuple[httpx.Response, str]:
    """Create and start a session; return the start's response and the session id."""
    minted = call("POST", "/v1/sessions/token", {"avatar_id": "fiducial"}).json()[
        "data"
    ]
    bearer = {"Authorization": f"Bearer {minted['session_token']}"}
    return gateway.post("/v1/sessions/start", headers=bearer), minted["session_id"]


def test_a_key_with_the_mint_scope_can_access_only_its_own_sessions(gateway):
    robot, other = make_key(gateway, "robot"), make_key(gateway, "other")
    started, session_id = start_session(gateway, robot)
    assert started.status_code == 201
    path = f"/v1/sessions/{session_id}"
    assert robot("GET", path).status_code == 200
    assert other("GET", path).status_code == 404
    assert with_key(gateway)("GET", path).status_code == 200
    active = "/v1/sessions?type=active&page_size=100"
    assert [s["id"] for s in robot.data("GET", active)["results"]] == [session_id]
    assert other.data("GET", active)["count"] == 0
    refused = other("POST", "/v1/sessions/stop", {"session_id": session_id})
    assert refused.status_code == 403
    stopped = robot("POST", "/v1/sessions/stop", {"session_id": session_id})
    assert stopped.status_code == 200
    assert ended(gateway, session_id)["end_reason"] == "USER_CLOSED"
    assert robot.data("GET", active)["count"] == 0


ADMINISTRATION = [
    ("GET", "/v1/secrets"),
    ("POST", "/v1/contexts"),
    ("POST", "/v1/llm_configurations"),
    ("PATCH", "/v1/avatars/mira"),
    ("POST", "/v1/voices/third_party"),
]


@pytest.mark.parametrize(("method", "path"), ADMINISTRATION)
def test_the_error_names_the_missing_scope(gateway, method, path):
    response = make_key(gateway, "robot")(method, path, {})
    assert response.status_code == 403
    assert "'admin'" in response.json()["message"]
    boss = make_key(gateway, "boss", "--scopes", "admin")
    assert boss(method, path, {}).status_code in (200, 422)
    refused = boss("POST", "/v1/sessions/token", {"avatar_id": "mira"})
    assert refused.status_code == 403
    assert "'mint'" in refused.json()["message"]


def test_a_key_is_listed_without_its_text_and_works_until_it_is_revoked(gateway):
    robot = make_key(gateway, "short-lived")
    assert robot("GET", "/v1/users/credits").status_code == 200
    minted = robot.data("POST", "/v1/sessions/token", {"avatar_id": "fiducial"})
    listed = command(gateway, "keys", "list")
    assert "short-lived" in listed
    assert robot.key not in listed
    assert robot.key.split("_", 2)[2] not in listed
    command(gateway, "keys", "revoke", "short-lived")
    response = robot("GET", "/v1/users/credits")
    assert response.status_code == 401
    assert "revoked" in response.json()["message"]
    bearer = {"Authorization": f"Bearer {minted['session_token']}"}
    started = gateway.post("/v1/sessions/start", headers=bearer)
    assert started.status_code == 401
    assert "revoked" in started.json()["message"]


def test_the_number_of_sessions_of_a_key_is_limited(gateway):
    robot = make_key(gateway, "one-session", "--sessions", "1")
    first, session_id = start_session(gateway, robot)
    assert first.status_code == 201
    second, _ = start_session(gateway, robot)
    assert second.status_code == 429
    assert int(second.headers["Retry-After"]) > 0
    assert "at once" in second.json()["message"]
    robot("POST", "/v1/sessions/stop", {"session_id": session_id})

    def third() -> str | None:
        started, session_id = start_session(gateway, robot)
        return session_id if started.status_code == 201 else None

    session_id = until(third)  # after the first avatar has left the room
    robot("POST", "/v1/sessions/stop", {"session_id": session_id})


def test_the_rate_limit_of_a_key_says_when_to_retry(gateway):
    limited, other = (
        make_key(gateway, "limited", "--rate", "5"),
        make_key(gateway, "other"),
    )
    responses = [limited("GET", "/v1/users/credits") for _ in range(8)]
    assert [r.status_code for r in responses[:5]] == [200] * 5
    refused = responses[-1]
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "5 requests a minute" in refused.json()["message"]
    assert other("GET", "/v1/users/credits").status_code == 200


def test_an_embedded_page_counts_against_the_rate_limit_of_its_key(gateway):
    robot = make_key(gateway, "page-maker", "--rate", "3")
    page = robot.data("POST", "/v2/embeddings", {"avatar_id": "fiducial"})
    mint = f"/embed/{page['embed_id']}/session"
    responses = [gateway.post(mint).status_code for _ in range(4)]
    assert responses == [200, 200, 429, 429]
    command(gateway, "keys", "revoke", "page-maker")
    assert gateway.post(mint).status_code == 404


SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def served(livekit, tmp_path_factory) -> Iterator[tuple[Gateway, Calls]]:
    """Run ``serve`` with keys of a file and one of the database; yield this one too."""
    folder = tmp_path_factory.mktemp("served")
    file, env = folder / "keys", {"LITE_DATABASE": str(folder / "state.db")}
    file.write_text("# ours\nfile-key-1 robot mint\n\nfile-key-2 boss\n")
    key = printed("keys", "create", "website", **env)
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, folder / "log"),
        mode="serve",
        LITE_CORS_ORIGINS=SHOP,
        LITE_API_KEYS_FILE=str(file),
        **LEAN,
        **env,
    ) as gateway:
        yield gateway, with_key(gateway, key)


def test_only_configured_origins_get_cors_headers(served):
    gateway, _ = served
    origin = {"Origin": SHOP}
    headers = {
        **origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    url = f"{gateway.url}/v1/sessions/start"
    preflight = httpx.options(url, headers=headers, timeout=PATIENCE_S)
    assert preflight.status_code == 200
    for response in (preflight, gateway.post("/v1/sessions/start", headers=origin)):
        assert response.headers["access-control-allow-origin"] == SHOP
        assert response.headers["access-control-allow-credentials"] == "true"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    other_origin = {**headers, "Origin": "https://evil.example"}
    response = httpx.options(url, headers=other_origin, timeout=PATIENCE_S)
    assert "access-control-allow-origin" not in response.headers


def test_serve_accepts_keys_of_database_and_file_but_not_the_development_key(served):
    gateway, website = served
    started, session_id = start_session(gateway, website)
    assert started.status_code == 201
    website("POST", "/v1/sessions/stop", {"session_id": session_id})
    robot, boss = (with_key(gateway, f"file-key-{number}") for number in (1, 2))
    assert robot("GET", "/v1/users/credits").status_code == 200
    assert robot("GET", "/v1/secrets").status_code == 403
    assert boss("GET", "/v1/secrets").status_code == 200
    assert with_key(gateway, "dev")("GET", "/v1/avatars").status_code == 401
    assert gateway.get("/demo.json").json()["api_key"] == ""
