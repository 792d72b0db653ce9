"""Tests mirror the source: what holds ``medbench/a/b.py`` is found in ``tests/medbench/a/test_b.py``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("medbench", "medbench_models", "leaderboard", "cli")
FEWEST_LINES = 40  # shorter ones may be held by what uses them

# Modules without a test file of their name: why not, and what tests them in its place.
ELSEWHERE = {
    "leaderboard/ranking/rows.py": "plain data: .../ranking/test_board.py makes all of it",
    "leaderboard/store/migrations/versions/r0001_first.py": ".../store/test_migrate.py compares it with the schema",
    "leaderboard/store/schema.py": "plain data: .../store/test_migrate.py compares it with the steps that make it",
    "leaderboard/views/cells.py": ".../views/test_document.py reads its words in every view",
    "leaderboard/views/markdown.py": ".../views/test_document.py makes a board in every format",
    "medbench/datasets/base.py": "a contract: tests/contract/test_datasets.py",
    "medbench/drawing/style.py": "looks alone; each test_figure.py draws by it",
    "medbench/errors.py": "plain data: tests/cli/test_session.py has the exit codes; refusals name their class",
    "medbench/evaluation/comparison.py": "tests/medbench/pipeline/test_folder.py compares whole folders",
    "medbench/evaluation/evaluation.py": "tests/medbench/pipeline/test_folder.py evaluates whole folders",
    "medbench/evaluation/standing.py": "tests/medbench/pipeline/test_folder.py adds metrics to whole folders",
    "medbench/features/base.py": "a contract: tests/contract/test_instruments.py",
    "medbench/generators/real.py": "tests/medbench/pipeline/test_run.py runs it; tests/contract/test_generators.py",
    "medbench/metrics/base.py": "a contract: tests/contract/test_metrics.py",
    "medbench/metrics/downstream/arm.py": ".../downstream/test_metric.py goes its whole way with a double",
    "medbench/metrics/downstream/task.py": ".../downstream/test_metric.py states what is trained on what",
    "leaderboard/store/migrations/versions/r0002_units_and_floors.py": ".../store/test_migrate.py, likewise",
    "medbench/metrics/downstream/trainers/medbench_trainers.py": "runs inside nnU-Net: .../downstream/test_real.py",
    "medbench/metrics/evidence.py": "a contract: tests/contract/test_metrics.py",
    "medbench/metrics/hu/volume.py": "tests/medbench/metrics/hu/test_metric.py states each of its figures",
    "medbench/segmenters/base.py": "a contract: tests/contract/test_instruments.py",
    "medbench/segmenters/precomputed.py": "tests/contract/test_instruments.py tries it like every segmenter",
    "medbench/templates/dataset.py": ".../templates/test_writing.py uses what is made of it",
    "medbench/templates/extractor.py": ".../templates/test_writing.py uses what is made of it",
    "medbench/templates/generator.py": ".../templates/test_writing.py uses what is made of it",
    "medbench/templates/metric.py": ".../templates/test_writing.py uses what is made of it",
    "medbench_models/maisi/checkpoint.py": ".../maisi/test_sampling.py refuses those of something else",
    "medbench_models/maisi/config.py": "plain data: .../maisi/test_sampling.py refuses another one",
    "medbench_models/maisi/presets.py": "plain data: .../maisi/test_networks.py has the published sizes",
    "medbench_models/maisi/published.py": ".../maisi/test_convert.py looks for what was published",
    "medbench_models/med_lsdm/config.py": "plain data: .../med_lsdm/test_checkpoint.py refuses another one",
    "medbench_models/medlord/config.py": "plain data: .../medlord/test_checkpoint.py refuses another one",
    "medbench_models/shared/code_fitting.py": "each generator's test_fitting.py trains by it, kills it and resumes",
    "medbench_models/shared/gan.py": "test_vqgan.py and test_klgan.py train by it",
    "medbench_models/shared/config.py": "plain data: .../medlord/test_checkpoint.py refuses another one",
    "medbench_models/shared/fitting.py": "each generator's test_fitting.py trains by it, kills it and resumes",
    "medbench_models/shared/slab_gan/plugin.py": "a base of plug-ins: tests/contract/test_generators.py",
    "medbench_models/shared/blueprint.py": "test_examination.py examines files by each model's",
    "medbench_models/shared/slab_gan/blueprint.py": "medbench_models/shared: test_examination.py examines files by it",
    "medbench_models/shared/plugin.py": "a base of plug-ins: tests/contract/test_generators.py",
    "medbench_models/voldit/config.py": "plain data: .../voldit/test_checkpoint.py refuses another one",
    "medbench_models/vq_trans/config.py": "plain data: .../vq_trans/test_checkpoint.py refuses another one",
}


def _untested() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
        and len(path.read_text(encoding="utf-8").splitlines()) >= FEWEST_LINES
        and not (ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.name}").is_file()
    }


def test_every_module_has_a_test_of_its_name_or_a_reason() -> None:
    assert _untested() == set(ELSEWHERE)
