"""Nodes that differ: one's disk is full, one does not see the weights. A node is a mount namespace of its own."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.records.manifest import Manifest
from medbench.storage.files import sha256_of

pytestmark = pytest.mark.slow
pytest.importorskip("distributed", reason='pip install -e ".[test]" has dask.distributed')
TINY = Path(__file__).parents[1] / "soak" / "tiny.py"


@pytest.fixture
def node(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """Return the words that start a command in a namespace of its own, after a command there."""
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    try:
        done = subprocess.run(tried, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"needs unshare: {error}")
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    return lambda first: ("unshare", "--mount", "sh", "-c", f'{first} && exec "$@"', "sh")


@pytest.fixture
def sampled(
    tmp_path: Path, medbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, dict[int, str]]]:
    """Sample; return how the command ended and the hashes of the samples that are whole."""
    import torch

    from medbench.storage.tensors import write_weights

    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    weights = {"weight": torch.ones(1), "bias": torch.zeros(1)}
    file = tmp_path / "weights.safetensors"
    write_weights(file, weights, {"model": "levelled", "step": 1}, stored="float32")

    def sample(count: int, *more: str, out: str = "run") -> tuple[Any, dict[int, str]]:
        words = ["sample", "--model", f"{TINY}:Levelled", "--dataset", f"{TINY}:Bodies", "--conditions", "train"]
        words += ["--checkpoint", str(file), "--samples", str(count), "--device", "cpu"]
        done = medbench(*words, "--out", str(tmp_path / out), "--quiet", *more)
        made = Manifest(tmp_path / out / "samples").complete(count, checkpoint=sha256_of(file))
        return done, {index: record.sha256 for index, record in made.items()}

    return sample


def test_a_node_whose_disk_is_full_is_told_and_what_was_made_is_kept(
    node: Callable[[str], tuple[str, ...]],
    clusters: Any,
    sampled: Callable[..., Any],
    tmp_path: Path,
    refused: Callable[..., Any],
) -> None:
    _, alone = sampled(6, out="alone")
    sampled(2)
    full = f"mount -t tmpfs -o size=8k tmpfs {shlex.quote(str(tmp_path / 'run' / 'samples'))}"
    with clusters.dask(tmp_path / "dask", workers=2, before=node(full)) as cluster:
        cluster.wait_until_there(2)
        done, made = sampled(6, *cluster.words, "--workers", "2")
        assert re.search(r"cannot write .*: the disk is full", refused(done))
    assert 2 <= len(made) < 6
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "samples").glob("[!.]*.nii.gz")}
    with clusters.dask(tmp_path / "dask-mended") as cluster:
        done, after = sampled(6, *cluster.words)
    assert done.returncode == 0, done.stderr
    assert after == alone
    assert all(path.stat().st_mtime_ns == time for path, time in times.items() if int(path.name[:6]) in made)


def test_a_node_that_does_not_see_the_weights_is_told(
    node: Callable[[str], tuple[str, ...]],
    clusters: Any,
    sampled: Callable[..., Any],
    tmp_path: Path,
    refused: Callable[..., Any],
) -> None:
    hidden = f"mount --bind /dev/null {shlex.quote(str(tmp_path / 'weights.safetensors'))}"
    with clusters.dask(tmp_path / "dask", workers=1, before=node(hidden)) as cluster:
        done, made = sampled(2, *cluster.words)
    assert made == {}
    assert "put the weights where all workers see them" in refused(done)
