"""One run: prepare, fit, sample, evaluate, report, in one folder; what is finished is not done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from medbench import registry
from medbench.budget.meter import Meter, largest
from medbench.datasets.base import Case, Dataset
from medbench.errors import BudgetExceededError
from medbench.evaluation.evaluation import Evaluation
from medbench.evaluation.instruments import Autoencoder
from medbench.generators.base import FitRequest, Generator, GeneratorInfo, Shape, Shaped, Stage
from medbench.imaging.volume import Volume
from medbench.pipeline import disk
from medbench.pipeline.conditions import Conditions, asked_of, conditions_of, steered_unasked
from medbench.pipeline.forecast import Forecasts
from medbench.pipeline.leaks import leaks_of_run, train_split
from medbench.pipeline.options import RunOptions, check, resolve_metrics
from medbench.pipeline.prepare import on_grid
from medbench.pipeline.presets import choose_preset
from medbench.pipeline.sample import require_enough
from medbench.pipeline.sampling import make_samples
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.records.lock import alone
from medbench.records.manifest import Manifest, SampleRecord
from medbench.records.parts import forget_parts, kept_memories
from medbench.records.results import Report
from medbench.records.run import GenerationSpec, Logged, RunFolder, RunRecord, StageName, StageRecord
from medbench.records.samples import open_folder, passed_over
from medbench.spec import fingerprint
from medbench.storage.files import has_content, sha256_of

_DEFAULT_SAMPLES = 16


class Run:
    """One model on one data set under one spec. The stages are methods; each does what is missing and no more.

    Args:
        options: what was asked for.
        progress: told about every stage.

    Raises:
        UnknownPluginError: no such model, data set, metric or protocol.
        SpecError: options that contradict each other.
    """

    def __init__(self, options: RunOptions, progress: Progress) -> None:
        self.options = options
        plugin = registry.load("generators", options.model)
        self.info: GeneratorInfo = plugin.info
        self.metrics = resolve_metrics(options.metrics)
        self.track = Track.open(options)
        self.protocol = self.track.protocol
        check(options, self.info)
        self.chosen = choose_preset(plugin, options.preset, options.settings, self.dataset)
        self.spec = self._generation_spec()
        cases = self.held_out if self.info.native_shape is None else None
        require_enough(self.spec.samples, cases=cases, conditions=self.conditions.items if self.conditions else None)
        name = f"{self.info.name}-{self.dataset.info.name}-{fingerprint(self.spec)}"
        self.folder = RunFolder(options.out or Path("runs") / name)
        self.progress = Logged(progress, self.folder.log_file)

    @cached_property
    def held_out(self) -> Sequence[Case]:
        """The held-out cases of the data set."""
        return self.dataset.cases("test")

    @cached_property
    def conditions(self) -> Conditions | None:
        """The label maps that steer the samples; None where nothing does."""
        asked = asked_of(self.options, self.info, self.metrics)
        return None if asked is None else conditions_of(asked, self.dataset, self.protocol.grid)

    @property
    def dataset(self) -> Dataset:
        """The data set."""
        assert self.track.dataset is not None  # a run names one
        return self.track.dataset

    @cached_property
    def meter(self) -> Meter:
        """Measures the stages against the budget."""
        return Meter(self.options.budget_bytes, self.track.device)

    @cached_property
    def record(self) -> RunRecord:
        """The run's record; opening it makes the folder.

        Raises:
            SpecError: the folder holds another run.
        """
        record = self.folder.open(kind="run", spec=self.spec.model_dump(mode="json"), progress=self.progress)
        record.evaluation.command = self.options.command
        if not self.options.resume:
            self.folder.clear()
            record.stages.clear()
        return record

    @cached_property
    def generator(self) -> Generator:
        """The generator with its weights loaded."""
        generator = self.chosen.make(self.track.device)
        generator.load(self.weights())
        return generator

    def weights(self) -> Path | None:
        """Return the weights that make the samples, trained if that is asked for and not done."""
        return self.fit() if self.options.train else self._weights()

    @property
    def is_trained(self) -> bool:
        """Whether the run trains its generator and has done so."""
        made = self.record.detail("fit").get("checkpoint")
        return made is not None and self._is_done("fit") and has_content(self.folder.path / made, self.checkpoint)

    def _weights(self) -> Path | None:
        """The weights that were given, else the preset's own; None where the model has none."""
        return self.options.checkpoint or self.chosen.make("cpu").default_checkpoint()

    @alone
    def fit(self) -> Path:
        """Train the generator unless that is done; return the checkpoint."""
        finished: Path = self.folder.path / self.record.detail("fit").get("checkpoint", "")
        if self.is_trained:
            return finished
        if self._is_done("fit"):
            self.progress.note(f"{finished} is not what was trained: it is made again from the state of the training")
        self.require_budget("fit")
        with self._generating("fit") as entry:
            generator = self.chosen.make(self.track.device)
            request = FitRequest(
                train=on_grid(self.dataset.cases("train"), self.protocol.grid),
                select=on_grid(self.dataset.cases("select"), self.protocol.grid),
                workspace=self.folder.path / "fit",
                seed=self.options.seed,
                resume=self.options.resume,
                progress=self.progress,
                trained_on=(train_split(self.dataset.info),),
                identity=fingerprint({"dataset": self.spec.dataset, "grid": self.spec.grid}),
            )
            checkpoint: Path = generator.fit(request)
            name = checkpoint.relative_to(self.folder.path).as_posix()
            entry.detail |= {"checkpoint": name, "sha256": sha256_of(checkpoint)}
        return checkpoint

    @alone
    def sample(self) -> None:
        """Make the samples that are missing, training first if asked to."""
        if self._is_sampled():
            return
        self.require_budget("fit", "sample")
        self.require_space()
        if self.options.train:
            self.fit()
        if steered_unasked(self.options, self.info):
            self.progress.note(f"{self.info.name} only draws label maps: its samples show those of the training split")
        with self._generating("sample") as entry:
            others = [*kept_memories(self.folder.path), *make_samples(self)]
            entry.memory = largest(others) if others else None
        forget_parts(self.folder.path)

    @alone
    def evaluate(self) -> Report:
        """Make whatever is missing, then compute the metrics unless that is done; return the results."""
        evaluation = self.evaluation()
        finished = evaluation.finished() if self._is_sampled() else None
        if finished is not None:
            return finished
        if not self._is_sampled():
            self.require_budget("fit", "sample")
        self.require_space(metrics=self.metrics)
        prospects = self.track.prospects(
            samples=self.spec.samples,
            masks=self.conditions is not None,
            reconstructs="reconstructs" in self.info.capabilities,
        )
        prospects.require(self.metrics, evaluation.instruments, self.progress)
        with self.meter.stage(self.folder, self.record, "prepare"):
            real = self.track.real(self.progress, reader=self.folder.path)
        self.sample()
        samples = open_folder(self.folder.samples)
        comparison = self.track.comparison(samples, real, noticed=passed_over(self.folder.samples))
        return self.evaluation().run(
            comparison,
            model=self.info.name,
            version=self.info.version,
            dataset=self.track.name,
            leaks=leaks_of_run(self),
        )

    @alone
    def report(self) -> Report:
        """Make whatever is missing, then write ``report.html`` unless it is there; return the results."""
        written = self.record.detail("report").get("sha256")
        done = self._is_done("report") and has_content(self.folder.report_file, written)
        before = self.record.stages.get("evaluate")
        results = self.evaluate()
        if not done or self.record.stages.get("evaluate") is not before:
            from medbench.report.html import write_report

            with self.folder.stage(self.record, "report") as entry:
                entry.detail["sha256"] = sha256_of(write_report(self.folder.path))
        self.evaluation().require_number(results)
        return results

    def evaluation(self) -> Evaluation:
        """Return what computes the metrics of the samples that are there."""
        autoencoder = self._autoencoder()
        instruments = self.track.instruments(progress=self.progress, logs=self.folder.logs, autoencoder=autoencoder)
        samples = fingerprint([record.sha256 for _, record in sorted(self._sampled().items())])
        return Evaluation(instruments, self.metrics, self.folder, self.record, self.meter, samples, self.track.engine)

    @cached_property
    def forecasts(self) -> Forecasts:
        """What the generator's stages are predicted to need."""
        return Forecasts(self.chosen.plugin, self.chosen.preset, self.meter, self._shape)

    def require_budget(self, *stages: Stage) -> None:
        """Refuse stages that are not done and are predicted to exceed the budget."""
        left = [stage for stage in stages if not self._is_done(stage) and (stage == "sample" or self.options.train)]
        self.forecasts.require(left, force=self.options.force, progress=self.progress)

    def require_space(self, samples: int | None = None, *, metrics: Sequence[str] = ()) -> None:
        """Say what so many samples, or those that are missing, and metrics need on the disk; refuse what cannot fit."""
        left = self.spec.samples - len(self._sampled()) if samples is None else samples
        if shape := (self.protocol.grid and self.protocol.grid.shape) or self.info.shape_of(self.chosen.preset):
            more = disk.of_track(self.track, metrics, shape, more=left) if metrics else ()
            disk.require([disk.volumes_needed(self.folder.path, "samples", left, shape), *more], self.progress)

    @contextmanager
    def _generating(self, stage: Stage) -> Iterator[StageRecord]:
        """Run a stage of the generator; where it exceeds the budget, that is the run's result."""
        forecast = self.forecasts.of(stage)
        prediction = None if forecast is None else forecast.prediction
        try:
            with self.meter.stage(self.folder, self.record, stage, prediction) as entry:
                yield entry
        except BudgetExceededError as error:
            reason = str(error) if forecast is None else f"{error}: {forecast.advice()}"
            self.evaluation().give_up(
                reason, model=self.info.name, version=self.info.version, dataset=self.track.name,
                identity=self.track.identity, leaks=leaks_of_run(self),
            )  # fmt: skip
            raise BudgetExceededError(reason) from error

    def _shape(self, stage: Stage) -> Shape | None:
        """Return the voxels of what is trained on or sampled; a case is read only where no grid says it."""
        if stage == "sample" and self.conditions is None and not self.options.train:
            return self.generator.sample_shape() if isinstance(self.generator, Shaped) else self.info.native_shape
        grid = self.protocol.grid
        if grid is not None and grid.shape is not None and grid.fit in ("resize", "crop_pad"):
            return grid.shape
        if stage == "sample" and self.conditions is not None:
            return self.conditions.items[0].read().shape
        return on_grid(self.dataset.cases("train")[:1], grid)[0].read_volume().shape

    def _autoencoder(self) -> Autoencoder | None:
        told = {**self.spec.generator, "weights": self.checkpoint}
        return Autoencoder(self._reconstruct, told) if "reconstructs" in self.info.capabilities else None

    def _reconstruct(self, volume: Volume) -> Volume:
        return self.generator.reconstruct(volume)

    def _is_done(self, stage: StageName) -> bool:
        entry = self.record.stages.get(stage)
        return entry is not None and entry.status == "done"

    def _is_sampled(self) -> bool:
        return self._is_done("sample") and len(self._sampled()) == self.spec.samples

    def _sampled(self) -> dict[int, SampleRecord]:
        return Manifest(self.folder.samples).complete(self.spec.samples, checkpoint=self.checkpoint)

    @property
    def checkpoint(self) -> str | None:
        """SHA-256 of the weights that make the samples; None where there are none, or none yet."""
        return self.record.detail("fit").get("sha256") if self.options.train else self.spec.weights

    def _generation_spec(self) -> GenerationSpec:
        options = self.options
        weights = None if options.train else self._weights()
        own = len(self.conditions.items) if self.conditions and self.conditions.own else 0
        return GenerationSpec(
            model=self.info.name,
            model_version=self.info.version,
            preset=self.chosen.told,
            dataset=self.track.identity,
            seed=options.seed,
            samples=options.samples or own or len(self.held_out) or _DEFAULT_SAMPLES,
            conditions=self.conditions.identity if self.conditions else None,
            grid=self.protocol.grid.model_dump(mode="json") if self.protocol.grid else None,
            source=registry.source_sha256(options.model),
            checkpoint="train" if options.train else sha256_of(weights) if weights else "none",
        )
