"""What the hub states of a file, asked of a loopback server that answers as the Hugging Face hub does."""

import json
from typing import Any

import pytest

from medbench.errors import DataError
from medbench.storage.download import Download
from medbench.storage.hub import find_on_hub

SHA256 = 64 * "a"
COMMIT = "c0ffee" + 34 * "0"
ASKED = "/api/models/somebody/net/revision"


@pytest.fixture
def hub(loopback):
    siblings = [
        {"rfilename": "README.md", "size": 3},
        {"rfilename": "net.pth", "lfs": {"sha256": SHA256, "size": 1000, "pointerSize": 134}},
    ]
    document = {"id": "somebody/net", "sha": COMMIT, "siblings": siblings}
    loopback.files[f"{ASKED}/main"] = loopback.files[f"{ASKED}/branch%2F1"] = json.dumps(document).encode()
    return loopback


def found(hub: Any, file: str = "net.pth", **how: str) -> tuple[Download, str]:
    return find_on_hub("somebody/net", file, endpoint=hub.address + "/", **how)


@pytest.mark.parametrize("how", [{}, {"revision": "branch/1"}])
def test_a_file_is_found_at_the_commit_and_with_the_checksum_that_the_hub_states(hub, how: dict[str, str]) -> None:
    address = f"{hub.address}/somebody/net/resolve/{COMMIT}/net.pth"
    assert found(hub, **how) == (Download(address, "net.pth", 1000, sha256=SHA256), COMMIT)


def test_nothing_but_the_question_is_sent(hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found(hub)
    [headers] = hub.headers
    assert "secret" not in str(headers)
    assert "torch" not in headers["User-Agent"]
    assert headers["User-Agent"].startswith("medbench/")


def test_the_environment_names_another_hub(hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    assert find_on_hub("somebody/net", "net.pth")[1] == COMMIT


@pytest.mark.parametrize(
    ("file", "revision", "message"),
    [
        ("net.pth", "v2", r"does not give somebody/net at the revision 'v2' \(404 Not Found\): there is none"),
        ("other.pth", "main", r"has no other\.pth in somebody/net at the revision 'main': correct --revision"),
        ("README.md", "main", r"states no SHA-256 of README\.md in somebody/net: get the file by other means"),
    ],
)
def test_what_the_hub_does_not_have_is_named(hub, file: str, revision: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        found(hub, file, revision=revision)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub_is_asked_again_later(hub, status: int) -> None:
    hub.status = status
    with pytest.raises(DataError, match=rf"\({status} .*again later") as refused:
        found(hub)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b"{}", b'{"id": "x", "siblings": [{"rfilename": "a", "lfs": [1]}]}']
)
def test_something_else_than_a_hub_is_named(hub, answer: bytes) -> None:
    hub.files[f"{ASKED}/main"] = answer
    with pytest.raises(DataError, match="is HF_ENDPOINT right"):
        found(hub)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "hub.example.org"])
def test_a_hub_that_cannot_be_reached_is_one_line(endpoint: str) -> None:
    with pytest.raises(DataError, match=rf"{endpoint} cannot be reached .*again; is HF_ENDPOINT right") as refused:
        find_on_hub("somebody/net", "net.pth", endpoint=endpoint)
    assert "\n" not in str(refused.value)
