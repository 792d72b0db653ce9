"""What outsiders import comes from ``medbench`` itself, by name and lazily."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import medbench

ROOT = Path(__file__).parents[1]
# What a plug-in author or a script was promised; a name that goes missing here breaks somebody.
# fmt: off
PROMISED = [
    "Accounted", "Accumulator", "BudgetExceededError", "Case", "CaseColumns", "Check", "CheckpointError", "DataError",
    "Dataset", "DatasetInfo", "Definition", "Derivation", "Evidence", "ExtractorInfo", "Fetchable", "Figure",
    "Finding", "FitRequest",
    "FormatError", "Generator", "GeneratorInfo", "GeometryError", "Grid", "IntensityError", "Interval",
    "LabelMap", "Measured", "Measurement", "MedbenchError", "Meter", "Metric", "MetricInfo",
    "MissingExtraError", "NOT_ASKED", "NotEnoughCasesError", "Plane", "Prediction", "Predicts", "Progress",
    "Protocol", "Replicates", "Report", "Result", "SampleRequest", "Segmenter", "SegmenterInfo", "Shaped",
    "Side", "SliceExtractor", "SliceProtocol", "Spec", "SpecError", "Split", "StorageError", "TrainingData",
    "Unavailable", "UnknownPluginError", "Volume", "VolumeExtractor", "WeightFile", "Window", "Workspace",
    "atomic_path", "evaluate", "fingerprint", "jackknifed", "label_map_to_grid", "load_dataset",
    "mean_interval", "plane_slices", "predict_peak", "require_subjects", "sample_seed", "silent", "to_grid",
]
# fmt: on


def test_all_that_was_promised_is_there_and_nothing_else() -> None:
    assert sorted(medbench.__all__) == PROMISED


@pytest.mark.parametrize("name", PROMISED)
def test_every_name_resolves(name: str) -> None:
    assert getattr(medbench, name) is not None
    assert name in dir(medbench)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="medbench"):
        _ = medbench.nothing


def test_the_version_is_that_of_the_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", medbench.__version__)


def test_importing_takes_less_than_half_a_second() -> None:
    """Generous against a busy machine: the best of five; what must not be imported at all is in test_layering."""
    command = [
        sys.executable,
        "-c",
        "import time; t = time.perf_counter(); import medbench; print(time.perf_counter() - t)",
    ]
    taken = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)]
    assert min(taken) < 0.5


def _told(text: str) -> set[str]:
    """Return the modules of medbench that a page tells its readers to import from."""
    return set(re.findall(r"^\s*(?:>>> )?(?:from|import) (medbench(?:\.\w+)*)", text, flags=re.M))


PAGES = [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_tell_outsiders_to_import_from_the_face_alone(page: Path) -> None:
    assert _told(page.read_text(encoding="utf-8")) <= {"medbench"}


@pytest.mark.parametrize("example", sorted(ROOT.glob("docs/examples/*.py")), ids=lambda example: example.name)
def test_examples_import_from_the_face_alone(example: Path) -> None:
    tree = ast.parse(example.read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module for module in modules if module.startswith("medbench.")}
