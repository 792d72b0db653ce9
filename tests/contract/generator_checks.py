"""What every generator must hold: with weights where they are shipped, with none where there are none."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.datasets.base import Case
from medbench.datasets.phantom.dataset import DEFAULT_SHAPE, PhantomDataset
from medbench.errors import CheckpointError, MedbenchError, MissingExtraError
from medbench.generators.base import Examines, Generator, Predicts, SampleRequest
from medbench.generators.settings import changed, settings_of
from medbench.imaging.volume import LabelMap, Volume

LOWEST_HU, HIGHEST_HU = -2048, 4000
_SEEDS = (11, 2**63 - 1)
_GIB = 2**30
_STEPS = {"sampling.steps", "steps"}  # of a sample


@dataclass(frozen=True)
class Trial:
    """A generator class with what it is tried on.

    Args:
        plugin: the class.
        scratch: a folder.
        cases: held-out cases, whose label maps steer a conditional generator.
    """

    plugin: Any
    scratch: Path
    cases: Sequence[Case] = field(default_factory=lambda: PhantomDataset().cases("test")[:2])

    @functools.cached_property
    def loaded(self) -> Generator | None:
        """The generator with the weights of the first preset that has any; None where they are not here."""
        for preset in self.plugin.info.presets:
            generator: Generator = self.plugin(preset, device="cpu")
            try:
                generator.load(generator.default_checkpoint())
            except MissingExtraError:
                continue
            return generator
        return None

    @functools.cached_property
    def hasty(self) -> Generator | None:
        """The same in four steps, where it denoises: as many draws of chance as tell seeds and orders apart."""
        generator = self.loaded
        settings = settings_of(generator.config) if hasattr(generator, "config") else []
        if not (few := {setting.key: 4 for setting in settings if setting.key in _STEPS}):
            return generator
        config = changed(generator.config, few, model=self.plugin.info.name)
        hasty: Generator = self.plugin(generator.preset, device="cpu", config=config)
        hasty.load(generator.default_checkpoint())
        return hasty

    def sampled(self, seeds: Sequence[int], *, conditional: bool = False) -> list[np.ndarray]:
        """Return the voxels of samples, after a look at each."""
        generator = self.hasty
        assert generator is not None
        maps = [self._label_map(seed) for seed in seeds] if conditional else None
        request = SampleRequest(list(seeds), maps, [self.cases[_SEEDS.index(seed)] for seed in seeds])
        volumes = list(generator.sample(request))
        assert len(volumes) == len(seeds)
        for volume in volumes:
            _assert_plausible(volume)
        return [volume.voxels for volume in volumes]

    def _label_map(self, seed: int) -> LabelMap:
        read = self.cases[_SEEDS.index(seed)].read_label_map
        assert read is not None
        return read()


Check = Callable[[Trial], None]


def weights_are_here_or_can_be_had(trial: Trial) -> None:
    """Each preset names its weights, needs none, or says how to get or train them."""
    for preset in trial.plugin.info.presets:
        try:
            checkpoint = trial.plugin(preset, device="cpu").default_checkpoint()
        except MissingExtraError as refusal:
            assert "medbench" in str(refusal), f"{refusal}: with which command?"
        else:
            assert checkpoint is None or checkpoint.is_file()


def a_sample_depends_on_its_seed_alone(trial: Trial) -> None:
    """Neither on its place among others, nor on their number, nor on global random generators."""
    if trial.loaded is None:
        return
    for conditional in _ways(trial):
        first, second = trial.sampled(_SEEDS, conditional=conditional)
        (alone,) = trial.sampled(_SEEDS[1:], conditional=conditional)
        assert np.array_equal(second, alone)
        assert not np.array_equal(first, second)


def what_reconstructs_keeps_the_grid(trial: Trial) -> None:
    """The same voxel grid, HU, near the volume, twice the same; the volume itself stays as it was."""
    generator = trial.loaded
    if generator is None or "reconstructs" not in trial.plugin.info.capabilities:
        return
    volume = trial.cases[0].read_volume()
    before = volume.content_hash()
    first, second = (generator.reconstruct(volume) for _ in range(2))
    assert volume.content_hash() == before
    assert first.shape == volume.shape
    assert np.array_equal(first.affine, volume.affine)
    assert np.array_equal(first.voxels, second.voxels)
    _assert_plausible(first)
    error = np.abs(first.voxels.astype(float) - volume.voxels).mean()
    assert error < np.abs(volume.voxels - volume.voxels.mean()).mean()


def memory_is_predicted_where_it_is_offered(trial: Trial) -> None:
    """A plain number of bytes, without weights and without a GPU, and more of it for more voxels."""
    generator = trial.plugin(trial.plugin.info.presets[0], device="cpu")
    if not isinstance(generator, Predicts):
        return
    native = trial.plugin.info.native_shape or DEFAULT_SHAPE
    larger = (2 * native[0], native[1], native[2])
    found = [generator.predict("sample", shape, limit_bytes=24 * _GIB).tensor_bytes for shape in (native, larger)]
    assert 0 < found[0] < found[1]


def a_wrong_checkpoint_is_refused(trial: Trial) -> None:
    """In one line that names the file; a generator without weights refuses any file."""
    wrong = trial.scratch / "wrong.safetensors"
    wrong.write_bytes(b"these are no weights")
    has_weights = any(_default_checkpoint(trial, preset) for preset in trial.plugin.info.presets)
    with pytest.raises(CheckpointError if has_weights else MedbenchError) as refusal:
        trial.plugin(trial.plugin.info.presets[0], device="cpu").load(wrong)
    assert "\n" not in str(refusal.value)
    assert not has_weights or wrong.name in str(refusal.value)


def its_own_weights_are_found_usable(trial: Trial) -> None:
    """What it samples from is declared, and its examination finds nothing wrong with it."""
    if not isinstance(trial.plugin, Examines):
        return
    for preset in trial.plugin.info.presets:
        try:
            checkpoint = trial.plugin(preset, device="cpu").default_checkpoint()
        except MissingExtraError:
            continue
        found = trial.plugin.examine(checkpoint, None, device="cpu")
        assert found.usable and preset in found.presets, found.wrong()
        assert found.license and found.trained_on


CHECKS: tuple[Check, ...] = (
    weights_are_here_or_can_be_had,
    a_sample_depends_on_its_seed_alone,
    what_reconstructs_keeps_the_grid,
    memory_is_predicted_where_it_is_offered,
    a_wrong_checkpoint_is_refused,
    its_own_weights_are_found_usable,
)


def _default_checkpoint(trial: Trial, preset: str) -> bool:
    try:
        return trial.plugin(preset, device="cpu").default_checkpoint() is not None
    except MissingExtraError:
        return True


def _ways(trial: Trial) -> list[bool]:
    """Return the ways of sampling that it offers: by seed alone (False), and steered (True)."""
    ways = {"unconditional": False, "conditional": True}
    return [way for name, way in ways.items() if name in trial.plugin.info.capabilities]


def _assert_plausible(volume: Volume) -> None:
    voxels = volume.voxels
    assert np.all(np.isfinite(voxels))
    assert LOWEST_HU <= voxels.min() < voxels.max() <= HIGHEST_HU, "these are no Hounsfield units"
    assert voxels.min() < -200 < voxels.max() - 100, "a thorax has air and tissue"
