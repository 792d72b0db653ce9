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
from medbench.errors import MedbenchError, Unavailable
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


def checks() -> list[Check]:
    """Return all checks; none of them downloads or writes anything."""
    return [*_libraries(), _gpu(), _attention(), _home(), _disk(), *_weights(), _licence(), *_data()]


def _libraries() -> Iterator[Check]:
    for name in _LIBRARIES:
        try:
            yield Check(check=f"library {name}", ok=True, detail=version(name), mend="")
        except PackageNotFoundError:
            yield Check(check=f"library {name}", ok=False, detail="not installed", mend=f"python -m pip install {name}")


def _gpu() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check(check="GPU", ok=False, detail="no CUDA device: everything runs on the CPU", mend="")
    properties = torch.cuda.get_device_properties(0)
    return Check(
        check="GPU", ok=True, detail=f"{properties.name}, {properties.total_memory / 1024**3:.1f} GiB", mend=""
    )


def _attention() -> Check:
    import torch

    if not torch.cuda.is_available():
        return Check(check="attention", ok=True, detail="torch SDPA (xformers has no CPU kernels)", mend="")
    try:
        found = f"xformers {version('xformers')}"
    except PackageNotFoundError:
        return Check(check="attention", ok=True, detail="torch SDPA (xformers is not installed)", mend="")
    if xformers_works("cuda"):
        return Check(check="attention", ok=True, detail=found, mend="")
    detail = f"torch SDPA ({found} has no kernels for torch {torch.__version__} on this GPU)"
    return Check(check="attention", ok=True, detail=detail, mend="")


def _home() -> Check:
    folder = _existing(home())
    writable = os.access(folder, os.W_OK)
    mend = "" if writable else "set MEDBENCH_HOME to a folder you may write to"
    return Check(check="MEDBENCH_HOME", ok=writable, detail=str(home()), mend=mend)


def _disk() -> Check:
    free = shutil.disk_usage(_existing(home())).free
    mend = "" if free > _LOW_DISK_BYTES else "free some space, or set MEDBENCH_HOME to a larger disk"
    return Check(check="disk", ok=not mend, detail=f"{free / 1e9:.0f} GB free at MEDBENCH_HOME", mend=mend)


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
    try:
        return Check(check=f"weights {name}", ok=True, detail=f"{sha256()[:12]}; licence: {licence}", mend="")
    except (Unavailable, MedbenchError) as reason:
        detail, _, mend = str(reason).partition(": ")
        return Check(check=f"weights {name}", ok=False, detail=f"{detail}; licence: {licence}", mend=mend)


def _licence() -> Check:
    """Say whether TotalSegmentator has a licence number; that it is valid is the user's word."""
    name = "licence totalsegmentator-heartchambers"
    try:
        if licence_number() is not None:
            return Check(check=name, ok=True, detail="number configured: declared by the user, not verified", mend="")
    except MedbenchError as reason:
        detail, _, mend = str(reason).partition(": ")
        return Check(check=name, ok=False, detail=detail, mend=mend)
    return Check(check=name, ok=False, detail="no number configured (needed for this segmenter)", mend=licence_mend())


def _data() -> Iterator[Check]:
    for name in registry.names("datasets"):
        try:
            cases = registry.load("datasets", name)().cases("test")
            yield Check(check=f"data {name}", ok=True, detail=f"{len(cases)} held-out cases", mend="")
        except MedbenchError as absent:
            yield Check(check=f"data {name}", ok=False, detail="not here", mend=str(absent))
