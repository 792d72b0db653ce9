"""The instruments of one evaluation: what they see in a volume is computed once and cached by content.

They are also where metrics that train networks work (``medbench.metrics.evidence.Workspace``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from medbench import protocols, registry
from medbench.engines.devices import resolve_device
from medbench.errors import SpecError, Unavailable
from medbench.evaluation.cache import SEGMENTATIONS, Cache
from medbench.evaluation.opened import PRECOMPUTED, Opened, mask_file
from medbench.features.base import ExtractorInfo, SliceExtractor, VolumeExtractor
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.base import MetricInfo, Need
from medbench.metrics.evidence import Derivation, Input
from medbench.progress import Progress, silent
from medbench.records.run import library_versions
from medbench.records.samples import StoredVolume, content_once
from medbench.segmenters.base import Segmenter
from medbench.spec import Protocol, fingerprint
from medbench.storage.files import make_folder
from medbench.storage.weights import WeightFile

_INSTRUMENTS = frozenset({"extractor", "volume_extractor", "segmenter"})
# Raised when files, grids or slices are read in another way, so that what was cached before is computed again.
_READING = 1
_TURN: Final = threading.Lock()


@contextmanager
def network_turn(device: str) -> Iterator[None]:
    """Let a network run so that what it finds depends neither on cores nor on workers.

    On a CPU it has one thread: with two, a sum of many terms is rounded otherwise. On a GPU one volume after the other
    has its turn, while other threads read.
    """
    import torch

    with _TURN:
        before = torch.get_num_threads()
        if device == "cpu":
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """The autoencoder of a generator.

    Args:
        reconstruct: passes a volume through it.
        identity: all that decides what it makes of a volume, JSON-ready.
    """

    reconstruct: Callable[[Volume], Volume]
    identity: Mapping[str, Any]


@dataclass(eq=False)
class Instruments:
    """The instruments of one evaluation: protocol, feature networks, segmenter, autoencoder and cache.

    Pickled for another process they leave networks and autoencoder behind: workers load the networks anew, and what the
    autoencoder makes of volumes is then left to this process.

    Args:
        protocol: in force for all sides.
        device: torch device for the networks.
        cache: where features and segmentations are kept.
        progress: told about every volume.
        log_folder: for the logs of what metrics train.
        autoencoder: the generator's, or None.
    """

    protocol: Protocol
    device: str
    cache: Cache
    progress: Progress
    log_folder: Path
    autoencoder: Autoencoder | None = None

    def __getstate__(self) -> dict[str, Any]:
        own = {one.name for one in fields(self)}
        return {name: held for name, held in self.__dict__.items() if name in own} | {"autoencoder": None}

    @property
    def logs(self) -> Path:
        """The folder for the logs of what metrics train; made if absent."""
        return make_folder(self.log_folder)

    def folder(self, name: str, settings: Mapping[str, Any]) -> Path:
        """Return a lasting folder for what a metric trains under these settings; made if absent."""
        folder = make_folder(self.cache.root / name / fingerprint(settings))
        self.cache.used.add(folder)
        return folder

    @cached_property
    def extractor(self) -> SliceExtractor:
        """The protocol's slice feature network."""
        extractor: SliceExtractor = self._feature_network(self.protocol.extractor, "slices")
        return extractor

    @cached_property
    def volume_extractor(self) -> VolumeExtractor:
        """The protocol's volume feature network."""
        extractor: VolumeExtractor = self._feature_network(self.protocol.volume_extractor, "volumes")
        return extractor

    def _feature_network(self, name: str, sees: str) -> Any:
        network = registry.load("features", name)
        if network.info.sees != sees:
            raise SpecError(f"the protocol asks {name} for features of {sees}, and it sees {network.info.sees}")
        return network(device=self.device)

    @cached_property
    def segmenter(self) -> Segmenter:
        """The protocol's segmenter.

        Raises:
            Unavailable: the protocol names none.
        """
        if self.protocol.segmenter is None:
            raise Unavailable("the protocol names no segmenter: give --segmenter, or another --protocol")
        segmenter: Segmenter = registry.load("segmenters", self.protocol.segmenter)(device=self.device)
        return segmenter

    def for_workers(self, device: str) -> Instruments:
        """Return the same instruments as a worker may have them: silent, no network loaded.

        Args:
            device: torch device, as it was asked for where the other process is to choose.
        """
        cache = replace(self.cache, progress=silent, used=set())
        return replace(self, cache=cache, progress=silent, device=device)

    def here(self) -> Instruments:
        """Return the same instruments on the device of this process, where that was left open."""
        device = resolve_device(self.device)
        return self if device == self.device else replace(self, device=device)

    def open(self, item: StoredVolume) -> Opened:
        """Return a volume to be looked at."""
        return Opened(item, self)

    def describe(self, field: Need | Literal["grid", "window"]) -> Any:
        """Return what a protocol field stands for, down to the hash of weights, for fingerprints and cache keys."""
        if field not in _INSTRUMENTS:
            return self.protocol.model_dump(mode="json")[field]
        instrument: SliceExtractor | VolumeExtractor | Segmenter = getattr(self, field)
        info = instrument.info
        described = {"name": info.name, "version": info.version, "weights_sha256": instrument.weights_sha256()}
        if isinstance(info, ExtractorInfo):
            described |= info.own_input()
        source = registry.source_sha256(getattr(self.protocol, field))
        return described if source is None else {**described, "source_sha256": source}

    def described(self, info: MetricInfo) -> dict[str, Any]:
        """Return what of the instruments a metric's number depends on, beside grid and window.

        Raises:
            Unavailable: an instrument cannot be had here.
        """
        own = {name: _sha256_or_absent(weights) for name, weights in info.weights.items()}
        return {field: self.describe(field) for field in info.needs} | own

    def fingerprint(self, metrics: Sequence[str]) -> str:
        """Return a fingerprint of all that decides the numbers of these metrics besides the volumes.

        Args:
            metrics: registered names; what cannot be had of them here is described by the reason.
        """
        return fingerprint(
            {
                "medbench": library_versions().get("medbench"),
                "protocol": protocols.identity(self.protocol),
                "metrics": [self._mark(metric) for metric in metrics],
            }
        )

    def _mark(self, metric: str) -> dict[str, Any]:
        info: MetricInfo = registry.load("metrics", metric).info
        try:
            described: Any = self.described(info)
        except Unavailable as reason:
            described = str(reason)
        source = registry.source_sha256(metric)
        return {
            "metric": registry.described(metric),
            "version": info.version,
            "source": source,
            "instruments": described,
        }

    def stand_ins(self, info: MetricInfo) -> tuple[str, ...]:
        """Return the names of the offline substitutes that a metric uses."""
        used = (getattr(self, field).info for field in info.needs if field in _INSTRUMENTS)
        return tuple(instrument.name for instrument in used if instrument.stand_in)

    def derived(self, opened: Opened, what: Derivation, *, only: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Return what a function makes of a volume's inputs, cached by their content (see ``Side.derived``).

        Args:
            opened: the volume.
            what: the function.
            only: names of the arrays that are wanted; all where empty.
        """

        def made() -> Mapping[str, np.ndarray]:
            return what.compute(*opened.inputs(what.of))

        return self.cache.arrays(*self._derivation_key(opened.item, what), made, only=only)

    def has_derived(self, item: StoredVolume, what: Derivation, progress: Progress = silent) -> bool:
        """Say whether ``derived`` would read its result back; ``progress`` is told about one that is damaged."""
        return self.cache.has(self.cache.entry(*self._derivation_key(item, what), ".npz"), progress)

    def _derivation_key(self, item: StoredVolume, what: Derivation) -> tuple[str, str, dict[str, Any]]:
        settings = {"reading": _READING, "name": what.name, "settings": what.settings, "of": list(what.of)}
        settings["grid"] = self.describe("grid")
        settings |= {source: self._described_input(item, source) for source in what.of if source != "volume"}
        return f"derived-{what.name}", item.sha256, settings

    def _described_input(self, item: StoredVolume, what: Input) -> Any:
        if what == "reconstructed":
            return dict(self._present_autoencoder.identity)
        if what == "segmentation" and self.protocol.segmenter != PRECOMPUTED:
            return self.describe("segmenter")
        file, names = mask_file(item, drawn=what == "segmentation")
        return [content_once(file), sorted((names or {}).items())]

    def reconstructed(self, volume: Volume) -> Volume:
        """Return what the generator's autoencoder makes of a volume.

        Raises:
            Unavailable: there is none in this process.
        """
        autoencoder = self._present_autoencoder
        # On a CPU nothing runs beside it in this process, and it may use all cores.
        with nullcontext() if self.device == "cpu" else network_turn(self.device):
            return autoencoder.reconstruct(volume)

    @property
    def _present_autoencoder(self) -> Autoencoder:
        if self.autoencoder is None:
            raise Unavailable("there is no autoencoder: the model does not reconstruct, or only a folder was given")
        return self.autoencoder

    def segmented(self, item: StoredVolume, volume: Callable[[], Volume]) -> LabelMap:
        """Return what the segmenter sees in a volume, cached by its content.

        Args:
            item: the volume.
            volume: reads it, on the canonical grid.
        """

        def made() -> LabelMap:
            seen = volume()
            with network_turn(self.device):
                return self.segmenter.segment(seen)

        return self.cache.label_map(item.sha256, self._segmentation_settings, self.segmenter.names(), made)

    def has_segmentation(self, item: StoredVolume) -> bool:
        """Say whether a volume's segmentation would be read back."""
        if self.protocol.segmenter == PRECOMPUTED:
            return True
        return self.cache.has(self.cache.entry(SEGMENTATIONS, item.sha256, self._segmentation_settings, ".nii.gz"))

    @property
    def _segmentation_settings(self) -> dict[str, Any]:
        return {"reading": _READING, "grid": self.describe("grid"), "segmenter": self.describe("segmenter")}


def _sha256_or_absent(weights: WeightFile) -> str:
    try:
        return weights.sha256()
    except Unavailable:
        return "absent"
