"""Weights from a hub: a loopback server that answers as the Hugging Face hub does."""

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import DataError, SpecError
from medbench.storage.hub import find_on_hub
from medbench.storage.weights import WeightFile, fetch_weights

BODY = bytes(range(256)) * 512
SHA256 = hashlib.sha256(BODY).hexdigest()
COMMIT, OLDER = "c0ffee" + 34 * "0", "01d" + 37 * "0"
WEIGHTS = WeightFile("my-net", "net.pth", "somebody/net on the hub", hub="somebody/net", license="CC BY 4.0")


@dataclass
class Hub:
    """What the server holds and what it was asked."""

    body: bytes = BODY
    siblings: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"rfilename": "README.md", "size": 3},
            {"rfilename": "net.pth", "lfs": {"sha256": SHA256, "size": len(BODY), "pointerSize": 134}},
        ]
    )
    answer: bytes | None = None
    status: int = 200
    breaks_after: int | None = None
    asked: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    state, commits = Hub(), {"main": COMMIT, COMMIT: COMMIT, "v1": OLDER, OLDER: OLDER}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            path = self.path.partition("?")[0]
            if path.startswith("/api/models/somebody/net/revision/"):
                commit = commits.get(path.rsplit("/", 1)[1])
                document = json.dumps({"id": "somebody/net", "sha": commit, "siblings": state.siblings}).encode()
                self._send(state.status if commit else 404, state.answer or document)
            elif path.startswith("/somebody/net/resolve/"):  # contents lie elsewhere
                self.send_response(302)
                self.send_header("Location", f"/contents?of={path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path == "/contents":
                start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
                state.starts.append(start)
                stop, state.breaks_after = state.breaks_after, None
                self._send(206 if start else 200, state.body[start:], stop)
            else:
                self._send(404, b"")

        def _send(self, status: int, body: bytes, stop: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:stop])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_at_the_commit_and_with_the_checksum_that_the_hub_states(hub: Hub) -> None:
    path = fetch_weights(WEIGHTS)
    assert path.read_bytes() == BODY
    assert hub.asked[1] == f"/somebody/net/resolve/{COMMIT}/net.pth"
    kept = path.with_name("net.pth.sha256").read_text(encoding="utf-8")
    assert kept.startswith(f"{SHA256}  net.pth\n# http")
    assert COMMIT in kept
    assert WEIGHTS.locate() == path
    assert WEIGHTS.sha256() == SHA256


def test_what_was_fetched_is_not_asked_for_again(hub: Hub) -> None:
    fetch_weights(WEIGHTS)
    hub.asked.clear()
    fetch_weights(WEIGHTS)
    fetch_weights(WEIGHTS, sha256=SHA256.upper())
    assert hub.asked == []


def test_a_revision_is_what_is_fetched(hub: Hub) -> None:
    fetch_weights(WEIGHTS, revision="v1")
    asked, got = hub.asked[:2]
    assert asked == "/api/models/somebody/net/revision/v1?blobs=true"
    assert got == f"/somebody/net/resolve/{OLDER}/net.pth"


def test_a_download_that_breaks_off_goes_on(hub: Hub) -> None:
    hub.breaks_after = 1000
    assert fetch_weights(WEIGHTS).read_bytes() == BODY
    assert hub.starts == [0, 1000]


def test_other_contents_than_stated_are_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.body = b"x" * len(BODY)
    with pytest.raises(DataError, match="came damaged"):
        fetch_weights(WEIGHTS)
    assert not list((tmp_path / "weights").iterdir())


def test_a_checksum_that_contradicts_the_hub_is_refused_before_the_download(hub: Hub) -> None:
    with pytest.raises(SpecError, match=f"contradicts the hub, which states {SHA256} at commit {COMMIT}"):
        fetch_weights(WEIGHTS, sha256="0" * 64)
    assert len(hub.asked) == 1


def test_a_file_with_one_address_has_no_revisions() -> None:
    with pytest.raises(SpecError, match="leave out --revision"):
        fetch_weights(WeightFile("other", "o.pth", "example.org", url="http://127.0.0.1:1/o.pth"), revision="v1")


def test_unknown_revisions_and_files_are_named(hub: Hub) -> None:
    with pytest.raises(DataError, match=r"does not give somebody/net at the revision 'v2' \(404"):
        find_on_hub("somebody/net", "net.pth", revision="v2")
    with pytest.raises(DataError, match=r"has no other\.pth in somebody/net at the revision 'main'"):
        find_on_hub("somebody/net", "other.pth")


def test_a_file_without_a_stated_checksum_is_refused(hub: Hub) -> None:
    with pytest.raises(DataError, match=r"states no SHA-256 of README\.md"):
        find_on_hub("somebody/net", "README.md")


def test_a_checksum_without_a_size_is_refused(hub: Hub) -> None:
    del hub.siblings[1]["lfs"]["size"]
    with pytest.raises(DataError, match=r"states no SHA-256 of net\.pth"):
        find_on_hub("somebody/net", "net.pth")


def test_a_busy_hub_is_asked_again_later(hub: Hub) -> None:
    hub.status = 503
    with pytest.raises(DataError, match=r"503 .*again later"):
        find_on_hub("somebody/net", "net.pth")


@pytest.mark.parametrize("answer", [b"<html>", b"[]"])
def test_something_else_than_a_hub_is_named(hub: Hub, answer: bytes) -> None:
    hub.answer = answer
    with pytest.raises(DataError, match="is HF_ENDPOINT right"):
        find_on_hub("somebody/net", "net.pth")


def test_an_endpoint_that_is_no_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "hub.example.org")
    with pytest.raises(DataError, match="is HF_ENDPOINT right"):
        find_on_hub("somebody/net", "net.pth")


def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DataError, match="cannot be reached") as refused:
        find_on_hub("somebody/net", "net.pth")
    assert "\n" not in str(refused.value)
