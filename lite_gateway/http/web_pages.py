"""Pages for browsers, and their files."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_NOT_SERVED = ("package.json", "package-lock.json")


class WebPages(StaticFiles):
    """Files of the folder ``web``; pages get ``headers``."""

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=folder, html=True)
        self._page_headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
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


def web_page(path: Path, headers: Mapping[str, str]) -> Response:
    """Return a page that has an address of its own, with its headers."""
    return FileResponse(path, headers=dict(headers))
