"""The application: which address leads where."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.server.api import Api, Refusal, refused
from medbench.reader_study.server.guard import Guard
from medbench.reader_study.server.links import Links, links_file
from medbench.reader_study.server.pages import Pages
from medbench.reader_study.server.reading import Reading

_LOG: Final = logging.getLogger("medbench.reader_study.server")


def links_of(packet: Packet, readers: Sequence[str]) -> Links:
    """Return the private links of some readers, the same ones at every start.

    Raises:
        DataError: the file of links is damaged.
        StorageError: it cannot be written.
    """
    return Links.keep(readers, links_file(packet.study.commitment))


def application(packet: Packet, links: Links) -> Starlette:
    """Return the application that serves a packet to the readers who have a link.

    Raises:
        SpecError: more readers than the packet has orders, or an invalid name.
        DataError: the list of orders is damaged.
        StorageError: the ratings cannot be written.
    """
    ratings = Ratings(packet)
    api = Api(packet, links, {reader: Reading(ratings, reader) for reader in links.tokens})
    return Starlette(
        routes=[
            Route("/api/study", api.study),
            Route("/api/cases/{case}/slices/{first}/{count}", api.slices),
            Route("/api/trials/{trial}/open", api.open, methods=["POST"]),
            Route("/api/trials/{trial}", api.save, methods=["PATCH"]),
            Route("/{path:path}", Pages().get),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={Refusal: refused, HTTPException: _no_such_address, Exception: _failed},
    )


async def _no_such_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    _LOG.exception("%s %s failed", request.method, request.url.path)
    return JSONResponse({"error": "the server failed; nothing that was saved is lost, and your page tries again"}, 500)
