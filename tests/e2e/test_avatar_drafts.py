"""
Draft of an avatar over REST, until it is kept and deleted.

The program of its job copies a package; tests/e2e/create/test_real_photo.py makes one
from a photo.
"""

from pathlib import Path

import pytest
from PIL import Image

from bench.probe.stack import Gateway
from lite_gateway.avatar_jobs.program import CONSENT
from tests.avatar_jobs.worlds import PROGRAM
from tests.e2e.calls import with_key
from tests.e2e.test_avatar_jobs import delete, ended, job_of, left_over, running, start
from tests.renderer.portrait import portraits
from tests.waiting import until

pytestmark = pytest.mark.livekit


def listed(gateway: Gateway) -> set[str]:
    return {item["id"] for item in gateway.call("GET", "/v1/avatars")["results"]}


def check_draft(drafting: Gateway, done: dict) -> None:
    """Check that a draft has a preview, is found, speaks, and is in no list."""
    preview = drafting.get(done["preview"], headers={"X-API-KEY": drafting.key})
    assert preview.headers["Content-Type"] == "image/png"
    assert preview.content == b"png"  # which the program has written
    draft = done["avatar_id"]
    assert draft not in listed(drafting)
    item = drafting.call("GET", f"/v1/avatars/{draft}")
    assert (item["title"], item["ai_generated"]) == ("Ana", True)
    assert item["backgrounds"] == ["blurred", "photo"]
    session = drafting.create_session(avatar_id=draft).json()["data"]
    started = drafting.post(
        "/v1/sessions/start",
        headers={"Authorization": f"Bearer {session['session_token']}"},
    )
    assert started.is_success, started.text


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Package as of a photo: with a likeness, an alpha, and two backgrounds."""
    names = ("source", "consent", "by", "date")
    likeness = dict(zip(names, ("photo", CONSENT, "Ana A.", "2026-11-29"), strict=True))
    manifest = {**portraits.MANIFEST, "title": "Ana", "likeness": likeness}
    package = portraits.build(tmp_path / "package", manifest)
    with Image.open(package / "plate.webp") as plate:
        plate.putalpha(128)
        plate.save(package / "plate.webp", lossless=True)
    (package / "backgrounds").mkdir()
    for name in ("blurred", "photo"):
        Image.new("RGB", (64, 36), "orange").save(
            package / "backgrounds" / f"{name}.webp"
        )
    return package


def test_a_draft_is_found_and_speaks_and_is_kept_as_an_avatar(
    livekit, tmp_path, package
):
    folder = tmp_path / "run"
    folder.mkdir()
    photo = f"make\n{package}\nSECRET-PLACE".encode()
    with running(livekit, folder, PROGRAM) as drafting:
        job = start(drafting, photo, who="Ana A.", background="any")
        state = job["state"], job["kept"], job["avatar_id"]
        assert state == ("running", False, None)

        done = ended(drafting, job)

        reached = done["state"], done["reason"], done["progress"]
        assert reached == ("finished", None, 1.0)
        assert 1700 < done["expires_in_s"] <= 1800
        check_draft(drafting, done)
        check_keep(drafting, job, folder)
        for path in (*left_over(folder), drafting.log_path):
            assert b"SECRET-PLACE" not in path.read_bytes()
        assert drafting.metrics()['lite_avatar_jobs_total{outcome="finished"}'] == 1
        check_shared(livekit, drafting, folder, done["avatar_id"])


def check_keep(drafting: Gateway, job: dict, folder: Path) -> None:
    """Keep a draft with changes, and check that it is an avatar then."""
    draft = job_of(drafting, job)["avatar_id"]
    path = f"/v1/avatars/jobs/{job['job_id']}/keep"
    for background in ("transparent", "keep", "../photo", "#12"):
        response = with_key(drafting)("POST", path, {"background": background})
        assert response.status_code == 422
        assert "background" in response.json()["message"]
    changes = {"title": "Ana of June", "background": "blurred"}
    kept = drafting.call("POST", path, changes)

    assert (kept["id"], kept["title"]) == (draft, "Ana of June")
    assert draft in listed(drafting)
    assert job_of(drafting, job)["kept"]
    assert drafting.call("POST", path) == kept
    assert delete(drafting, job).status_code == 409
    [package] = (folder / "created-avatars").glob("ana-*")
    assert '"picture": "blurred"' in (package / "avatar.json").read_text()


def check_shared(livekit, drafting: Gateway, folder: Path, avatar_id: str) -> None:
    """Delete an avatar by another gateway, which has the same folder of avatars."""
    shared, own = folder / "created-avatars", folder / "again"
    own.mkdir()
    [package] = shared.glob("ana-*")
    with running(livekit, own, LITE_CREATED_AVATARS=str(shared)) as again:
        assert avatar_id in listed(again)
        again.call("DELETE", f"/v1/avatars/{avatar_id}")
        assert avatar_id not in listed(again)
        assert not package.exists()
    until(lambda: avatar_id not in listed(drafting))
