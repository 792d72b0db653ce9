"""The application without a network: requests go straight into it, however odd they are."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from medbench.reader_study.packet import Packet
from medbench.reader_study.server.app import application, links_of
from medbench.reader_study.server.serve import prepare

_THREAD = ThreadPoolExecutor(1)


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A packet's application and its readers' links."""

    packet: Packet
    app: Any
    tokens: Mapping[str, str]

    def ask(
        self,
        method: str,
        address: str,
        *,
        reader: str | None = "ann",
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; ``address`` is taken byte for byte, as a hostile client would send it."""
        sent = dict(headers or {})
        if reader is not None:
            sent.setdefault("authorization", f"Bearer {self.tokens[reader]}")
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        # In a thread: Playwright keeps a loop running in the main one for as long as its browser is open.
        return _THREAD.submit(asyncio.run, _ask(self.app, method, address, sent, content)).result()


async def _ask(app: Any, method: str, address: str, headers: Mapping[str, str], content: bytes) -> Answer:
    path, _, query = address.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("utf-8", "replace"),
        "root_path": "",
        "query_string": query.encode("utf-8", "replace"),
        "headers": [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    parts = [content[start : start + 4096] for start in range(0, len(content), 4096)] or [b""]
    answer = Answer()

    async def receive() -> dict[str, Any]:
        if not parts:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


@pytest.fixture
def serve_packet() -> Callable[..., Served]:
    def serve(packet: Packet, readers: tuple[str, ...] = ("ann", "bob")) -> Served:
        links = links_of(packet, readers)
        return Served(packet, application(packet, links), links.tokens)

    return serve


@pytest.fixture
def live() -> Iterator[Callable[..., Mapping[str, str]]]:
    """Serve a packet over HTTP on this machine; returns the readers' links."""
    running = []

    def serve(packet: Packet, readers: tuple[str, ...] = ("ann", "bob"), port: int = 0) -> Mapping[str, str]:
        service = prepare(packet, readers, "127.0.0.1", port)
        thread = threading.Thread(target=service.run)
        thread.start()
        running.append((service, thread))
        return service.links

    yield serve
    for service, thread in running:
        service.server.should_exit = True
        service.server.force_exit = True
        thread.join()
        service.listener.close()


@pytest.fixture
def served(packet_of: Callable[..., Packet], serve_packet: Callable[..., Served]) -> Served:
    return serve_packet(packet_of())
