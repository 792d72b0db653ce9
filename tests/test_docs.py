"""The pages keep up with the code: what is installed has its page, and a page says which version it describes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import medbench
from medbench import registry

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_every_metric_has_a_page_of_its_version(name: str) -> None:
    page = ROOT / "docs" / "metrics" / f"{name}.md"
    assert page.is_file(), f"write {page.relative_to(ROOT)}: what it measures, how to read it, what it cannot see"
    version = registry.load("metrics", name).info.version
    assert f"\nVersion {version}.\n" in page.read_text(encoding="utf-8"), f"read {page.name} again: version {version}"


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)\)", text) if not link.startswith("http")]
    paths = re.findall(r"`((?:medbench|medbench_models|leaderboard|cli|tests|docs)/[\w./-]+)`", text)
    gone = [link for link in links if not (page.parent / link).exists()]
    gone += [path for path in paths if not (ROOT / path).exists() and "name" not in path.lower()]
    assert not gone


def test_the_reference_has_every_public_name() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: medbench\.(\w+)$", page, re.MULTILINE)) == sorted(medbench.__all__)


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for folder in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MEDBENCH_HOME"):
        monkeypatch.setenv(folder, str(tmp_path / folder))
    notebook = nbformat.read(ROOT / "docs" / "python.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the notebook's outputs"
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason='pip install -e ".[docs]" has what builds the site')
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    pages = [page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")]
    loaded = [
        link for page in pages for link in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page)
    ]
    assert not loaded, "pages load something from elsewhere"
