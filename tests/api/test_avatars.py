"""Default voices of avatars over the API: of providers, built in, of the package."""

import json
import shutil
import uuid

import pytest

from lite_gateway.config import shipped_avatars
from lite_gateway.conversation.plan import VoiceChoice
from tests.api.conftest import check_refused, config_of, full, make_api

FIDUCIAL = "/v1/avatars/fiducial"


def listed(api, name: str = "fiducial"):
    """Return an avatar as the list has it, which is as it is alone."""
    items = api.data("GET", "/v1/avatars?page_size=100")["results"]
    (item,) = [item for item in items if item["name"] == name]
    assert api.data("GET", f"/v1/avatars/{name}") == item
    return item


def set_voice(api, voice_id: str | None):
    return api.data("PATCH", FIDUCIAL, {"default_voice_id": voice_id})["default_voice"]


@pytest.fixture
def voices(api):
    """Return the built-in voices by name; the avatar has no default voice after it."""
    yield {voice.name: voice for voice in api.service.built_in_voices}
    set_voice(api, None)


def test_a_built_in_voice_can_be_an_avatars_default(api, voices):
    for name, voice in voices.items():
        shown = {"id": voice.id, "name": name}
        assert set_voice(api, voice.id) == shown
        assert listed(api)["default_voice"] == shown
        assert config_of(api, full(api)).conversation.voice == VoiceChoice(name)
    assert set_voice(api, None) is None
    assert config_of(api, full(api)).conversation.voice is None


def test_the_newest_default_voice_counts(api, voices):
    of_provider = api.voice("OPENAI_API_KEY")
    for voice_id in (voices["heart"].id, of_provider, voices["heart-low"].id):
        assert set_voice(api, voice_id)["id"] == voice_id
        assert listed(api)["default_voice"]["id"] == voice_id
    api.data("PATCH", FIDUCIAL, {"name": "Grid"})
    assert api.data("GET", FIDUCIAL)["default_voice"]["name"] == "heart-low"
    api.data("PATCH", FIDUCIAL, {"name": None})


def test_an_unknown_default_voice_is_refused_and_changes_nothing(api, voices):
    set_voice(api, voices["heart"].id)
    body = {"default_voice_id": str(uuid.uuid4())}
    check_refused(api("PATCH", FIDUCIAL, body), 404, "default_voice_id")
    for wrong in ("heart", 0, []):
        body = {"default_voice_id": wrong}
        text = "body.default_voice_id: must be a UUID"
        check_refused(api("PATCH", FIDUCIAL, body), 422, text)
    assert listed(api)["default_voice"]["name"] == "heart"


@pytest.fixture(scope="module")
def low_avatars(tmp_path_factory) -> str:
    """Return a folder with one avatar, whose package names the voice heart-low."""
    folder = tmp_path_factory.mktemp("avatars")
    shutil.copytree(shipped_avatars() / "fiducial", folder / "fiducial")
    manifest = folder / "fiducial/avatar.json"
    content = {**json.loads(manifest.read_text()), "voice": "heart-low"}
    manifest.write_text(json.dumps(content))
    return str(folder)


def test_the_list_shows_the_voice_that_a_package_names(build_app, low_avatars, voices):
    api = make_api(build_app, avatars=low_avatars)
    low = voices["heart-low"]
    assert listed(api)["default_voice"] == {"id": low.id, "name": low.name}
    assert set_voice(api, voices["heart"].id)["name"] == "heart"
    assert set_voice(api, None)["name"] == "heart-low"
    api.service.installed_voices = ()
    assert listed(api)["default_voice"] is None


def test_the_voice_of_a_package_is_not_shown_where_it_has_no_effect(
    build_app, low_avatars
):
    api = make_api(build_app, avatars=low_avatars, tts_url="http://tts/v1")
    assert listed(api)["default_voice"] is None
    assert config_of(api, full(api)).conversation.voice is None


def test_a_default_voice_that_is_not_installed_any_more_is_the_packages(
    build_app, voices
):
    api = make_api(build_app)
    set_voice(api, voices["heart-low"].id)
    api.service.installed_voices = api.service.installed_voices[:1]
    assert listed(api)["default_voice"] is None
    assert config_of(api, full(api)).conversation.voice is None
    check_refused(
        api("PATCH", FIDUCIAL, {"default_voice_id": voices["heart-low"].id}),
        *(404, "default_voice_id"),
    )
