"""What works on this machine, what is missing, and how to get it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from medbench import registry
from medbench.datasets.base import Check
from medbench.errors import MedbenchError, MissingExtraError, Unavailable
from medbench.extras import EXTRAS, install_line
from medbench.segmenters.total_models import licence_mend, licence_number
from medbench.storage.catalogue import weight_files
from medbench.storage.files import sha256_of
from medbench.storage.home import home
from medbench.training.attention import xformers_works

_LIBRARIES = (
    "torch",
    "torchvision",
    "monai",
    "lightning-fabric",
    "nibabel",
    "SimpleITK",
    "totalsegmentator",
    "nnunetv2",
)
_LOW_DISK_BYTES = 5e9
_LICENCE = "licence totalsegmentator-heartchambers"


def checks() -> list[Check]:
    """Return all checks; none of them downloads or writes anything."""
    return [
        *_libraries(),
        *_extras(),
        _gpu(),
        _attention(),
        _home(),
        _disk(),
        *_weights(),
        _tried(_LICENCE, _licence),
        *_data(),
    ]


def _row(check: str, detail: str, mend: str = "", *, ok: bool | None = None) -> Check:
    return Check(check=check, ok=not mend if ok is None else ok, detail=detail, mend=mend)


def _libraries() -> Iterator[Check]:
    for name in _LIBRARIES:
        try:
            yield _row(f"library {name}", version(name))
        except PackageNotFoundError:
            yield _row(f"library {name}", "not installed", f"python -m pip install {name}")


def _extras() -> Iterator[Check]:
    """Say which optional libraries are here; without one, what it brings is all that is lost."""
    for name, extra in EXTRAS.items():
        absent = extra.absent()
        if absent:
            yield _row(f"extra {name}", f"no {', '.join(absent)}: brings {extra.brings}", install_line(name))
        else:
            yield _row(f"extra {name}", extra.brings)


def _gpu() -> Check:
    import torch

    if not torch.cuda.is_available():
        return _row("GPU", "no CUDA device: everything runs on the CPU", ok=False)
    properties = torch.cuda.get_device_properties(0)
    return _row("GPU", f"{properties.name}, {properties.total_memory / 1024**3:.1f} GiB")


def _attention() -> Check:
    import torch

    if not torch.cuda.is_available():
        return _row("attention", "torch SDPA (xformers has no CPU kernels)")
    try:
        found = f"xformers {version('xformers')}"
    except PackageNotFoundError:
        return _row("attention", "torch SDPA (xformers is not installed)")
    if xformers_works("cuda"):
        return _row("attention", found)
    return _row("attention", f"torch SDPA ({found} has no kernels for torch {torch.__version__} on this GPU)")


def _home() -> Check:
    writable = os.access(_existing(home()), os.W_OK)
    return _row("MEDBENCH_HOME", str(home()), "" if writable else "set MEDBENCH_HOME to a folder you may write to")


def _disk() -> Check:
    free = shutil.disk_usage(_existing(home())).free
    mend = "" if free > _LOW_DISK_BYTES else "free some space, or set MEDBENCH_HOME to a larger disk"
    return _row("disk", f"{free / 1e9:.0f} GB free at MEDBENCH_HOME", mend)


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())


def _weights() -> Iterator[Check]:
    """Say which weights are here, under which licence; absent ones say how to get them."""
    kinds: tuple[registry.Kind, ...] = ("features", "segmenters")
    for kind in kinds:
        for name in registry.names(kind):
            plugin = registry.load(kind, name)
            yield _weight_check(name, plugin(device="cpu").weights_sha256, plugin.info.license)
    for weights in weight_files("metrics").values():
        yield _weight_check(weights.name, weights.sha256, weights.license)
    for name in registry.names("generators"):
        generator = registry.load("generators", name)
        for preset in generator.info.presets:
            find = generator(preset, device="cpu").default_checkpoint
            yield _weight_check(f"{name} {preset}", partial(_hash_of, find), generator.info.license)


def _hash_of(find: Callable[[], Path | None]) -> str:
    checkpoint = find()
    return "none needed" if checkpoint is None else sha256_of(checkpoint)


def _weight_check(name: str, sha256: Callable[[], str], licence: str) -> Check:
    return _tried(f"weights {name}", lambda: sha256()[:12], f"; licence: {licence}")


def _tried(check: str, tell: Callable[[], str], besides: str = "") -> Check:
    """Return what is told, or why it cannot be: the mend stands after the colon."""
    try:
        return _row(check, tell() + besides)
    except (Unavailable, MedbenchError) as reason:
        detail, _, mend = str(reason).partition(": ")
        return _row(check, detail + besides, mend, ok=False)


def _licence() -> str:
    """Say whether TotalSegmentator has a licence number; that it is valid is the user's word."""
    if licence_number() is None:
        raise MissingExtraError(f"no number configured (needed for this segmenter): {licence_mend()}")
    return "number configured: declared by the user, not verified"


def _data() -> Iterator[Check]:
    for name in registry.names("datasets"):
        try:
            yield _row(f"data {name}", f"{len(registry.load('datasets', name)().cases('test'))} held-out cases")
        except MedbenchError as absent:
            yield _row(f"data {name}", "not here", str(absent))
