"""A server on this machine alone that shows volumes in the viewer; nothing beyond the standard library."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from medbench.errors import DataError, SpecError
from medbench.viewer.assets import STATIC
from medbench.viewer.offered import Offered
from medbench.viewer.slices import SliceCache

HOST: Final = "127.0.0.1"
PAGE: Final = "view.html"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_KINDS: Final = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript"}
_VOLUME: Final = re.compile(r"/api/volumes/(\d{1,9})(?:/(labels)|/slices/(\d{1,9})/(\d{1,9}))?")


class ViewServer(ThreadingHTTPServer):
    """Serves volumes to whoever has the address with its token; the port is taken at once.

    Args:
        volumes: what can be looked at.
        port: 0 takes a free one.

    Raises:
        SpecError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, volumes: Sequence[Offered], port: int) -> None:
        self.volumes = volumes
        self.token = secrets.token_urlsafe(24)
        self.cache = SliceCache(lambda place: volumes[int(place)].slices())
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise SpecError(f"cannot listen at {HOST} port {port} ({error}): choose another --port") from error

    @property
    def url(self) -> str:
        """The address of the page; what follows the # stays in the browser, and opens the volumes."""
        return f"http://{HOST}:{self.server_port}/#{self.token}"


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "medbench", ""
    server: ViewServer

    def do_GET(self) -> None:
        """Answer a request for the page, for one of its files, or for a volume."""
        path = urlsplit(self.path).path
        # A page elsewhere could make a name of its own lead to this machine: only this address is answered.
        if self.headers.get("Host") not in {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this server answers for this machine alone")
        elif not path.startswith("/api/"):
            self._file(path.removeprefix("/static/") if path != "/" else PAGE)
        elif not hmac.compare_digest(self.headers.get("Authorization", "").encode(), self._secret):
            self._refuse(HTTPStatus.UNAUTHORIZED, "open the address that 'medbench view' printed")
        else:
            self._api(path)

    @property
    def _secret(self) -> bytes:
        return f"Bearer {self.server.token}".encode()

    def _file(self, name: str) -> None:
        path = STATIC / name
        if "/" in name or path.suffix not in _KINDS or not path.is_file():
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        self._send(path.read_bytes(), _KINDS[path.suffix])

    def _api(self, path: str) -> None:
        if path == "/api/volumes":
            self._json([one.described() for one in self.server.volumes])
            return
        found = _VOLUME.fullmatch(path)
        if found is None or int(found[1]) >= len(self.server.volumes):
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such volume")
            return
        try:
            slab = None if found[3] is None else (int(found[3]), int(found[4]))
            self._volume(int(found[1]), labels=found[2] is not None, slab=slab)
        except DataError as error:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except IndexError as error:
            self._refuse(HTTPStatus.NOT_FOUND, str(error))

    def _volume(self, place: int, *, labels: bool, slab: tuple[int, int] | None) -> None:
        if labels:
            found = self.server.volumes[place].label_map()
            self._send(found.voxels.tobytes(order="F"), "application/octet-stream")
            return
        slices = self.server.cache.get(str(place))
        if slab is not None:
            self._send(slices.slab(*slab), "application/octet-stream")
            return
        self._json({"shape": slices.shape, "spacing": slices.spacing_mm} | self.server.volumes[place].regions_told())

    def _json(self, document: Any) -> None:
        self._send(json.dumps(document).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send(json.dumps({"error": reason}).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the user's."""
