"""Pages for browsers, and their files."""

import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_NOT_SERVED = ("package.json", "package-lock.json")
_MISSING = "missing.html"
_API = ("v1", "v2")  # first parts of paths that answer JSON to everybody


class WebPages(StaticFiles):
    """
    Files of the folder ``web``; pages get ``headers``.

    Browsers get a page for a wrong address, other clients the 404 of the API.
    """

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=folder, html=True)
        self._missing = folder / _MISSING
        self._page_headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await self._found(path, scope)
        except HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND or not _is_page(path, scope):
                raise
        headers = dict(self._page_headers)
        return FileResponse(self._missing, HTTPStatus.NOT_FOUND, headers=headers)

    async def _found(self, path: str, scope: Scope) -> Response:
        name = PurePosixPath(path).name
        hidden = name.startswith(".") and len(name) > 1
        if hidden or name in _NOT_SERVED:
            raise HTTPException(404)
        return await super().get_response(path, scope)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if str(full_path).endswith(".html"):
            response.headers.update(self._page_headers)
        return response


def _is_page(path: str, scope: Scope) -> bool:
    """Return whether a browser asks for ``path`` as a page."""
    accepted = Headers(scope=scope).get("accept", "")
    return "text/html" in accepted and path.partition("/")[0] not in _API


def web_page(path: Path, headers: Mapping[str, str]) -> Response:
    """Return a page that has an address of its own, with its headers."""
    return FileResponse(path, headers=dict(headers))
