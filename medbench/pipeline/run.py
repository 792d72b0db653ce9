"""One run: prepare, fit, sample, evaluate, report, in one folder; what is finished is not done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from medbench import registry
from medbench.budget.meter import Meter
from medbench.datasets.base import Case, Dataset
from medbench.errors import BudgetExceededError
from medbench.evaluation.comparison import Comparison
from medbench.evaluation.evaluation import Evaluation
from medbench.generators.base import FitRequest, Generator, GeneratorInfo, Shape, Shaped, Stage
from medbench.imaging.volume import Volume
from medbench.pipeline.conditions import Conditions, conditions_of, split_for
from medbench.pipeline.forecast import Forecasts
from medbench.pipeline.leaks import leaks_of_checkpoint, leaks_of_preset, leaks_of_trained, train_split
from medbench.pipeline.options import RunOptions, check, resolve_metrics, resolve_preset
from medbench.pipeline.prepare import on_grid
from medbench.pipeline.sample import require_enough, sample
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.records.lock import alone
from medbench.records.results import Report
from medbench.records.run import GenerationSpec, Logged, RunFolder, RunRecord, StageName, StageRecord
from medbench.records.samples import Manifest, first_by_name, open_folder, passed_over
from medbench.spec import fingerprint
from medbench.storage.files import sha256_of

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
        self._generator_class = registry.load("generators", options.model)
        self.info: GeneratorInfo = self._generator_class.info
        self.metrics = resolve_metrics(options.metrics)
        self.track = Track.open(options)
        self.protocol = self.track.protocol
        check(options, self.info)
        self.preset = resolve_preset(self.info, options.preset)
        self.spec = self._generation_spec()
        cases = self.held_out if self.info.native_shape is None else None
        require_enough(self.spec.samples, cases=cases, conditions=self.conditions and self.conditions.items)
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
        asked = self.options.conditions
        if asked is None and not self.options.conditional:
            return None
        return conditions_of(asked or split_for(self.metrics), self.dataset, self.protocol.grid)

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
        record = self.folder.open(kind="run", spec=self.spec.model_dump(mode="json"))
        record.evaluation.command = self.options.command
        if not self.options.resume:
            self.folder.clear()
            record.stages.clear()
        return record

    @cached_property
    def generator(self) -> Generator:
        """The generator with its weights loaded."""
        generator: Generator = self._generator_class(self.preset, device=self.track.device)
        generator.load(self.fit() if self.options.train else self._weights())
        return generator

    def _weights(self) -> Path | None:
        """The weights that were given, else the preset's own; None where the model has none."""
        if self.options.checkpoint is not None:
            return self.options.checkpoint
        weights: Path | None = self._generator_class(self.preset, device="cpu").default_checkpoint()
        return weights

    @alone
    def fit(self) -> Path:
        """Train the generator unless that is done; return the checkpoint."""
        if self._is_done("fit"):
            finished: Path = self.folder.path / self.record.stages["fit"].detail["checkpoint"]
            if finished.is_file():
                return finished
        self._require_budget("fit")
        with self._generating("fit") as entry:
            generator: Generator = self._generator_class(self.preset, device=self.track.device)
            request = FitRequest(
                train=on_grid(self.dataset.cases("train"), self.protocol.grid),
                select=on_grid(self.dataset.cases("select"), self.protocol.grid),
                workspace=self.folder.path / "fit",
                seed=self.options.seed,
                resume=self.options.resume,
                progress=self.progress,
                trained_on=(train_split(self.dataset.info),),
            )
            checkpoint: Path = generator.fit(request)
            entry.detail["checkpoint"] = checkpoint.relative_to(self.folder.path).as_posix()
        return checkpoint

    @alone
    def sample(self) -> None:
        """Make the samples that are missing, training first if asked to."""
        if self._is_sampled():
            return
        self._require_budget("fit", "sample")
        if self.options.train:
            self.fit()
        # Cases are opened only where they are needed: published weights can be sampled without the data set.
        with self._generating("sample"):
            sample(
                self.generator,
                self.folder.samples,
                count=self.spec.samples,
                seed=self.spec.seed,
                grid=self.protocol.grid,
                cases=on_grid(self.held_out, self.protocol.grid) if self.info.native_shape is None else (),
                conditions=self.conditions.items if self.conditions else None,
                progress=self.progress,
            )

    @alone
    def evaluate(self) -> Report:
        """Make whatever is missing, then compute the metrics unless that is done; return the results."""
        evaluation = self._evaluation()
        finished = evaluation.finished() if self._is_sampled() else None
        if finished is not None:
            return finished
        if not self._is_sampled():
            self._require_budget("fit", "sample")
        prospects = self.track.prospects(
            samples=self.spec.samples,
            masks=self.conditions is not None,
            reconstructs="reconstructs" in self.info.capabilities,
        )
        prospects.require(self.metrics, evaluation.instruments, self.progress)
        with self.meter.stage(self.folder, self.record, "prepare"):
            real = self.track.real(self.progress)
        self.sample()
        count = self.protocol.volumes_per_side
        comparison = Comparison(
            first_by_name(open_folder(self.folder.samples), count),
            first_by_name(real.reference, count),
            real.held_out,
            self.dataset.identity(),
            noticed=[*passed_over(self.folder.samples), *self.track.noticed()],
        )
        return self._evaluation().run(
            comparison, model=self.info.name, version=self.info.version, dataset=self.track.name, leaks=self._leaks()
        )

    @alone
    def report(self) -> Report:
        """Make whatever is missing, then write ``report.html`` unless it is there; return the results."""
        done = self._is_done("report") and self.folder.report_file.is_file()
        before = self.record.stages.get("evaluate")
        results = self.evaluate()
        if not done or self.record.stages.get("evaluate") is not before:
            from medbench.report.html import write_report

            with self.folder.stage(self.record, "report"):
                write_report(self.folder.path)
        self._evaluation().require_number(results)
        return results

    def _evaluation(self) -> Evaluation:
        instruments = self.track.instruments(
            progress=self.progress,
            logs=self.folder.logs,
            reconstruct=self._reconstruct if "reconstructs" in self.info.capabilities else None,
        )
        made = Manifest(self.folder.samples).records()
        samples = fingerprint([made[index].sha256 for index in sorted(made)])
        return Evaluation(instruments, self.metrics, self.folder, self.record, self.meter, samples)

    @cached_property
    def forecasts(self) -> Forecasts:
        """What the generator's stages are predicted to need."""
        return Forecasts(self._generator_class, self.preset, self.meter, self._shape)

    def _require_budget(self, *stages: Stage) -> None:
        left = [stage for stage in stages if not self._is_done(stage) and (stage == "sample" or self.options.train)]
        self.forecasts.require(left, force=self.options.force, progress=self.progress)

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
            self._evaluation().give_up(
                reason, model=self.info.name, version=self.info.version, dataset=self.track.name,
                identity=self.dataset.identity(), leaks=self._leaks(),
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

    def _reconstruct(self, volume: Volume) -> Volume:
        return self.generator.reconstruct(volume)

    def _is_done(self, stage: StageName) -> bool:
        entry = self.record.stages.get(stage)
        return entry is not None and entry.status == "done"

    def _is_sampled(self) -> bool:
        return (
            self._is_done("sample")
            and len(Manifest(self.folder.samples).complete(self.spec.samples)) == self.spec.samples
        )

    def _generation_spec(self) -> GenerationSpec:
        options = self.options
        weights = None if options.train else self._weights()
        own = len(self.conditions.items) if self.conditions and Path(options.conditions or "").is_dir() else 0
        return GenerationSpec(
            model=self.info.name,
            model_version=self.info.version,
            preset=self.preset,
            dataset=self.dataset.identity(),
            seed=options.seed,
            samples=options.samples or own or len(self.held_out) or _DEFAULT_SAMPLES,
            conditions=self.conditions.identity if self.conditions else None,
            grid=self.protocol.grid.model_dump(mode="json") if self.protocol.grid else None,
            source=registry.source_sha256(options.model),
            checkpoint="train" if options.train else sha256_of(weights) if weights else "none",
        )

    def _leaks(self) -> tuple[str, ...]:
        """Say what the weights saw of the data that this run is judged by, or that nobody can say."""
        if self.options.train:
            fit = self.record.stages.get("fit")
            made = self.folder.path / fit.detail["checkpoint"] if fit and "checkpoint" in fit.detail else None
            return leaks_of_trained(self.info.name, made, self.dataset.info)
        if self.options.checkpoint is not None:
            return leaks_of_checkpoint(self.info.name, self.options.checkpoint, self.dataset.info)
        if self.spec.checkpoint == "none":
            return ()
        return leaks_of_preset(self.info, self.preset, self.dataset.info)
