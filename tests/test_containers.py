"""The container recipes install what the README installs, as no root, from a pinned base."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINERFILE, APPTAINER = ROOT / "containers" / "Containerfile", ROOT / "containers" / "medbench.def"
RECIPES = [CONTAINERFILE, APPTAINER]
BUILDERS = [name for name in ("podman", "docker") if shutil.which(name)]
MINUTES = 20


def instructions(path: Path) -> str:
    """Return a recipe without its comments, continued lines joined."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_base_is_pinned_to_a_version_that_medbench_runs_on(path: Path) -> None:
    [base] = re.findall(r"(?mi)^from:?\s+(\S+)$", instructions(path))
    found = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-[a-z]+", base)
    assert found, f"{base} is not pinned"
    assert (3, 11) <= (int(found[1]), int(found[2])) <= (3, 13)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_it_installs_as_the_readme_says_and_takes_the_whole_package(path: Path) -> None:
    told = instructions(path)
    assert "python -m pip install ." in (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r'python -m pip install --no-cache-dir "\.(\$EXTRAS|\{\{ EXTRAS \}\})"', told)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in ("tests", "docs")}
    for name in (*packages, "pyproject.toml", "README.md", "LICENSE"):
        assert re.search(rf"(?m)(^COPY .*|^\s+)\b{re.escape(name)}\b", told), f"{path.name} lacks {name}"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_torch_is_bounded_as_in_the_package(path: Path) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = re.findall(r'"(torch(?:vision)?>=[\d.]+)"', instructions(path))
    assert len(wanted) == 2 and all(f'"{one}"' in project for one in wanted)


def test_nothing_runs_as_root() -> None:
    told = instructions(CONTAINERFILE)
    assert re.findall(r"(?m)^USER (\S+)$", told) == ["1000"]
    assert told.index("USER 1000") > told.rindex("\nRUN ")
    assert told.index("USER 1000") < told.index("ENTRYPOINT")


def test_apptainers_sections_are_known_and_start_medbench() -> None:
    sections = re.findall(r"(?m)^%(\w+)$", APPTAINER.read_text(encoding="utf-8"))
    known = {"arguments", "files", "post", "environment", "runscript", "test", "help", "labels", "setup", "startscript"}
    assert set(sections) <= known and len(sections) == len(set(sections))
    assert 'exec medbench "$@"' in APPTAINER.read_text(encoding="utf-8")


def test_hadolint_finds_nothing() -> None:
    linter = shutil.which("hadolint") or shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    if linter is None:
        pytest.skip("hadolint comes with the test extra on Linux (x86_64) alone")
    found = subprocess.run([linter, str(CONTAINERFILE)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(not BUILDERS, reason="neither podman nor docker is installed")
def test_the_image_is_built_and_starts() -> None:
    base = re.findall(r"(?m)^FROM (\S+)$", CONTAINERFILE.read_text(encoding="utf-8"))[0]
    pulled = subprocess.run([BUILDERS[0], "pull", base], capture_output=True, text=True, check=False, timeout=600)
    if pulled.returncode != 0:
        pytest.skip(f"{base} cannot be had here: {pulled.stderr.strip().splitlines()[-1:]}")
    build = [BUILDERS[0], "build", "-f", str(CONTAINERFILE), "-t", "medbench-test", str(ROOT)]
    subprocess.run(build, check=True, timeout=60 * MINUTES)
    told = subprocess.run([BUILDERS[0], "run", "--rm", "medbench-test", "--version"], capture_output=True, text=True)
    assert told.stdout.startswith("medbench ")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("apptainer") is None, reason="apptainer is not installed")
def test_the_apptainer_image_is_built_and_starts(tmp_path: Path) -> None:
    image = tmp_path / "medbench.sif"
    build = ["apptainer", "build", str(image), str(APPTAINER)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60 * MINUTES)
    if "pinging container registry" in built.stderr or "no such host" in built.stderr:
        pytest.skip("the base image cannot be had here")
    assert built.returncode == 0, built.stderr
    told = subprocess.run(["apptainer", "run", str(image), "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("medbench ")
