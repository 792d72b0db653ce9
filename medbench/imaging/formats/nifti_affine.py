"""Where a NIfTI file places its voxels: sform, qform and pixdim, which may contradict each other.

| stored | taken | told |
| --- | --- | --- |
| the sform's steps are pixdim's | the sform, as nibabel does | a qform that places them otherwise: warning |
| they are not; the qform's are, always | the qform, as ITK does: two witnesses against one | warning |
| they are not, the sform is the identity and there is no qform | pixdim along the identity's axes | warning |
| they are not, without a qform | the sform | warning |
| no sform | the qform, else pixdim with axis 0 to the Left (nibabel's assumption) | |

Negative steps in pixdim are accepted beside an sform of the same steps: directions are the sform's matter.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from medbench.errors import GeometryError
from medbench.imaging.findings import Finding, Severity
from medbench.imaging.formats.geometry import axes_of, check_affine, check_spacing, spacing_of

_MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # metres and micrometres; mm and "unknown" are taken as they are
_SAME_STEP = 0.01  # share of the step
_SAME_DIRECTION = 1.0  # degrees; a qform is a rotation in float32, an sform may be rounded
_SAME_ORIGIN = 0.5  # voxels


def nifti_affine(path: Path, header: Any) -> tuple[np.ndarray, list[Finding]]:
    """Return voxel index to RAS+ mm, and in what the header contradicts itself.

    Args:
        path: the file, for messages.
        header: nibabel's, unchecked.

    Raises:
        GeometryError: spacing or orientation is impossible.
    """
    mm = _MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    pixdim = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1  # the standard's reading of a handedness that was never set
    said: list[tuple[Severity, str]] = []
    if header["sform_code"] <= 0:
        check_spacing(path, pixdim * mm)
        affine = _qform(path, header) if header["qform_code"] > 0 else np.array(header.get_base_affine())
        check_affine(path, _in_mm(affine, mm))
    else:
        sform = np.array(header.get_sform(), dtype=np.float64)
        check_affine(path, _in_mm(sform, mm))
        signs = np.where(_same_steps(spacing_of(sform), np.abs(pixdim)), np.sign(pixdim), 1)
        if np.any(signs < 0):
            said.append(("note", "pixdim is negative: the sform, whose steps are the same, places the voxels"))
        check_spacing(path, pixdim * signs * mm)
        affine, contradiction = _chosen(path, header, sform, np.abs(pixdim))
        if contradiction:
            said.append(("warning", contradiction))
    return _in_mm(affine, mm), [Finding(severity, str(path), "header", text) for severity, text in said]


def _chosen(path: Path, header: Any, sform: np.ndarray, pixdim: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the sform or what is a better witness, and on what they disagree (empty where they do not)."""
    steps = spacing_of(sform)
    header["pixdim"][1:4] = pixdim
    qform = None
    if header["qform_code"] > 0:
        with contextlib.suppress(GeometryError):  # one that is no rotation is no witness
            qform = _qform(path, header)
    if np.all(_same_steps(steps, pixdim)):
        difference = "" if qform is None else _difference(sform, qform)
        told = f"sform and qform contradict each other ({difference}): the sform is taken, ITK takes the qform"
        return sform, f"{told}: make them equal" if difference else ""
    told = f"the sform says {_steps(steps)} mm, "
    if qform is not None:
        return qform, f"{told}qform and pixdim {_steps(pixdim)} mm: the qform is taken, correct the sform"
    if np.array_equal(sform, np.eye(4)):
        told = f"the sform is the identity, a placeholder, pixdim says {_steps(pixdim)} mm"
        return np.diag([*pixdim, 1.0]), f"{told}: pixdim is taken, write a true sform"
    return sform, f"{told}pixdim {_steps(pixdim)} mm: the sform is taken, correct pixdim"


def _qform(path: Path, header: Any) -> np.ndarray:
    from nibabel.spatialimages import HeaderDataError

    try:
        return np.array(header.get_qform(), dtype=np.float64)
    except (HeaderDataError, ValueError) as error:
        raise GeometryError(f"{path}: the qform is no rotation: write a valid orientation") from error


def _difference(sform: np.ndarray, qform: np.ndarray) -> str:
    """Return in words how a qform places voxels otherwise than an sform does whose shear it cannot hold."""
    steps = np.array(spacing_of(sform))
    left, _, right = np.linalg.svd(sform[:3, :3] / steps)
    cosine = (np.trace((left @ right).T @ (qform[:3, :3] / spacing_of(qform))) - 1) / 2
    if np.degrees(np.arccos(np.clip(cosine, -1, 1))) > _SAME_DIRECTION:
        axes = axes_of(sform), axes_of(qform)
        return f"axes {axes[0]} against {axes[1]}" if axes[0] != axes[1] else "axes point differently"
    apart = np.linalg.norm((sform - qform)[:3, 3])
    return f"first voxels {apart:.1f} mm apart" if apart > _SAME_ORIGIN * steps.min() else ""


def _same_steps(a: Any, b: Any) -> np.ndarray:
    same: np.ndarray = np.isclose(a, b, rtol=_SAME_STEP, atol=0)
    return same


def _steps(steps: Any) -> str:
    return " x ".join(f"{step:g}" for step in steps)


def _in_mm(affine: np.ndarray, mm: float) -> np.ndarray:
    scaled: np.ndarray = affine.astype(np.float64)
    scaled[:3] *= mm
    return scaled
