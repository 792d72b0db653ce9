"""The viewer's files: small modules that also work as one script."""

from __future__ import annotations

import re

import pytest

from medbench.viewer.assets import STATIC, csp_hash, joined_script, style

MODULES = sorted(STATIC.glob("*.js"))
MOST_LINES = 300


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_are_short_and_say_what_they_are(module) -> None:
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert text.startswith("/**")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_nothing_needs_a_looser_policy(module) -> None:
    text = module.read_text(encoding="utf-8")
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|document\.write|setAttribute\(\"style\"", text)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_joined_script_holds_every_module_once_and_imports_nothing() -> None:
    script = joined_script("standalone.js")
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert script.count("class Viewer {") == script.count("class Pane {") == 1
    assert script.index("class Pane {") < script.index("class Viewer {")
    assert "</script" not in script


def test_no_name_stands_at_the_top_of_two_modules() -> None:
    names = [
        name
        for module in MODULES
        for name in re.findall(
            r"^(?:export )?(?:async )?(?:const|let|class|function) (\w+)",
            module.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]
    assert sorted(names) == sorted(set(names))


def test_styles_load_nothing() -> None:
    assert "url(" not in style()
    assert "@import" not in style()


def test_a_hash_is_that_of_the_specification() -> None:
    """The example of CSP level 3, section 8.4."""
    assert csp_hash("alert('Hello, world.');") == "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
