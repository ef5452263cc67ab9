"""Avatars from photos over REST: a real gateway, and the program that makes them."""

import contextlib
import dataclasses
import io
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from bench.probe.stack import Gateway, running_gateway
from creation.vision.weights import WEIGHTS
from tests.creation import people
from tests.e2e.calls import LEAN, make_key, with_key
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.timeout(900)]

FORM = {"title": "Ana", "consent": "me"}
# A job yields to everything else that runs here, so tests that wait for one are marked
# real_time: they run alone.
JOB_S = 800.0


@pytest.fixture(scope="module", autouse=True)
def weights() -> None:
    if not WEIGHTS.exists():
        assert not os.environ.get("CI"), "`make setup` has converted no weights"
        pytest.skip("no weights: run `make setup`")


def running(livekit, folder: Path, **env: str):
    return running_gateway(
        *(livekit.url, livekit.key, livekit.secret, folder / "gateway.log"),
        LITE_ALLOW_CREATE="on",
        TMPDIR=str(folder),
        **{**LEAN, **env},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the gateway's database, and of all that it makes."""
    return tmp_path_factory.mktemp("creating")


@pytest.fixture(scope="module")
def creating(livekit, folder) -> Iterator[Gateway]:
    with running(livekit, folder) as gateway:
        yield gateway


def post(gateway: Gateway, picture: bytes | None, **fields: str) -> httpx.Response:
    files = {} if picture is None else {"picture": ("secret-name.jpg", picture)}
    return gateway.post(
        "/v1/avatars",
        headers={"X-API-KEY": gateway.key},
        # An empty file makes httpx write a form with parts.
        files=files or {"nothing": ("", b"")},
        data={**FORM, **fields},
    )


def start(gateway: Gateway, picture: bytes, **fields: str) -> dict:
    response = post(gateway, picture, **fields)
    assert response.status_code == 202, response.text
    return response.json()["data"]


def job_of(gateway: Gateway, job: dict) -> dict:
    return gateway.call("GET", f"/v1/avatars/jobs/{job['job_id']}")


def delete(gateway: Gateway, job: dict) -> httpx.Response:
    return with_key(gateway)("DELETE", f"/v1/avatars/jobs/{job['job_id']}")


def ended(gateway: Gateway, job: dict) -> dict:
    """Wait until a job does not run any more, and return it."""

    def state() -> dict | None:
        item = job_of(gateway, job)
        return item if item["state"] != "running" else None

    return until(state, JOB_S)


def photo(name: str = "ana") -> bytes:
    return people.path(name).read_bytes()


def with_place(name: str) -> bytes:
    """Return a photo with a text in its EXIF."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET-PLACE"
    content = io.BytesIO()
    with Image.open(people.path(name)) as image:
        image.save(content, "JPEG", quality=95, exif=exif)
    return content.getvalue()


def left_over(folder: Path) -> list[Path]:
    """Return the files below a folder that are packages, photos or unfinished."""
    kept = ("gateway.log", "state.key", "lock")
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(kept)
    ]


def contents(folder: Path) -> list[bytes]:
    """Return what is in those files; one that goes meanwhile is not left."""
    found = []
    for path in left_over(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(path.read_bytes())
    return found


def listed(gateway: Gateway) -> set[str]:
    return {item["id"] for item in gateway.call("GET", "/v1/avatars")["results"]}


def check_draft(creating: Gateway, done: dict) -> None:
    """Check that a draft has a preview, is found, speaks, and is in no list."""
    preview = creating.get(done["preview"], headers={"X-API-KEY": creating.key})
    with Image.open(io.BytesIO(preview.content)) as image:
        assert (image.format, image.width > 1000) == ("PNG", True)
    draft = done["avatar_id"]
    assert draft not in listed(creating)
    item = creating.call("GET", f"/v1/avatars/{draft}")
    assert (item["title"], item["ai_generated"]) == ("Ana", True)
    assert item["backgrounds"] == ["blurred", "photo"]
    session = creating.create_session(avatar_id=draft).json()["data"]
    started = creating.post(
        "/v1/sessions/start",
        headers={"Authorization": f"Bearer {session['session_token']}"},
    )
    assert started.is_success, started.text


@pytest.mark.slow
@pytest.mark.real_time
def test_a_photo_becomes_a_draft_that_speaks_and_then_an_avatar(
    creating, folder, livekit
):
    job = start(creating, with_place("ana"), who="Ana A.", background="any")
    assert (job["state"], job["kept"], job["avatar_id"]) == ("running", False, None)
    seen = until(lambda: job_of(creating, job)["face"], JOB_S)
    assert (seen["width"], seen["height"], seen["turned"]) == (
        *people.photo("ana").shape[1::-1],
        0,
    )
    assert len(seen["landmarks"]) == 478

    done = ended(creating, job)

    assert (done["state"], done["reason"], done["progress"]) == ("finished", None, 1.0)
    assert 1700 < done["expires_in_s"] <= 1800
    draft = done["avatar_id"]
    check_draft(creating, done)
    path = f"/v1/avatars/jobs/{job['job_id']}/keep"
    for background in ("transparent", "keep", "../photo", "#12"):
        response = with_key(creating)("POST", path, {"background": background})
        assert response.status_code == 422
        assert "background" in response.json()["message"]
    changes = {"title": "Ana of June", "background": "blurred"}
    kept = creating.call("POST", f"/v1/avatars/jobs/{job['job_id']}/keep", changes)

    assert (kept["id"], kept["title"]) == (draft, "Ana of June")
    assert draft in listed(creating)
    assert job_of(creating, job)["kept"]
    assert creating.call("POST", f"/v1/avatars/jobs/{job['job_id']}/keep") == kept
    assert delete(creating, job).status_code == 409
    [package] = (folder / "created-avatars").glob("ana-*")
    manifest = (package / "avatar.json").read_text()
    assert '"consent": "This is me."' in manifest
    assert '"by": "Ana A."' in manifest
    assert '"picture": "blurred"' in manifest
    for path in (*left_over(folder), creating.log_path):
        assert b"SECRET-PLACE" not in path.read_bytes()
    assert creating.metrics()['lite_avatar_jobs_total{outcome="finished"}'] == 1

    other = folder / "again"
    other.mkdir()
    with running(
        livekit, other, LITE_CREATED_AVATARS=str(folder / "created-avatars")
    ) as again:  # one that has the same folder
        assert draft in listed(again)
        again.call("DELETE", f"/v1/avatars/{draft}")
        assert draft not in listed(again)
        assert not package.exists()
    until(lambda: draft not in listed(creating))


@pytest.mark.slow
@pytest.mark.real_time
def test_a_photo_that_does_not_do_is_refused_with_its_code(creating, folder):
    before, name = left_over(folder), "mask"
    job = start(creating, photo(name))

    failed = ended(creating, job)

    assert failed["state"] == "failed"
    assert failed["reason"]["code"] == people.REFUSED[name]
    assert failed["reason"]["message"].endswith(".")
    assert failed["face"] is not None
    assert (failed["preview"], failed["avatar_id"]) == (None, None)
    assert left_over(folder) == before


@pytest.mark.slow
@pytest.mark.real_time
def test_one_job_runs_at_a_time_and_is_cancelled(creating, folder):
    before = left_over(folder)
    job = start(creating, photo())

    busy = post(creating, photo())

    assert busy.status_code == 429
    assert int(busy.headers["Retry-After"]) > 0
    assert "another avatar is being made" in busy.json()["message"]
    stranger = make_key(creating, "other", "--scopes", "mint")
    path = f"/v1/avatars/jobs/{job['job_id']}"
    for method, call in (("GET", path), ("POST", f"{path}/keep"), ("DELETE", path)):
        assert stranger(method, call).status_code == 404
    until(lambda: job_of(creating, job)["face"], JOB_S)
    assert delete(creating, job).is_success
    cancelled = job_of(creating, job)
    assert (cancelled["state"], cancelled["avatar_id"]) == ("cancelled", None)
    assert left_over(folder) == before
    # Nothing is in the way of another one, nor is the longest name of a key.
    named = make_key(creating, "k" * 255, "--scopes", "mint")
    other = dataclasses.replace(creating, key=named.key)
    text = ended(creating, start(other, b"text", consent="consent"))
    assert text["reason"]["code"] == "not_a_picture"
    keep = creating.post(f"{path}/keep", headers={"X-API-KEY": creating.key})
    assert keep.status_code == 409


@pytest.mark.slow
@pytest.mark.real_time
def test_a_photo_is_gone_when_the_gateway_or_the_program_is_killed(livekit, tmp_path):
    with running(livekit, tmp_path) as gateway:
        first = start(gateway, photo())
        until(lambda: job_of(gateway, first)["face"], JOB_S)
        os.kill(program_of(gateway), signal.SIGKILL)
        failed = ended(gateway, first)
        assert (failed["state"], failed["reason"]["code"]) == ("failed", "internal")
        assert left_over(tmp_path) == []

        job = start(gateway, photo())
        until(lambda: job_of(gateway, job)["face"], JOB_S)
        program = program_of(gateway)
        # Files that are being written are left, the photo is not: it has no name.
        assert photo() not in contents(tmp_path)
        os.kill(gateway.pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{program}").exists())
        assert photo() not in contents(tmp_path)
    with running(livekit, tmp_path):
        assert left_over(tmp_path) == []
        assert list((tmp_path / "created-avatars").rglob(".creating-*")) == []


def program_of(gateway: Gateway) -> int:
    """Return the process that makes an avatar for a gateway."""
    [child] = [
        child
        for child in psutil.Process(gateway.pid).children()
        if "creation.job" in child.cmdline()
    ]
    return child.pid


def test_nothing_is_made_without_consent(creating, folder):
    before = left_over(folder)
    for consent in ("", "yes", "none"):
        response = post(creating, photo(), consent=consent)
        assert response.status_code == 422
        reason = response.json()["reason"]
        assert reason["code"] == "consent_required"
        assert "I have this person's consent to make them speak" in reason["message"]
    assert left_over(folder) == before


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": ""}, "title"),
        ({"title": "Ana\nB"}, "title"),
        ({"title": "A" * 201}, "title"),
        ({"title": "Ana\u202e"}, "title has the character U+202E"),
        ({"who": "An\u200bna"}, "who has the character U+200B"),
        ({"who": "A" * 201}, "who"),
        ({"background": "/etc/passwd"}, "background: send keep, blur"),
        ({"background": "#12345"}, "background: send keep, blur"),
        ({"jaw": "2"}, "jaw: send a number from 0.5 to 1.5"),
        ({"smile": "nan"}, "smile: send a number from 0 to 1"),
        ({"donor": "ada"}, "donor: send mira or theo"),
    ],
)
def test_a_field_that_does_not_do_is_named(creating, fields, text):
    response = post(creating, photo(), **fields)
    assert response.status_code == 422
    assert response.json()["reason"]["code"] == "wrong_option"
    assert text in response.json()["message"]


def test_pages_are_told_that_avatars_can_be_made(creating):
    assert creating.get("/demo.json").json()["create"] is True


def test_what_is_no_form_with_a_photo_is_refused(creating):
    key = {"X-API-KEY": creating.key}
    empty, missing = post(creating, b""), post(creating, None)
    assert empty.json()["reason"]["code"] == "not_a_picture"
    assert missing.json()["reason"]["code"] == "wrong_option"
    as_json = creating.post("/v1/avatars", headers=key, json=FORM)
    assert as_json.status_code == 415
    assert "multipart/form-data" in as_json.json()["message"]
    form = {**key, "Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"no form", b"--x\r\n\r\n--x--", b"\r\n" * 1000):
        answer = creating.post("/v1/avatars", headers=form, content=body)
        assert answer.status_code in (400, 422), body
        assert answer.json()["message"]
    # Names of codecs of Python that are no charsets.
    for charset in ("undefined",):
        headers = {**form, "Content-Type": f"{form['Content-Type']}; charset={charset}"}
        body = b'--x\r\nContent-Disposition: form-data; name="t"\r\n\r\n\xff\r\n--x--'
        answer = creating.post("/v1/avatars", headers=headers, content=body)
        assert answer.status_code == 400, charset
        assert "UTF-8" in answer.json()["message"]
    no_boundary = {**key, "Content-Type": "multipart/form-data"}
    answer = creating.post("/v1/avatars", headers=no_boundary, content=b"x")
    assert answer.status_code == 400
    assert post(creating, None, title="A" * 10_000).status_code == 400


def test_a_photo_has_at_most_40_mb(creating):
    large = post(creating, bytes((40 << 20) + 1))
    assert large.status_code == 413
    assert large.json()["reason"]["code"] == "too_large"
    assert "40 MB" in large.json()["message"]
    at_most = post(creating, bytes(40 << 20), consent="")
    assert at_most.json()["reason"]["code"] == "consent_required"
    key = {"X-API-KEY": creating.key, "Content-Type": "multipart/form-data; boundary=b"}
    head = (
        b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
    )
    content = (head, *(bytes(1 << 20) for _ in range(42)))
    chunked = creating.post("/v1/avatars", headers=key, content=iter(content))
    assert chunked.status_code == 413
    assert chunked.json()["reason"] == large.json()["reason"]
    other = creating.post(
        "/v1/contexts", headers={"X-API-KEY": creating.key}, content=bytes(100 << 10)
    )
    assert other.status_code == 413
    assert "64 KiB" in other.json()["message"]


def test_a_job_belongs_to_its_key(creating, folder):
    stranger = make_key(creating, "stranger", "--scopes", "mint")
    unknown = stranger("GET", f"/v1/avatars/jobs/{uuid.uuid4()}")
    assert unknown.status_code == 404
    assert "POST /v1/avatars" in unknown.json()["message"]
    admin = make_key(creating, "admin", "--scopes", "admin")
    assert admin("GET", f"/v1/avatars/jobs/{uuid.uuid4()}").status_code == 403


def test_a_gateway_makes_no_avatars_unless_it_is_told_to(gateway):
    answers = [
        post(gateway, photo()),
        gateway.get(
            f"/v1/avatars/jobs/{uuid.uuid4()}", headers={"X-API-KEY": gateway.key}
        ),
    ]
    for answer in answers:
        assert answer.status_code == 403
        assert "--allow-create (LITE_ALLOW_CREATE=on)" in answer.json()["message"]
    assert gateway.get("/demo.json").json()["create"] is False
    without_key = gateway.post("/v1/avatars", content=photo())
    assert without_key.status_code == 401
