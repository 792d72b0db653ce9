"""The server of ``medbench view``: what it answers, what it refuses, and its page in a real browser."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import SpecError
from medbench.viewer.offered import offered
from medbench.viewer.server import ViewServer

SHAPE = (32, 24, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantoms with masks, and a file that is no volume by its content."""
    folder = tmp_path_factory.mktemp("scans")
    for index, name in enumerate(("a", "b")):
        volume, labels = generate(index, SHAPE)
        volume.write(folder / f"{name}.nii.gz")
        labels.write(folder / "masks" / f"{name}.nii.gz")
    (folder / "c.nii.gz").write_bytes(b"no volume")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ViewServer]:
    with ViewServer(offered(folder), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: ViewServer, path: str, *, token: str | None = None, host: str = "") -> tuple[int, bytes]:
    """Send one request; ``path`` goes as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    token = server.token if token is None else token
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}", **({"Host": host} if host else {})})
    answer = connection.getresponse()
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    body = answer.read()
    connection.close()
    return answer.status, body


def test_volumes_are_listed_and_sent_slab_by_slab(server: ViewServer) -> None:
    status, body = ask(server, "/api/volumes")
    assert status == 200
    assert [one["name"] for one in json.loads(body)] == ["a", "b", "c"]
    about = json.loads(ask(server, "/api/volumes/1")[1])
    assert about["shape"] == list(SHAPE)
    assert about["regions"]
    volume, labels = generate(1, SHAPE)
    slab = np.frombuffer(ask(server, "/api/volumes/1/slices/3/2")[1], "<i2").reshape(2, SHAPE[1], SHAPE[0])
    assert np.array_equal(slab, volume.voxels.transpose(2, 1, 0)[3:5])
    assert ask(server, "/api/volumes/1/labels")[1] == labels.voxels.tobytes(order="F")


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_without_the_token_nothing_of_a_volume_is_told(server: ViewServer, token: str) -> None:
    for path in ("/api/volumes", "/api/volumes/0", "/api/volumes/0/slices/0/1"):
        status, body = ask(server, path, token=token.encode().decode("latin-1"))
        assert status == 401
        assert set(json.loads(body)) == {"error"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1:1"])
def test_another_hosts_name_is_refused(server: ViewServer, host: str) -> None:
    assert ask(server, "/", host=host)[0] == 421
    assert ask(server, "/api/volumes", host=host)[0] == 421


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/page.py", "/nowhere", "/static/", "/api/volumes/3",
     "/api/volumes/-1", "/api/volumes/0/slices/15/2", "/api/volumes/0/slices/0/0", "/api/other"],
)  # fmt: skip
def test_nothing_else_is_served(server: ViewServer, path: str) -> None:
    assert ask(server, path)[0] == 404


def test_a_file_that_cannot_be_read_costs_itself_alone(server: ViewServer) -> None:
    status, body = ask(server, "/api/volumes/2")
    assert status == 422
    assert "c.nii.gz" in json.loads(body)["error"]
    assert ask(server, "/api/volumes/0")[0] == 200


def test_a_port_that_is_taken_is_refused_in_one_line(server: ViewServer) -> None:
    with pytest.raises(SpecError, match="choose another --port"):
        ViewServer([], server.server_port)


def test_the_page_shows_a_volume_and_another_one_beside_it(server: ViewServer, visit: Any, accessible: Any) -> None:
    page = visit(server.url)
    page.wait_for_selector(".viewer-pane")
    assert page.locator(".viewer-volume-title").all_inner_texts() == ["a"]
    page.get_by_label("Beside it").select_option("b")
    page.wait_for_selector(".viewer-volume-title:text-is('b')")
    assert page.locator("text=Axial 9 / 16").count() == 2
    page.get_by_role("button", name="Labels").click()
    page.wait_for_selector("button[aria-label=Labels][aria-pressed=true]")
    accessible(page)


def test_the_page_says_what_it_cannot_show(server: ViewServer, visit: Any) -> None:
    page = visit(server.url)
    page.wait_for_selector(".viewer-pane")
    page.get_by_label("Volume").select_option("c")
    page.get_by_role("status").get_by_text("cannot be shown").wait_for()


def test_the_page_without_its_token_says_how_to_get_in(server: ViewServer, visit: Any) -> None:
    page = visit(server.url.partition("#")[0])
    page.get_by_role("status").get_by_text("medbench view").wait_for()
