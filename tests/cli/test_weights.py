"""``medbench weights``: listed with licence and way to get them; fetched verified or not at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from medbench import registry
from medbench.storage import catalogue
from medbench.storage.weights import WeightFile

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(BODY).hexdigest()
COMMIT = "c0ffee" + 34 * "0"


@pytest.fixture
def server(loopback, monkeypatch: pytest.MonkeyPatch):
    """A server of one file, and a hub that has the same file at a commit."""
    loopback.files["/net.pth"] = loopback.files[f"/somebody/net/resolve/{COMMIT}/hub.pth"] = BODY
    entry = {"rfilename": "hub.pth", "lfs": {"sha256": SHA256, "size": len(BODY), "pointerSize": 134}}
    document = json.dumps({"id": "somebody/net", "sha": COMMIT, "siblings": [entry]}).encode()
    for revision in ("main", COMMIT):
        loopback.files[f"/api/models/somebody/net/revision/{revision}"] = document
    monkeypatch.setenv("HF_ENDPOINT", loopback.address)
    return loopback


@pytest.fixture
def weights(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightFile:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    url = f"{server.address}/net.pth"
    pinned = WeightFile("my-net", "net.pth", "example.org", url=url, pinned=SHA256, license="CC BY 4.0")
    unpinned = replace(pinned, name="wild-net", file="wild.pth", pinned=None)
    on_hub = replace(unpinned, name="hub-net", file="hub.pth", url=None, hub="somebody/net")
    files = {file.name: file for file in (pinned, unpinned, on_hub)}
    monkeypatch.setattr(catalogue, "weight_files", lambda: files)
    return pinned


def medbench(*arguments: str, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["weights", *arguments])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def refused(*arguments: str) -> str:
    stdout, stderr = medbench(*arguments, code=2)
    assert stdout == ""
    (line,) = [line for line in stderr.splitlines() if line.startswith("medbench: ")]
    return line


def rows() -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(medbench("list", "--json")[0])}


def test_fetch_shows_the_licence_verifies_and_the_list_knows(weights: WeightFile, tmp_path: Path) -> None:
    assert rows()["my-net"] == {
        "name": "my-net",
        "here": False,
        "path": None,
        "sha256": SHA256,
        "licence": "CC BY 4.0",
        "how": weights.how_to_get(),
    }
    stdout, stderr = medbench("fetch", "My-Net")
    assert "CC BY 4.0" in stderr
    assert "my-net: verified" in stdout
    path = tmp_path / "weights" / "net.pth"
    assert path.read_bytes() == BODY
    assert rows()["my-net"] | {"how": ""} == {
        "name": "my-net",
        "here": True,
        "path": str(path),
        "sha256": SHA256,
        "licence": "CC BY 4.0",
        "how": "",
    }


def test_json_holds_one_document(weights: WeightFile, tmp_path: Path) -> None:
    stdout, _ = medbench("fetch", "my-net", "--json")
    assert json.loads(stdout) == {"name": "my-net", "path": str(tmp_path / "weights" / "net.pth"), "sha256": SHA256}


def test_a_broken_download_resumes_with_the_same_command(weights: WeightFile, server) -> None:
    server.breaks_after = [1000, 0]
    assert "run the same command again, it resumes after the 1000 bytes" in refused("fetch", "my-net")
    assert not rows()["my-net"]["here"]
    medbench("fetch", "my-net")
    assert server.ranges[-1] == "bytes=1000-"
    assert weights.sha256() == SHA256


def test_another_file_at_the_address_is_not_kept(weights: WeightFile, server, tmp_path: Path) -> None:
    server.files["/net.pth"] = b"<html>quota exceeded</html>"
    server.files[f"/somebody/net/resolve/{COMMIT}/hub.pth"] = b"x" * len(BODY)
    for name in ("my-net", "hub-net"):
        assert "came damaged (SHA-256" in refused("fetch", name)
    assert list((tmp_path / "weights").iterdir()) == []
    assert not rows()["my-net"]["here"]


def test_without_published_checksum_the_user_gives_one_and_it_holds(weights: WeightFile, tmp_path: Path) -> None:
    line = refused("fetch", "wild-net")
    assert "no checksum of 'wild-net' is published" in line
    assert "--sha256 HEX" in line
    assert not (tmp_path / "weights").exists()
    assert "came damaged" in refused("fetch", "wild-net", "--sha256", "0" * 64)
    medbench("fetch", "wild-net", "--sha256", SHA256.upper())
    assert rows()["wild-net"]["here"]
    (tmp_path / "weights" / "wild.pth").write_bytes(b"altered")
    row = rows()["wild-net"]
    assert not row["here"]
    assert "is not the file that is pinned" in str(row["how"])


def test_a_file_on_the_hub_comes_with_its_commit_checksum_and_licence(
    weights: WeightFile, server, tmp_path: Path
) -> None:
    assert str(rows()["hub-net"]["how"]).startswith("run 'medbench weights fetch hub-net', or")
    stdout, stderr = medbench("fetch", "hub-net", "--revision", COMMIT, "--sha256", SHA256)
    assert "hub-net: verified" in stdout
    told = "".join(stderr.split())  # lines are wrapped at the terminal's width
    assert f"commit{COMMIT},SHA-256{SHA256}" in told
    assert "CCBY4.0" in told
    assert rows()["hub-net"]["sha256"] == SHA256
    kept = (tmp_path / "weights" / "hub.pth.sha256").read_text(encoding="utf-8")
    assert kept == f"{SHA256}  hub.pth\n# {server.address}/somebody/net/resolve/{COMMIT}/hub.pth\n"
    server.asked.clear()
    medbench("fetch", "hub-net")
    medbench("fetch", "hub-net", "--sha256", SHA256.upper())
    assert server.asked == [], "what was fetched is not asked for again"


def test_the_hub_answers_wrong_revisions_and_checksums_with_one_line(weights: WeightFile, tmp_path: Path) -> None:
    assert "at the revision 'v9' (404" in refused("fetch", "hub-net", "--revision", "v9")
    assert f"contradicts the hub, which states {SHA256}" in refused("fetch", "hub-net", "--sha256", "0" * 64)
    assert "leave out --revision" in refused("fetch", "my-net", "--revision", COMMIT)
    assert not (tmp_path / "weights").exists()


def test_a_broken_download_from_the_hub_resumes_with_the_same_command(weights: WeightFile, server) -> None:
    server.breaks_after = [10_000, 1000, 0]  # the hub's answer comes whole
    assert "it resumes after the 1000 bytes" in refused("fetch", "hub-net")
    assert not rows()["hub-net"]["here"]
    medbench("fetch", "hub-net")
    assert server.ranges[-1] == "bytes=1000-"
    assert rows()["hub-net"]["sha256"] == SHA256


def test_an_altered_file_is_listed_as_refused(weights: WeightFile, tmp_path: Path) -> None:
    medbench("fetch", "my-net")
    (tmp_path / "weights" / "net.pth").write_bytes(b"altered")
    assert "is not the file that is pinned" in str(rows()["my-net"]["how"])
    assert "move it away" in refused("fetch", "my-net")


def test_unknown_names_answer_with_near_ones(weights: WeightFile) -> None:
    assert "no weights are called 'my-nett': did you mean my-net" in refused("fetch", "my-nett")


def test_the_list_in_words_has_licences(weights: WeightFile) -> None:
    stdout, _ = medbench("list")
    assert "my-net (CC BY 4.0): not here; run 'medbench weights fetch my-net'" in stdout


def test_all_weights_of_installed_plugins_are_listed() -> None:
    found = rows()
    assert {"radimagenet-resnet50", "dinov2-vits14", "medicalnet-resnet10", "lpips-alexnet", "phantom"} <= set(found)
    assert found["phantom"]["here"]
    assert {"medlord-luna-ds8-vqgan", "medlord-luna-ds8-ldm"} <= set(found)
    for name in ("dinov2-vits14", "medicalnet-resnet10", "lpips-alexnet", "lpips-squeezenet"):
        assert len(str(found[name]["sha256"])) == 64
    assert found["radimagenet-resnet50"]["sha256"] is None
    assert all(row["licence"] for row in found.values())
    # torch.hub's file names hold the first 8 digits of the SHA-256.
    assert str(found["lpips-alexnet"]["sha256"]).startswith("7be5be79")
    assert str(found["lpips-squeezenet"]["sha256"]).startswith("b8a52dc0")


def test_check_describes_a_checkpoint_in_a_table_and_as_json() -> None:
    shipped = registry.load("generators", "ha-gan")("tiny", device="cpu").default_checkpoint()
    shown, _ = medbench("check", str(shipped), "--model", "HA-GAN", "--device", "cpu")
    assert "a checkpoint of ha-gan, held against the preset tiny (fits: tiny)" in shown
    assert shown.splitlines()[-1] == "usable"
    document = json.loads(medbench("check", str(shipped), "--model", "ha-gan", "--json")[0])
    assert document["usable"] and document["presets"] == ["tiny"] and document["parts"][0]["types"] == ["float16"]


def test_check_ends_with_code_2_where_the_file_cannot_be_used(tmp_path: Path) -> None:
    shipped = registry.load("generators", "ha-gan")("tiny", device="cpu").default_checkpoint()
    shown, told = medbench("check", str(shipped), "--model", "ha-gan", "--preset", "paper", "--json", code=2)
    assert not json.loads(shown)["usable"]
    assert "cannot be used by ha-gan, preset 'paper': made by the preset 'tiny'" in told
    assert "does not exist" in refused("check", str(tmp_path / "none"), "--model", "ha-gan")
    assert "real has no weight files" in refused("check", str(shipped), "--model", "real")
