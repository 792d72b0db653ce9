from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.replicate.paper import load_paper
from leaderboard.replicate.runs import (
    ReplicateOptions,
    absent,
    carry_out,
    plan,
    preset_for,
    require_any,
    wanted_models,
)
from medbench import registry
from medbench.errors import MedbenchError, UnknownPluginError
from medbench.progress import silent


@pytest.fixture
def options(tmp_path: Path) -> ReplicateOptions:
    return ReplicateOptions(paper=load_paper("medlord"), out=tmp_path, budget_bytes=2**34, device="cpu")


def test_all_generators_take_part_the_papers_first(options: ReplicateOptions) -> None:
    models = wanted_models(options)
    own = [name for name in options.paper.published if name != "real"]
    assert models[: len(own)] == own
    assert set(models) == set(registry.names("generators")) - {"real"}
    assert wanted_models(replace(options, models=("HA-GAN",))) == ["ha-gan"]


def test_a_model_makes_the_runs_that_it_can(options: ReplicateOptions) -> None:
    def kinds(asked: ReplicateOptions) -> list[tuple[str, str]]:
        return [(one.model, one.kind) for one in plan(asked)[0]]

    two = replace(options, models=("ha-gan", "medlord"))
    assert kinds(two) == [("ha-gan", "samples"), ("medlord", "samples"), ("medlord", "steered")]
    assert ("medlord", "trained") in kinds(replace(two, downstream=True))
    first = plan(two)[0][0].options
    assert first.preset == "tiny"
    assert {"fid25d", "memorization"} <= set(first.metrics)


def test_a_track_takes_the_preset_made_for_it(options: ReplicateOptions) -> None:
    presets = {one.model: one.options.preset for one in plan(replace(options, track="luna"))[0]}
    assert presets["medlord"] == "luna-ds8"
    assert presets["maisi-pt"] == "paper"


def test_a_model_without_a_preset_for_the_track_is_told(options: ReplicateOptions) -> None:
    assert preset_for(registry.load("generators", "real").info, ("tiny",)) is None
    runs, without = plan(replace(options, models=("real",)))
    assert runs == []
    assert without[0]["check"] == "model real"
    assert "tiny" in without[0]["detail"]


def test_what_is_absent_is_named_with_its_mend(options: ReplicateOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDBENCH_DATA", raising=False)
    pccta = replace(options, track="pccta", models=("medlord",))
    rows = {row["check"]: row for row in absent(pccta, plan(pccta)[0])}
    assert {"data pccta", "weights medlord paper", "weights radimagenet-resnet50"} <= rows.keys()
    assert {"weights totalsegmentator-heartchambers", "licence totalsegmentator-heartchambers"} <= rows.keys()
    assert all(row["mend"] and not row["ok"] for row in rows.values())
    phantom = replace(options, models=("medlord",))
    assert {row["check"] for row in absent(phantom, plan(phantom)[0])} <= {"weights lpips-alexnet"}


def test_without_data_nothing_is_begun(options: ReplicateOptions) -> None:
    planned, _ = plan(replace(options, track="luna", models=("medlord",)))
    lacking = absent(replace(options, track="luna"), planned)
    made, failed = carry_out(planned, lacking, silent)
    assert (made, failed) == ({}, [])
    with pytest.raises(MedbenchError, match="nothing could be run: data luna"):
        require_any(made, lacking)


def test_a_run_that_fails_is_told_and_holds_up_nothing(options: ReplicateOptions, tmp_path: Path) -> None:
    planned, _ = plan(replace(options, models=("ha-gan",)))
    (planned[0].options.out or tmp_path).mkdir(parents=True)
    (planned[0].options.out or tmp_path).joinpath("stranger.txt").touch()
    made, failed = carry_out(planned, (), silent)
    assert made == {}
    assert failed[0]["check"] == "run ha-gan, samples"
    assert "holds no run" in failed[0]["detail"]
    assert failed[0]["mend"]


def test_unknown_models_are_refused(options: ReplicateOptions) -> None:
    with pytest.raises(UnknownPluginError, match="did you mean"):
        plan(replace(options, models=("medlor",)))
