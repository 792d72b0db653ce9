"""The house holds: who may import whom, and what must stay light."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medbench import registry

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "medbench": {"medbench"},
    "medbench_models": {"medbench_models", "medbench"},
    "leaderboard": {"leaderboard", "medbench"},
    "cli": {"cli", "leaderboard", "medbench"},
}
# Inside medbench: a package may import those below it, never one above.
FLOORS = [
    {
        "errors",
        "extras",
        "plugin_faults",
        "plugin_files",
        "plugin_objects",
        "processes",
        "progress",
        "registry",
        "spec",
        "statistics",
    },
    {"storage"},
    {"engines", "imaging"},
    {"records"},
    {"budget", "drawing", "training", "viewer"},
    {"datasets", "features", "generators", "segmenters", "metrics", "protocols"},
    {"report", "doctor", "tracking"},
    {"evaluation"},
    {"pipeline"},
    {"accumulator", "api", "audit", "reader_study", "templates"},
]


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(path: Path, *, running: bool = False) -> frozenset[str]:
    """Return what a module imports, also what only types need: that binds its room to the other one all the same.

    Args:
        path: the module's file.
        running: leave out what stands under ``if TYPE_CHECKING``.
    """
    nodes = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.If | ast.Import | ast.ImportFrom)]
    unbound = {
        node
        for block in nodes
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    found = set()
    for node in nodes:
        if running and node in unbound:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: name the module in full"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


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


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("medbench.statistics", ("medbench.errors",)),
        (
            "medbench.metrics.functional",
            (
                "medbench.errors",
                "medbench.imaging.grid",
                "medbench.spec",
                "medbench.statistics",
                "medbench.imaging.volume",
            ),
        ),
    ],
)
def test_rooms_of_mathematics_know_nothing_of_what_uses_them(room: str, allowed: tuple[str, ...]) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, path in _modules(room.replace(".", "/"))
        for name in _imports(path)
        if name.split(".")[0] in ALLOWED and not name.startswith((room, *allowed))
    ]
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


# Names of metrics that may stand in other files, and why.
IN_SENTENCES = {
    "adherence": "an ordinary word",
    "hu": "the unit",
    "memorization": "an ordinary word",
    "reconstruction": "what an autoencoder makes",
}
ANYWHERE = {"downstream": "a field of the protocol, which has a need and a sentence of its own"}


def _names_of_metrics(path: Path) -> Iterator[str]:
    """Yield the metrics that a module's strings name, besides docstrings and the metric that it belongs to."""
    nodes = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Expr | ast.Constant)]
    told = {node.value for node in nodes if isinstance(node, ast.Expr)}
    own = {part for stem in path.with_suffix("").relative_to(ROOT).parts for part in (stem, stem.partition("_")[0])}
    metrics = {*registry.names("metrics")}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
            named = metrics & set(re.findall(r"\w+", node.value))
            yield from named - own - ANYWHERE.keys() - (IN_SENTENCES.keys() if " " in node.value else set())


def test_no_metric_is_known_by_name_outside_its_own_files() -> None:
    """What the core does for a metric, it does for all: what only one of them needs is declared by that one."""
    wrong = {
        f"{module} names {metric}"
        for package in ALLOWED
        for module, path in _modules(package)
        for metric in _names_of_metrics(path)
    }
    assert not wrong


HEAVY = ("torch", "monai", "pandas", "scipy", "matplotlib", "SimpleITK", "sqlalchemy", "alembic")


@pytest.mark.parametrize(
    "statement",
    [
        "import medbench",
        "import medbench; medbench.Volume; medbench.Metric; medbench.Generator; medbench.Report",
        "import cli.main",
        "import leaderboard.comparison.compare",
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
