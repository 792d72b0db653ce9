"""Serve a packet until Ctrl-C."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

import uvicorn

from medbench.errors import SpecError
from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.server.app import application, links_of
from medbench.reader_study.tables import reader_name


@dataclass(frozen=True)
class Service:
    """A packet ready to be served: the socket listens already.

    Args:
        server: see ``run``.
        listener: the socket.
        links: the private link of each reader.
        private: whether this machine alone can reach it.
    """

    server: uvicorn.Server
    listener: socket.socket
    links: Mapping[str, str]
    private: bool

    def run(self) -> None:
        """Answer requests until ``server.should_exit``; in any thread."""
        self.server.run(sockets=[self.listener])

    def run_until_interrupted(self) -> None:
        """Answer requests until Ctrl-C; in the main thread, where signals arrive.

        Raises:
            KeyboardInterrupt: Ctrl-C, whenever it came: while the server still starts, Python would raise it inside the
                event loop's constructor and leave that half built.
        """
        interrupted = False

        def stop(signum: int, frame: FrameType | None) -> None:
            nonlocal interrupted
            interrupted = self.server.should_exit = True

        before = signal.signal(signal.SIGINT, stop)
        try:
            self.run()
        finally:
            signal.signal(signal.SIGINT, before)
        if interrupted:
            raise KeyboardInterrupt


def prepare(packet: Packet, readers: Sequence[str], host: str, port: int) -> Service:
    """Take the port and give every reader a link.

    Args:
        packet: open and verified.
        readers: names; none means those who have begun, or else ``reader-1``.
        host: an address or name of this machine.
        port: 0 takes a free one.

    Raises:
        SpecError: the port or address cannot be had; more readers than the packet has orders; an invalid name.
        DataError: a file of links or orders is damaged.
        StorageError: links or ratings cannot be written.
    """
    names = [reader_name(name) for name in readers] or Ratings(packet).readers() or ["reader-1"]
    links = links_of(packet, names)
    app = application(packet, links)
    listener = _listen(host, port)
    base = f"http://{_address(host)}:{listener.getsockname()[1]}/#"
    config = uvicorn.Config(app, access_log=False, log_level=logging.WARNING, server_header=False, lifespan="off")
    return Service(
        uvicorn.Server(config), listener, {name: base + token for name, token in links.tokens.items()}, _loopback(host)
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise SpecError(f"cannot listen at {host} port {port} ({error}): choose another --port or --host") from error


def _address(host: str) -> str:
    """Return what readers type for a host: a machine that listens everywhere is called by its name."""
    if host in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
