"""The pages keep up with the code: what is installed has its page, and a page says which version it describes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
