"""Built-in voices over the API: listed where they are installed, never changed."""

import pytest

from tests.api.conftest import make_api


def test_built_in_voices_are_public_and_the_others_private(api):
    private_id = api.voice("OPENAI_API_KEY")
    public = api.data("GET", "/v1/voices?voice_type=public")
    assert [item["name"] for item in public["results"]] == ["heart", "heart-low"]
    assert public["count"] == 2
    private = api.data("GET", "/v1/voices?voice_type=private&page_size=100")
    ids = {item["id"] for item in private["results"]}
    assert private_id in ids
    for item in public["results"]:
        assert item["id"] not in ids
        assert api.data("GET", f"/v1/voices/{item['id']}") == item


def test_ids_of_built_in_voices_are_the_same_in_each_gateway(api, build_app):
    listed = api.data("GET", "/v1/voices")
    assert make_api(build_app).data("GET", "/v1/voices") == listed


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("PATCH", "", 409, "built in"),
        ("DELETE", "", 409, "built in"),
        ("GET", "/preview", 404, "in conversations only"),
    ],
)
def test_a_built_in_voice_stays_as_it_is(api, method, path, status, words):
    voice = api.data("GET", "/v1/voices")["results"][0]
    body = {"name": "Rachel"} if method == "PATCH" else None
    answer = api(method, f"/v1/voices/{voice['id']}{path}", body)
    assert answer.status == status
    assert words in answer.message
    assert api.data("GET", "/v1/voices")["results"][0] == voice


def test_voices_that_cannot_speak_are_not_offered(build_app):
    """Without the packages of conversations no session could use them."""
    api = make_api(build_app)
    voice_id = api.data("GET", "/v1/voices")["results"][0]["id"]
    api.service.missing_packages = lambda _: "conversations are not installed here"
    answer = api("GET", "/v1/voices")
    assert answer.json["data"]["results"] == []
    assert "pip install 'lite-gateway[agent,speech]'" in answer.json["message"]
    assert api("GET", f"/v1/voices/{voice_id}").status == 404
