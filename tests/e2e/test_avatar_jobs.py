"""Avatars from photos over REST: a real gateway, and the program that makes them."""

import contextlib
import dataclasses
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from bench.probe.stack import Gateway, running_gateway
from creation.vision.weights import WEIGHTS
from tests.creation import people
from tests.e2e.calls import LEAN, make_key, with_key
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.timeout(900)]

FORM = {"title": "Ana", "consent": "me"}
JOB_S = 800.0
# Gateway whose jobs are made by another module, in place of `creation.job`.
WITH_PROGRAM = """
from lite_gateway.__main__ import main
from lite_gateway.avatar_jobs.jobs import AvatarJobs
AvatarJobs.__init__.__kwdefaults__["module"] = {!r}
main()
"""
# A job yields to everything else, so that it would wait for all other tests. The jobs
# here do not; tests/creation/test_create.py and tests/e2e/test_job_priority.py have the
# priority.
JOB = "tests.avatar_jobs.usual_priority"


@pytest.fixture(scope="module", autouse=True)
def weights() -> None:
    if not WEIGHTS.exists():
        assert not os.environ.get("CI"), "`make setup` has converted no weights"
        pytest.skip("no weights: run `make setup`")


def running(livekit, folder: Path, program: str = JOB, **env: str):
    return running_gateway(
        *(livekit.url, livekit.key, livekit.secret, folder / "gateway.log"),
        command=("-c", WITH_PROGRAM.format(program)),
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


@pytest.mark.slow
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
    face = until(lambda: job_of(creating, job)["face"], JOB_S)
    size = (*people.photo("ana").shape[1::-1], 0)
    assert (face["width"], face["height"], face["turned"]) == size
    assert len(face["landmarks"]) == 478
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
        if JOB in child.cmdline()
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
