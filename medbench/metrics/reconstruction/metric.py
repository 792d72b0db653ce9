"""How faithfully an autoencoder returns held-out volumes: PSNR, MS-SSIM and, where its weights are here, LPIPS.

Volume and reconstruction are clipped to the protocol's window; its width is the data range. MS-SSIM is 3D with kernel
3; it has as many of the five scales as the smallest axis holds (at least 3 voxels must be left for the kernel), the
weights of the used scales rescaled to sum 1. The number of scales is part of ``parts``: figures of different numbers
are not comparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.features.lpips import BACKBONE, Lpips25d, fits, load_lpips
from medbench.metrics.base import Figure, Measurement, MetricInfo
from medbench.metrics.evidence import Evidence
from medbench.metrics.functional.ms_ssim import KERNEL, SCALE_WEIGHTS, scales_that_fit
from medbench.metrics.reconstruction.figure import draw
from medbench.metrics.reconstruction.parts import PARTS
from medbench.records.results import CaseColumns
from medbench.statistics.dominance import dominance_notes
from medbench.statistics.resampling import NOT_ASKED, mean_interval, subject_means

if TYPE_CHECKING:
    from medbench.spec import Window


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
        window, planes = evidence.protocol.window, evidence.protocol.slices.planes
        lpips, skipped = _lpips_or_why_not()
        rows: list[dict[str, object]] = []
        # The generator comes first: zip then asks it for its end, where it reports its progress.
        for (volume, again), volume_id, subject in zip(held_out.reconstructions(), held_out.ids, held_out.subjects):
            real, reconstructed = _unit(volume.voxels, window), _unit(again.voxels, window)
            row = {"id": volume_id, "subject": subject, **_figures(volume_id, real=real, reconstructed=reconstructed)}
            if lpips is not None and not fits(real.shape):
                lpips, skipped = None, {"lpips": f"slices of volumes {real.shape} are too small for its network"}
            if lpips is not None:
                row["lpips"] = lpips(real, reconstructed, planes=planes)
            rows.append(row)
        table = pd.DataFrame(rows).drop(columns=list(skipped), errors="ignore")
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


def _figures(volume_id: str, *, real: np.ndarray, reconstructed: np.ndarray) -> dict[str, float]:
    ratio = psnr(real=real, reconstructed=reconstructed)
    if np.isinf(ratio):
        raise Unavailable(f"the reconstruction of {volume_id} equals the volume, its PSNR is infinite: is it a copy?")
    if np.isnan(ratio):
        raise Unavailable(f"the reconstruction of {volume_id} holds NaN: look at the autoencoder and its weights")
    similarity = ms_ssim(real=real, reconstructed=reconstructed)
    return {"psnr": ratio, "ms_ssim": similarity, "ms_ssim_scales": float(scales_that_fit(min(real.shape)))}


def _lpips_or_why_not() -> tuple[Lpips25d | None, dict[str, str]]:
    try:
        return load_lpips(), {}
    except Unavailable as reason:
        return None, {"lpips": str(reason)}


def _summary(values: np.ndarray) -> dict[str, float]:
    if len(values) == 1:
        return {"mean": float(values[0])}
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1))}
