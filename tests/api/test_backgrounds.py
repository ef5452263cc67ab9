"""Backgrounds in the token request and in the lists of avatars."""

import time
from types import SimpleNamespace

import jwt
import pytest

from lite_gateway.config import shipped_avatars
from tests.api.conftest import check_refused, config_of, make_api
from tests.renderer.portrait.test_backgrounds import cut_out_folder

__all__ = ["cut_out_folder"]


@pytest.fixture(scope="module")
def api(build_app, tmp_path_factory, portrait, cut_out_folder):
    folder = tmp_path_factory.mktemp("avatars")
    for package in (shipped_avatars() / "fiducial", portrait, cut_out_folder):
        (folder / package.name).symlink_to(package)
    return make_api(build_app, avatars=str(folder))


def mint(api, background, avatar="cut", **settings):
    video = {"background": background, **settings}
    return api.mint(avatar_id=avatar, video_settings=video)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("#FFaa00", "#ffaa00"),
        ("transparent", "transparent"),
        ("halves", "halves"),
        (None, ""),
        ("", ""),
    ],
)
def test_a_session_keeps_the_background_that_it_asks_for(api, wanted, kept):
    assert config_of(api, mint(api, wanted, quality="low")).background == kept


def test_a_request_without_a_background_has_the_avatars_own(api):
    assert config_of(api, api.mint(avatar_id="cut")).background == ""
    answer = api.mint(avatar_id="flat", video_quality="low")
    assert config_of(api, answer).background == ""


@pytest.mark.parametrize("wanted", ["#fff", "sea", "#1234567", "💡" * 50])
def test_an_unknown_background_is_refused_with_what_is_right(api, wanted):
    words = "(cut has pictures: halves)"
    check_refused(mint(api, wanted), 422, words)


@pytest.mark.parametrize("avatar", ["fiducial", "flat"])
def test_an_avatar_without_alpha_refuses_every_background(api, avatar):
    words = f"video_settings.background: avatar {avatar} keeps its own background"
    check_refused(mint(api, "#ffffff", avatar), 422, words)
    assert config_of(api, mint(api, "", avatar)).background == ""


@pytest.mark.parametrize("wanted", [5, ["#ffffff"], {"colour": "#ffffff"}])
def test_a_background_of_another_type_is_refused(api, wanted):
    check_refused(mint(api, wanted), 422, "background")


def test_lists_name_the_pictures_of_each_avatar(api):
    items = api.data("GET", "/v1/avatars")["results"]
    assert {item["name"]: item["backgrounds"] for item in items} == {
        "cut": ["halves"],
        "flat": None,
        "fiducial": None,
    }


def test_an_embedded_page_has_the_background_that_its_owner_chose(api):
    body = {"avatar_id": "cut", "background": "#FFFFFF"}
    page = api.data("POST", "/v2/embeddings", body)
    answer = api("POST", f"/embed/{page['embed_id']}/session")
    assert config_of(api, answer).background == "#ffffff"
    refused = api("POST", "/v2/embeddings", {"avatar_id": "cut", "background": "sea"})
    check_refused(refused, 422, "unknown background 'sea'")
    assert refused.json["message"].startswith("background: ")


@pytest.mark.parametrize("path", ["/launch", "/v1/livekit/start-avatar"])
def test_an_agent_may_choose_the_background_of_its_avatar(api, path, monkeypatch):
    started = []

    async def start(config, owner):
        started.append(config.background)
        return SimpleNamespace(id="1")

    monkeypatch.setattr(api.service.sessions, "start_in_background", start)
    video = {"roomJoin": True, "room": "lobby"}
    soon_s = int(time.time()) + 600  # noqa: TID251 - times in a JWT are Unix times
    claims = {"sub": "avatar", "exp": soon_s, "video": video}
    token = jwt.encode(claims, "a secret that is as long as it must be")
    body = {"livekit_url": "ws://127.0.0.1:7880", "livekit_token": token}
    body["avatar_id"] = "cut"
    for wanted in ("#FFAA00", "halves", None):
        answer = api("POST", path, {**body, "background": wanted})
        assert answer.status == 200, answer.body
    assert started == ["#ffaa00", "halves", ""]
    refused = api("POST", path, {**body, "background": "sea"})
    check_refused(refused, 422, "unknown background 'sea'")
    assert refused.json["message"].startswith("background: ")
