"""Jobs that make avatars from photos, answered to a page in place of the gateway."""

import email.parser
import email.policy
import itertools
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Request, Route

DRAWN = {"width": 200, "height": 100, "turned": 0}
FACE = {
    **DRAWN,
    "box": [70, 20, 60, 60],
    "landmarks": [[100 + n % 25, 50 + n // 25] for n in range(478)],
}
RUNNING = {
    "state": "running", "progress": 0.1, "step": "finding the face", "face": None,
    "warnings": [], "reason": None, "preview": None, "avatar_id": None,
    "kept": False, "expires_in_s": None,
}  # fmt: skip
Answer = tuple[int, dict[str, Any]]


def ok(data: Any) -> dict[str, Any]:
    return {"code": 1000, "data": data, "message": "ok"}


def refusal(code: str, message: str) -> dict[str, Any]:
    """Return the body of a refused photo or form."""
    reason = {"code": code, "message": message}
    return {"code": 4422, "data": None, "message": message, "reason": reason}


@dataclass
class PhotoJobs:
    """
    The gateway's answers about jobs, as PROTOCOL.md has them.

    A test changes ``job``, the answer of each job until it has ended, and reads what
    the page has sent: ``forms`` by field, ``kept`` bodies and ``deleted`` ids.
    ``ended`` are the answers of jobs that have ended, by id.
    """

    avatar_id: str  # of the avatar that stands for each draft
    preview: bytes = b""
    title: str = "Anna"
    job: dict[str, Any] = field(default_factory=lambda: dict(RUNNING))
    post: Answer | None = None  # in place of a new job
    keep: Answer | None = None
    lost: bool = False  # no answer at all
    limited: bool = False  # the key has made too many requests
    holds_deletes: bool = False  # until `release`
    forms: list[dict[str, Any]] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    _held: list[Route] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def attach(self, page: Page) -> None:
        page.route("**/v1/avatars", self._create)
        page.route("**/v1/avatars/jobs/**", self._answer)

    def set(self, **changes: Any) -> None:
        self.job = {**self.job, **changes}

    def finish(self, **changes: Any) -> None:
        """Let the job end with a draft."""
        self.set(state="finished", progress=1.0, step="done", preview="/preview",
                 avatar_id=self.avatar_id, expires_in_s=1800, **changes)  # fmt: skip

    def fail(self, code: str, message: str) -> None:
        self.set(state="failed", reason={"code": code, "message": message})

    def release(self) -> None:
        """Answer the requests to delete that are held."""
        self.holds_deletes = False
        for route in self._held:
            route.fulfill(json=ok(None))

    def _create(self, route: Route) -> None:
        assert route.request.headers["x-api-key"]
        self.forms.append(form_of(route.request))
        if self.post is not None:
            status, body = self.post
            route.fulfill(status=status, json=body)
        else:
            route.fulfill(status=202, json=ok(self._job(f"job-{next(self._numbers)}")))

    def _job(self, job_id: str) -> dict[str, Any]:
        preview = self.job["preview"] and f"/v1/avatars/jobs/{job_id}/preview"
        job = {**self.job, "job_id": job_id, "title": self.title, "preview": preview}
        if job["state"] != "running":
            self.ended[job_id] = job
        return job

    def _answer(self, route: Route) -> None:
        request = route.request
        assert request.headers["x-api-key"]
        job_id, _, part = request.url.partition("/jobs/")[2].partition("/")
        if self.lost:
            route.abort()
        elif self.limited:
            body = {"code": 4429, "data": None, "message": "try again in 2.0 s"}
            route.fulfill(status=429, json=body)
        elif request.method == "DELETE":
            self.deleted.append(job_id)
            if self.holds_deletes:
                self._held.append(route)
            else:
                route.fulfill(json=ok(None))
        elif part == "preview":
            route.fulfill(body=self.preview, content_type="image/png")
        elif part == "keep":
            self.kept.append(request.post_data_json)
            item = {"id": self.avatar_id, "name": "anna", "title": self.title}
            status, body = self.keep or (200, ok(item))
            route.fulfill(status=status, json=body)
        elif job_id in self.deleted:
            body = {"code": 4404, "data": None, "message": "no such job"}
            route.fulfill(status=404, json=body)
        else:
            job = self.ended.get(job_id) or self._job(job_id)
            route.fulfill(json=ok(job))


def form_of(request: Request) -> dict[str, Any]:
    """Return the fields of a form; files as their name, type and content."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    body = request.post_data_buffer or b""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    fields: dict[str, Any] = {}
    for part in parser.parsebytes(head + body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        file = part.get_filename()
        if file is None:
            fields[str(name)] = content.decode()
        else:
            fields[str(name)] = (file, part.get_content_type(), content)
    return fields
