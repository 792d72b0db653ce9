"""How faithfully an autoencoder returns held-out volumes: PSNR, MS-SSIM and, where its weights are here, LPIPS.

Volume and reconstruction are clipped to the protocol's window; its width is the data range. MS-SSIM is 3D with kernel
3; it has as many of the five scales as the smallest axis holds (at least 3 voxels must be left for the kernel), the
weights of the used scales rescaled to sum 1. The number of scales is part of ``parts``: figures of different numbers
are not comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.features.lpips import BACKBONE, Lpips25d, fits, load_lpips
from medbench.metrics.base import Figure, Measurement, MetricInfo
from medbench.metrics.evidence import Derivation, Evidence
from medbench.metrics.functional.ms_ssim import KERNEL, SCALE_WEIGHTS, scales_that_fit
from medbench.metrics.reconstruction.figure import draw
from medbench.metrics.reconstruction.parts import PARTS
from medbench.records.results import CaseColumns
from medbench.statistics.dominance import dominance_notes
from medbench.statistics.resampling import NOT_ASKED, mean_interval, subject_means

if TYPE_CHECKING:
    from medbench.imaging.volume import Volume
    from medbench.spec import Plane, Protocol, Window


def _derives(protocol: Protocol) -> Sequence[Derivation]:
    return (of_volumes(protocol),)


class Reconstruction:
    """PSNR, MS-SSIM and LPIPS of the autoencoder on held-out cases."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="reconstruction",
        version="2",
        summary="how well the autoencoder gives back volumes it has not seen: mean PSNR; MS-SSIM and LPIPS beside it",
        better="higher",
        unit="dB",
        min_real=1,
        min_synthetic=0,
        parts=PARTS,
        source="MedLoRD, arXiv:2503.13211; MS-SSIM: Wang et al. 2003; LPIPS: Zhang et al. 2018, arXiv:1801.03924",
        judges="autoencoder",
        floor="none",
        needs=("slices",),
        derives=_derives,
        weights={"lpips": BACKBONE},
        cases=CaseColumns(value="psnr", case="id", subject="subject"),
        figures=(
            Figure(
                name="reconstruction",
                caption="Held-out volumes, what the generator's autoencoder makes of them, and the difference.",
                alt="Slices of original volumes, of their reconstructions and of the signed difference in HU",
                draw=draw,
                dark=True,
            ),
        ),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: no held-out split, no autoencoder, or a reconstruction that equals its volume or holds NaN.
            NotEnoughCasesError: the held-out split is empty.
        """
        import pandas as pd

        held_out = evidence.held_out
        if held_out is None:
            raise Unavailable("there is no held-out split whose volumes could be reconstructed")
        if not held_out.ids:
            raise NotEnoughCasesError("reconstruction needs 1 held-out volume or more, got 0")
        # The generator comes first: zip then asks it for its end, where it reports its progress.
        derived = zip(of_volumes(evidence.protocol).from_side(held_out), held_out.ids, held_out.subjects)
        found = [(arrays, {"id": name, "subject": subject, **_row(name, arrays)}) for arrays, name, subject in derived]
        skipped = _why_no_lpips([arrays for arrays, _ in found])
        table = pd.DataFrame([row for _, row in found]).drop(columns=list(skipped), errors="ignore")
        interval = mean_interval(table["psnr"].to_numpy(), held_out.subjects) if evidence.intervals else NOT_ASKED
        parts = {
            name: _summary(subject_means(table[name].to_numpy(), held_out.subjects))
            for name in ("psnr", "ms_ssim", "lpips")
            if name in table
        }
        parts["ms_ssim"]["scales"] = float(table["ms_ssim_scales"].min())
        by_subject = table.groupby("subject")["psnr"].mean()
        squares = np.square((by_subject - by_subject.mean()).to_numpy())
        notes = dominance_notes(squares, [[str(name)] for name in by_subject.index], side="held-out")
        return Measurement.of(parts["psnr"]["mean"], interval, parts=parts, table=table, notes=notes, skipped=skipped)


def psnr(*, real: np.ndarray, reconstructed: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB for a data range of 1; infinite for equal arrays.

    Args:
        real: (x, y, z) in 0..1.
        reconstructed: likewise.
    """
    error = float(np.mean(np.square(real - reconstructed, dtype=np.float64)))
    return float("inf") if error == 0 else -10.0 * float(np.log10(error))


def ms_ssim(*, real: np.ndarray, reconstructed: np.ndarray) -> float:
    """Return the 3D multi-scale structural similarity (Gaussian kernel of 3 voxels, sigma 1.5) for a data range of 1.

    Args:
        real: (x, y, z) in 0..1, 3 voxels or more along each axis.
        reconstructed: likewise.

    Raises:
        Unavailable: an axis is shorter than the kernel.

    Source: Wang, Simoncelli, Bovik 2003; computed by ``monai.metrics.regression.compute_ms_ssim``.
    """
    import torch
    from monai.metrics.regression import compute_ms_ssim

    scales = scales_that_fit(min(real.shape))
    if scales == 0:
        raise Unavailable(f"MS-SSIM needs {KERNEL} voxels along each axis; the volumes have {real.shape}")
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    first, second = (torch.from_numpy(np.ascontiguousarray(array))[None, None] for array in (reconstructed, real))
    found = compute_ms_ssim(first, second, spatial_dims=3, kernel_size=KERNEL, weights=tuple(weights.tolist()))
    return float(found.item())


def _unit(hu: np.ndarray, window: Window) -> np.ndarray:
    return ((hu.astype(np.float32).clip(window.low, window.high) - window.low) / window.width).astype(np.float32)


def of_volumes(protocol: Protocol) -> Derivation:
    """Return what is derived of each volume and its reconstruction: ``psnr`` (dB), ``ms_ssim``, ``scales``, ``shape``.

    And ``lpips``, where its weights are here and the slices large enough.
    """
    window, planes = protocol.window, protocol.slices.planes
    settings = {
        "version": 1, "window": window.model_dump(mode="json"), "planes": list(planes), "lpips": _lpips_sha256()[0],
    }  # fmt: skip
    compute = partial(_figures, window=window, planes=planes)
    return Derivation("reconstruction", compute, ("volume", "reconstructed"), settings, sides=("held_out",))


def _figures(volume: Volume, again: Volume, *, window: Window, planes: Sequence[Plane]) -> dict[str, np.ndarray]:
    real, reconstructed = _unit(volume.voxels, window), _unit(again.voxels, window)
    found = {
        "psnr": psnr(real=real, reconstructed=reconstructed),
        "ms_ssim": ms_ssim(real=real, reconstructed=reconstructed),
        "scales": scales_that_fit(min(real.shape)),
        "shape": real.shape,
    }
    sha256, _ = _lpips_sha256()
    if sha256 is not None and fits(real.shape):
        found["lpips"] = _lpips(sha256)(real, reconstructed, planes=planes)
    return {name: np.array(figure) for name, figure in found.items()}


def _row(volume_id: str, arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    ratio = arrays["psnr"].item()
    if np.isinf(ratio):
        raise Unavailable(f"the reconstruction of {volume_id} equals the volume, its PSNR is infinite: is it a copy?")
    if np.isnan(ratio):
        raise Unavailable(f"the reconstruction of {volume_id} holds NaN: look at the autoencoder and its weights")
    row = {"psnr": ratio, "ms_ssim": arrays["ms_ssim"].item(), "ms_ssim_scales": float(arrays["scales"])}
    return row | ({"lpips": arrays["lpips"].item()} if "lpips" in arrays else {})


def _why_no_lpips(found: Sequence[Mapping[str, np.ndarray]]) -> dict[str, str]:
    sha256, reason = _lpips_sha256()
    if sha256 is None:
        return {"lpips": reason}
    small = next((tuple(arrays["shape"].tolist()) for arrays in found if "lpips" not in arrays), None)
    return {"lpips": f"slices of volumes {small} are too small for its network"} if small else {}


def _lpips_sha256() -> tuple[str | None, str]:
    """Return the SHA-256 of the weights, or None and why there are none."""
    try:
        return BACKBONE.sha256(), ""
    except Unavailable as reason:
        return None, str(reason)


@lru_cache(maxsize=1)
def _lpips(sha256: str) -> Lpips25d:
    del sha256  # other weights are another network
    return load_lpips()


def _summary(values: np.ndarray) -> dict[str, float]:
    if len(values) == 1:
        return {"mean": float(values[0])}
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1))}
