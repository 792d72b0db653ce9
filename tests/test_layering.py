"""The house holds: who may import whom, and what must stay light."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "medbench": {"medbench"},
    "medbench_models": {"medbench_models", "medbench"},
    "leaderboard": {"leaderboard", "medbench"},
    "cli": {"cli", "leaderboard", "medbench"},
}
# Inside medbench: a package may import those below it, never one above.
FLOORS = [
    {"errors", "files", "home", "progress", "spec"},
    {"formats"},
    {"volume", "registry", "prediction", "kernels"},
    {"grid", "dataset", "generator", "results", "weights", "fetch", "hub", "unpack", "slices", "samples", "training"},
    {"datasets", "features", "segmenters", "metrics", "gate", "budget", "protocols", "real", "record"},
    {"report", "health"},
    {"comparing", "pipeline"},
    {"api", "audit"},
]


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def _imports(path: Path, *, running: bool = False) -> Iterator[str]:
    """Yield what a module imports, also what only types need: that binds its room to the other one all the same.

    Args:
        path: the module's file.
        running: leave out what stands under ``if TYPE_CHECKING``.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unbound = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if running and node in unbound:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: name the module in full"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_only_what_lies_below(package: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, path in _modules(package)
        for name in _imports(path)
        if name.split(".")[0] in ALLOWED and name.split(".")[0] not in ALLOWED[package]
    ]
    assert not wrong


def _floor(part: str) -> int:
    return next(level for level, floor in enumerate(FLOORS) if part in floor)


def test_medbench_has_floors_and_no_imports_upwards() -> None:
    known = {part for floor in FLOORS for part in floor}
    wrong = []
    for module, path in _modules("medbench"):
        own = module.partition(".")[2].partition(".")[0]
        for name in _imports(path):
            root, _, part = name.partition(".")
            part = part.partition(".")[0]
            if root != "medbench" or not own or part not in known or part == own:
                continue
            if _floor(part) > _floor(own):
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_every_part_of_medbench_has_a_floor() -> None:
    parts = {module.split(".")[1] for module, _ in _modules("medbench") if "." in module}
    assert parts == {part for floor in FLOORS for part in floor}


def test_no_import_leads_back_to_itself() -> None:
    """Modules of one room may know each other's types; nothing else goes round in a circle."""
    modules = {module: path for package in ALLOWED for module, path in _modules(package)}
    edges = {
        module: {name for name in _imports(path, running=True) if name in modules} for module, path in modules.items()
    }
    graphlib.TopologicalSorter(edges).prepare()  # raises CycleError, which names the circle


def test_no_room_leads_back_to_itself() -> None:
    edges: dict[str, set[str]] = {}
    for module, path in (one for package in ALLOWED for one in _modules(package)):
        if module not in ALLOWED:  # a package itself: the public face knows every room
            others = {_room(name) for name in _imports(path) if name.partition(".")[0] in ALLOWED and "." in name}
            edges.setdefault(_room(module), set()).update(others - {_room(module)})
    graphlib.TopologicalSorter(edges).prepare()


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


HEAVY = ("torch", "monai", "pandas", "scipy", "matplotlib", "SimpleITK")


@pytest.mark.parametrize(
    "statement",
    [
        "import medbench",
        "import medbench; medbench.Volume; medbench.Metric; medbench.Generator; medbench.Report",
        "import cli.main",
        "import leaderboard",
    ],
)
def test_importing_stays_light(statement: str) -> None:
    probe = f"import sys; {statement}; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["list", "models", "--json"], ["list", "protocols", "--json"]])
def test_listing_stays_light(arguments: list[str]) -> None:
    probe = (
        "import sys; from cli.main import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, encoding="utf-8", check=True)
    assert found.stderr.strip() == "[]"
