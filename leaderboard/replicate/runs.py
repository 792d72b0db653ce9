"""The runs behind a replication: what is wanted, what is absent for it, and making or resuming them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.replicate.base import Finished
from leaderboard.replicate.paper import Paper, RunKind
from medbench import registry
from medbench.datasets.base import Check
from medbench.doctor import checks
from medbench.errors import MedbenchError, MissingExtraError
from medbench.generators.base import GeneratorInfo
from medbench.pipeline.options import RunOptions, load_dataset, resolve_metrics
from medbench.pipeline.run import Run
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.storage.catalogue import weight_files


@dataclass(frozen=True, kw_only=True)
class ReplicateOptions:
    """The options of ``medbench replicate``.

    Args:
        paper: what is replicated.
        track: one of its tracks; None: the first.
        models: registered names; none: the paper's models and all others that are installed.
        out: the folder of everything.
        samples: how many a run; None: what the track says.
        seed: of every run.
        downstream: also make the runs that train segmenters.
        data_root: the folder that holds the track's data set.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        workers: processes that prepare volumes.
        budget_bytes: GPU memory that sampling may use.
        command: as it was typed, for the records.
    """

    paper: Paper
    out: Path
    budget_bytes: int
    track: str | None = None
    models: tuple[str, ...] = ()
    samples: int | None = None
    seed: int = 0
    downstream: bool = False
    data_root: Path | None = None
    device: str = "auto"
    workers: int | None = None
    command: str = ""


@dataclass(frozen=True)
class Planned:
    """A run that is wanted: its kind, its model and its options."""

    kind: str
    model: str
    options: RunOptions


def wanted_models(options: ReplicateOptions) -> list[str]:
    """Return the models by registered name: those asked for, else the paper's and then all others that sample."""
    if options.models:
        return list(dict.fromkeys(registry.canonical(name) for name in options.models))
    installed = registry.names("generators")
    own = [name for name in options.paper.published if name in installed]
    return [name for name in dict.fromkeys([*own, *installed]) if _info(name).native_shape is not None]


def plan(options: ReplicateOptions) -> tuple[list[Planned], list[Check]]:
    """Return the runs that are wanted, and a row for each model that has no preset for the track.

    Raises:
        SpecError: no such track.
        UnknownPluginError: no such model.
    """
    _, track = options.paper.track(options.track)
    runs, without = [], []
    for model in wanted_models(options):
        info = _info(model)
        preset = preset_for(info, track.presets)
        if preset is None:
            detail = f"no preset for this track (one that begins with {' or '.join(track.presets)})"
            without.append(Check(check=f"model {model}", ok=False, detail=detail, mend="leave it out with --models"))
            continue
        for name, kind in options.paper.runs.items():
            needed = "unconditional" if kind.conditions is None else "conditional"
            if needed in info.capabilities and (options.downstream or not kind.downstream):
                runs.append(Planned(name, model, _run_options(options, model, preset, name, kind)))
    return runs, without


def preset_for(info: GeneratorInfo, wanted: Sequence[str]) -> str | None:
    """Return a model's first preset whose name begins with one of those wanted, in their order; None if it has none.

    Args:
        info: the model's declaration.
        wanted: beginnings of names.
    """
    return next((preset for word in wanted for preset in info.presets if preset.startswith(word)), None)


def absent(options: ReplicateOptions, planned: Sequence[Planned]) -> list[Check]:
    """Return what the runs need and is not here: data, weights and licences, each with its mend.

    Raises:
        SpecError: no such track.
    """
    _, track = options.paper.track(options.track)
    rows = []
    try:
        load_dataset(track.dataset, root=options.data_root).cases("test")
    except MedbenchError as error:
        detail, _, mend = str(error).partition(": ")
        rows.append(Check(check=f"data {track.dataset}", ok=False, detail=detail, mend=mend))
    if not planned:
        return rows
    protocol = Track.open(planned[0].options).protocol
    instruments = [name for name in (protocol.extractor, protocol.volume_extractor, protocol.segmenter) if name]
    needed = {f"weights {one.model} {one.options.preset}" for one in planned}
    needed |= {f"{what} {name}" for name in instruments for what in ("weights", "licence")}
    needed |= {f"weights {name}" for name in weight_files("metrics")}
    return rows + [row for row in checks() if row["check"] in needed and not row["ok"]]


def carry_out(
    planned: Sequence[Planned], lacking: Sequence[Check], progress: Progress
) -> tuple[dict[str, dict[str, Finished]], list[Check]]:
    """Make the runs, or resume them; one that fails does not hold up the others.

    Args:
        planned: what is wanted.
        lacking: what is not here; a run without data or without its model's weights is not begun.
        progress: told about every run.

    Returns:
        What was made, by kind and model; and a row for each run that failed.
    """
    missing = {row["check"] for row in lacking}
    made: dict[str, dict[str, Finished]] = {}
    failed = []
    for number, one in enumerate(planned, start=1):
        if {f"data {one.options.dataset}", f"weights {one.model} {one.options.preset}"} & missing:
            continue
        progress.note(f"run {number} of {len(planned)}: {one.model}, {one.kind}")
        try:
            run = Run(one.options, progress)
            made.setdefault(one.kind, {})[run.info.name] = Finished(run.info.name, run.folder.path, run.report())
        except MedbenchError as error:
            detail, _, mend = str(error).partition(": ")
            failed.append(Check(check=f"run {one.model}, {one.kind}", ok=False, detail=detail, mend=mend))
    return made, failed


def require_any(made: Mapping[str, Mapping[str, Finished]], rows: Sequence[Check]) -> None:
    """Refuse a replication in which nothing could be run.

    Raises:
        MissingExtraError: names the first thing that is absent and its mend.
    """
    if not made:
        told = [f"{row['check']}, {row['detail']}: {row['mend']}" for row in rows]
        raise MissingExtraError(f"nothing could be run: {told[0] if told else 'no model was asked for that can'}")


def _run_options(options: ReplicateOptions, model: str, preset: str, name: str, kind: RunKind) -> RunOptions:
    _, track = options.paper.track(options.track)
    metrics = [*(resolve_metrics(()) if kind.by_default else ()), *kind.metrics]
    return RunOptions(
        model=model,
        dataset=track.dataset,
        preset=preset,
        samples=options.samples or track.samples,
        seed=options.seed,
        metrics=tuple(dict.fromkeys(metrics)),
        protocol=track.protocol,
        conditions=kind.conditions,
        out=options.out / "runs" / f"{_info(model).name}-{name}",
        data_root=options.data_root,
        device=options.device,
        workers=options.workers,
        budget_bytes=options.budget_bytes,
        command=options.command,
    )


def _info(model: str) -> GeneratorInfo:
    info: GeneratorInfo = registry.load("generators", model).info
    return info
