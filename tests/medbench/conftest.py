"""Test doubles and weights that several folders use."""

import json
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medbench.errors import Unavailable
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.evidence import Evidence, Input, Side
from medbench.progress import Progress, silent
from medbench.spec import Plane, Protocol, fingerprint

DATA = Path(__file__).parents[1] / "data"


@dataclass
class MemorySide:
    """A side of a comparison that holds everything in lists."""

    ids: Sequence[str]
    subjects: Sequence[str]
    features: Mapping[Plane, Sequence[np.ndarray]] = field(default_factory=dict)
    regions: pd.DataFrame | None = None
    pairs: Sequence[tuple[Volume, Volume]] = ()
    vectors: Sequence[np.ndarray] = ()
    scans: Sequence[Volume] = ()
    seen: Sequence[LabelMap] = ()
    drawn: Sequence[LabelMap] = ()
    masks_stand_for_segmenter: bool = False

    @property
    def content(self) -> str:
        return fingerprint(
            [list(self.ids), *([one.content_hash() for one in kept] for kept in (self.scans, self.drawn))]
        )

    def only(self, ids: Sequence[str]) -> "MemorySide":
        places = [list(self.ids).index(volume) for volume in ids]
        one_each = ("ids", "subjects", "scans", "pairs", "seen", "drawn")
        held = {name: [kept[place] for place in places] for name in one_each if (kept := getattr(self, name))}
        return replace(self, **held)

    def slice_features(self, plane: Plane) -> Iterator[np.ndarray]:
        return iter(self.features[plane])

    def region_voxels(self) -> pd.DataFrame:
        assert self.regions is not None
        return self.regions

    def volume_features(self) -> Iterator[np.ndarray]:
        return iter(self.vectors)

    def volumes(self) -> Iterator[Volume]:
        return iter(self.scans) if self.scans else (volume for volume, _ in self.pairs)

    def segmentations(self) -> Iterator[LabelMap]:
        return _present(self.seen)

    def masks(self) -> Iterator[LabelMap]:
        return _present(self.drawn)

    def derived(
        self,
        name: str,
        compute: Callable[..., Mapping[str, np.ndarray]],
        *,
        of: Sequence[Input],
        settings: Mapping[str, Any],
    ) -> Iterator[dict[str, np.ndarray]]:
        sources = {
            "volume": self.volumes, "segmentation": self.segmentations, "mask": self.masks,
            "reconstructed": lambda: (again for _, again in self.reconstructions()),
        }  # fmt: skip
        for inputs in zip(*(sources[what]() for what in of)):
            yield dict(compute(*inputs))

    def reconstructions(self) -> Iterator[tuple[Volume, Volume]]:
        return iter(self.pairs)


def _present(label_maps: Sequence[LabelMap]) -> Iterator[LabelMap]:
    if not label_maps:
        raise Unavailable("there are no masks")
    return iter(label_maps)


@dataclass
class MemoryWorkspace:
    """A place to train in."""

    root: Path
    device: str = "cpu"
    progress: Progress = silent

    @property
    def logs(self) -> Path:
        return self.folder("logs", {})

    def folder(self, name: str, settings: Mapping[str, Any]) -> Path:
        folder = self.root / name / fingerprint(settings)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@pytest.fixture
def make_side():
    def make(count: int, *, subjects: Sequence[str] | None = None, **evidence: object) -> MemorySide:
        ids = [f"v{index:03}" for index in range(count)]
        return MemorySide(ids, ids if subjects is None else subjects, **evidence)

    return make


@pytest.fixture
def make_evidence(tmp_path: Path):
    def make(
        real: Side, synthetic: Side, *, held_out: Side | None = None, intervals: bool = True, **protocol: object
    ) -> Evidence:
        workspace = MemoryWorkspace(tmp_path / "workspace")
        described = Protocol(name="test", summary="test", **protocol)
        return Evidence(described, real, synthetic, held_out, workspace, intervals=intervals)

    return make


@dataclass
class FakeCard:
    """A CUDA card that is none: it counts the CPU's tensors and runs out of memory at its cap.

    Args:
        total: its memory in bytes.
        scale: how many bytes each byte of a tensor stands for.
    """

    total: int = 80 * 2**30
    scale: int = 1024
    cap: float = float("inf")
    now: int = 0
    peak: int = 0

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer what is asked of ``torch.cuda``."""
        import torch

        def set_cap(fraction: float, device: object) -> None:
            self.cap = fraction * self.total

        answers = {
            "device_count": lambda: 1,
            "get_device_properties": lambda device: SimpleNamespace(total_memory=self.total),
            "set_per_process_memory_fraction": set_cap,
            "reset_peak_memory_stats": lambda device: None,
            "max_memory_allocated": lambda device: self.peak,
            "max_memory_reserved": lambda device: self.peak,
            "mem_get_info": lambda device: (self.total - self.now, self.total),
            "memory_reserved": lambda device: self.now,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count every tensor that is made."""
        import torch
        from torch.utils import _pytree as pytree
        from torch.utils._python_dispatch import TorchDispatchMode

        card, live = self, set()

        def release(key: int, size: int) -> None:
            live.discard(key)
            card.now -= size

        class Counting(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                found = func(*args, **(kwargs or {}))
                for value in pytree.tree_leaves(found):
                    if isinstance(value, torch.Tensor) and value.untyped_storage()._cdata not in live:
                        storage = value.untyped_storage()
                        size = storage.nbytes() * card.scale
                        if card.now + size > card.cap:
                            raise torch.OutOfMemoryError(
                                f"CUDA out of memory. Tried to allocate {size / 2**30:.2f} GiB"
                            )
                        live.add(storage._cdata)
                        card.now += size
                        card.peak = max(card.peak, card.now)
                        weakref.finalize(storage, release, storage._cdata, size).atexit = False
                return found

        with Counting():
            yield


@pytest.fixture
def fake_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCard]:
    """Let the CPU's tensors be those of a CUDA card with a cap, each byte of them a KiB."""
    card = FakeCard()
    card.stand_in(monkeypatch)
    with card.counting():
        yield card


@pytest.fixture(scope="session")
def radimagenet_entries() -> list[tuple[str, list[int], str]]:
    """Name, shape and type of each entry of RadImageNet's state dict, in order."""
    document = json.loads((DATA / "fid25d" / "radimagenet_resnet50_statedict.json").read_text())
    return [tuple(entry) for entry in document["state_dict"]]


@pytest.fixture(scope="session")
def formula_weights(radimagenet_entries) -> dict[str, np.ndarray]:
    """Weights without meaning that exercise every layer, bit for bit those of the golden numbers."""
    return {key: _formula(key, tuple(shape)) for key, shape, _ in radimagenet_entries}


@pytest.fixture(scope="session")
def formula_weights_file(formula_weights, tmp_path_factory) -> Path:
    import torch

    path = tmp_path_factory.mktemp("weights") / "formula.pth"
    torch.save({key: torch.from_numpy(value) for key, value in formula_weights.items()}, path)
    return path


def _formula(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """splitmix64 from the key's CRC32, mapped to a plausible range for the kind of tensor."""
    if key.endswith("num_batches_tracked"):
        return np.array(0, dtype=np.int64)
    count = int(np.prod(shape))
    z = np.uint64(zlib.crc32(key.encode())) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) / 2**24
    v = 2 * u - 1
    if len(shape) == 4:
        value = v * np.sqrt(6 / np.prod(shape[1:]))
    elif key.endswith("running_var"):
        value = 1 + 0.5 * u
    elif key.endswith("running_mean"):
        value = 0.1 * v
    elif key.endswith("bn3.weight"):
        value = 0.3 * (1 + 0.1 * v)
    elif key.endswith(".weight"):
        value = 1 + 0.1 * v
    else:
        value = 0.1 * v
    return value.astype(np.float32).reshape(shape)


@pytest.fixture(scope="session")
def write_total_model() -> Callable[..., None]:
    """Write a model of TotalSegmentator; see ``_write_total_model``."""
    return _write_total_model


_AIR, _STEP = -1000, 100
_LAYERS = {
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "norm_op": None,
    "dropout_op": None,
    "nonlin": "torch.nn.LeakyReLU",
}
_OPTIONS = {"conv_bias": True, "norm_op_kwargs": {}, "dropout_op_kwargs": None, "nonlin_kwargs": {"inplace": True}}
_BLOCKS = {"n_stages": 2, "features_per_stage": [2, 2], "n_conv_per_stage": [1, 1], "n_conv_per_stage_decoder": [1]}
_ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": _LAYERS | _OPTIONS | _BLOCKS | {"kernel_sizes": [[1] * 3] * 2, "strides": [[1] * 3, [2] * 3]},
    "_kw_requires_import": [*_LAYERS],
}


def _write_total_model(
    results: Path, folder: str, *, trainer: str, classes: int, centres: Mapping[int, float], spacing: float
) -> None:
    """Write a model with nnU-Net's own classes, in the layout of TotalSegmentator's downloads.

    A voxel gets the class with the nearest of the ``centres``, which are levels of the staircase.
    """
    import torch
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    network = get_network_from_plans(*_ARCHITECTURE.values(), 1, classes, deep_supervision=False)
    _read_classes_off_the_intensity(network, centres)
    model = results / folder / f"{trainer}__nnUNetPlans__3d_fullres"
    (model / "fold_0").mkdir(parents=True)
    labels = {"background": 0} | {f"class_{value}": value for value in range(1, classes)}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    (model / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")
    (model / "plans.json").write_text(json.dumps(_total_plans(folder, spacing)), encoding="utf-8")
    checkpoint = {
        "network_weights": network.state_dict(),
        "init_args": {"configuration": "3d_fullres"},
        "trainer_name": trainer,
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")


def _total_plans(name: str, spacing: float) -> dict[str, Any]:
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [32, 32, 32],
        "spacing": [spacing] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": _ARCHITECTURE,
    }
    for kind, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        options = {"is_seg": kind == "seg", "order": order, "order_z": 0, "force_separate_z": None}
        configuration[f"resampling_fn_{kind}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{kind}_kwargs"] = options
    # So normalised, the intensity is the level of the staircase, and never negative.
    intensity = {"mean": _AIR, "std": _STEP, "percentile_00_5": _AIR, "percentile_99_5": 2000}
    return {
        "dataset_name": name,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "foreground_intensity_properties_per_channel": {"0": intensity},
        "label_manager": "LabelManager",
    }


def _read_classes_off_the_intensity(network: Any, centres: Mapping[int, float]) -> None:
    """Set weights so that the class with the nearest level wins: -(x - c)^2 is linear in x but for a common term."""
    import torch

    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    first, last = network.encoder.stages[0][0].convs[0].conv, network.decoder.stages[0].convs[0].conv
    classes = network.decoder.seg_layers[0]
    with torch.no_grad():
        first.weight[0, 0] = 1.0
        last.weight[0, first.out_channels] = 1.0  # the skip connection comes behind the upsampled channels
        classes.bias.fill_(-500.0)
        for value, centre in centres.items():
            classes.weight[value, 0] = 2.0 * centre
            classes.bias[value] = -centre * centre
