"""The files that make the page: a fixed list, read at the start; no path of a request ever reaches the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medbench.viewer import assets

STATIC: Final = Path(__file__).parent / "static"

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Pages:
    """The application's files and the viewer's, by the path of their address."""

    def __init__(self) -> None:
        folders = {"study": STATIC, "viewer": assets.STATIC}
        self._files = {
            f"/{name}/{file.name}": file
            for name, folder in folders.items()
            for file in folder.iterdir()
            if file.is_file()
        }
        self._files["/"] = STATIC / "index.html"
        self._contents = {path: file.read_bytes() for path, file in self._files.items()}

    def get(self, request: Request) -> Response:
        """Answer a request for a file."""
        path = request.url.path
        if path not in self._files:
            return JSONResponse({"error": "there is no such page"}, 404)
        return Response(self._contents[path], media_type=_KINDS[self._files[path].suffix])
