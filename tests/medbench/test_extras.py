"""The default install does without every extra, and says what one would add."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from medbench import Volume
from medbench.datasets.phantom.dataset import generate
from medbench.errors import Unavailable
from medbench.extras import EXTRAS, missing
from medbench.metrics.frd import Frd

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = PROJECT["optional-dependencies"]
FOR_DEVELOPERS = {"all", "docs", "test"}

# Put first on the path of a process and of those that it starts: what the extras bring is not there.
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Without())
"""
COMMANDS = """
import sys
from cli.main import app
for arguments in (
    ["list", "metrics", "--json"],
    ["doctor", "--json"],
    ["evaluate", "samples", "--real", "real", "--metrics", "mmd3d,frd", "--out", "out", "--quiet", "--workers", "1"],
):
    print("#", *arguments, flush=True)
    code = app(arguments, standalone_mode=False)
    assert not code, (arguments, code)
"""


def _name(requirement: str) -> str:
    return Requirement(requirement).name.lower().replace("_", "-")


def test_every_extra_says_what_it_brings_and_which_modules() -> None:
    assert set(EXTRAS) == set(DECLARED) - FOR_DEVELOPERS
    owners = packages_distributions()
    for name, extra in EXTRAS.items():
        brought = {_name(requirement) for requirement in DECLARED[name]}
        found = {owner.lower().replace("_", "-") for module in extra.modules for owner in owners.get(module, ())}
        assert found >= brought, f"{name}: medbench/extras.py names no module of {brought - found}"


def test_all_brings_every_extra_and_the_tests_need_all() -> None:
    assert set(Requirement(DECLARED["all"][0]).extras) == set(EXTRAS)
    assert "medbench[all]" in DECLARED["test"]


def test_every_extra_has_its_row_on_the_page() -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert [name for name in EXTRAS if f"| `{name}` |" not in page] == []


def test_no_default_requirement_is_an_extra_too() -> None:
    always = {_name(requirement) for requirement in PROJECT["dependencies"]}
    assert not always & {_name(requirement) for name in EXTRAS for requirement in DECLARED[name]}
    assert not always & {"itk", "lpips", "pooch"}


def test_what_is_missing_is_named_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing("radiomics", "frd") is None
    monkeypatch.setitem(sys.modules, "mirp", None)
    wanted = 'frd needs mirp, which is not installed: python -m pip install "medbench[radiomics]"'
    assert missing("radiomics", "frd") == wanted
    with pytest.raises(Unavailable, match=r"medbench\[radiomics\]"):
        Frd().measure(None)  # type: ignore[arg-type]  # refused before it looks at anything


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for side, first in (("real", 0), ("samples", 10)):
        for seed in range(first, first + 6):
            volume, _ = generate(seed, (32, 32, 16))
            Volume(np.asarray(volume.voxels), volume.affine).write(tmp_path / side / f"{seed}.nii.gz")
    return tmp_path


def test_the_default_install_needs_nothing_of_the_extras(folders: Path) -> None:
    modules = {module for extra in EXTRAS.values() for module in extra.modules} | {"itk", "lpips", "pooch"}
    (folders / "sitecustomize.py").write_text(WITHOUT.format(modules=modules), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folders), "MEDBENCH_HOME": str(folders / "home")}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS], cwd=folders, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    listed, checked = (json.loads(part.partition("\n")[2]) for part in done.stdout.split("# ")[1:3])
    assert "frd" in {row["name"] for row in listed}
    extras = {row["check"]: row for row in checked if row["check"].startswith("extra ")}
    assert set(extras) == {f"extra {name}" for name in EXTRAS}
    for name in EXTRAS:
        assert not extras[f"extra {name}"]["ok"]
        assert extras[f"extra {name}"]["mend"] == f'python -m pip install "medbench[{name}]"'
    results = json.loads((folders / "out" / "results.json").read_text(encoding="utf-8"))
    assert [result["metric"] for result in results["results"]] == ["mmd3d"]
    [reason] = [entry["reason"] for entry in results["skipped"] if entry["metric"] == "frd"]
    assert reason == 'it needs mirp, which is not installed: python -m pip install "medbench[radiomics]"'
