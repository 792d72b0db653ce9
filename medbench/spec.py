"""Frozen, hashable descriptions: grid, protocol, and the fingerprint over them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, model_validator

Plane = Literal["xy", "yz", "zx"]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Spec(BaseModel):
    """Base of every description: immutable, and closed against misspelt fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def canonical_json(document: Any) -> str:
    """Return the one JSON text of a document: sorted keys, no spaces, no NaN."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def fingerprint(document: Any) -> str:
    """Return the first 12 hex digits of the SHA-256 over a document's canonical JSON.

    Args:
        document: a ``Spec`` or anything JSON can hold.
    """
    if isinstance(document, Spec):
        document = document.model_dump(mode="json")
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()[:12]


class Grid(Spec):
    """The canonical grid of a data set and the way volumes are brought to it.

    ``fit="resize"`` stretches the field of view to ``shape`` (spacing follows). Every other fit resamples to
    ``spacing_mm`` where given; then ``crop_pad`` crops or pads each axis about the centre to ``shape``, ``crop`` crops
    the longer axes only, ``pad`` pads the shorter ones only, and ``keep`` leaves the shape as it is.
    """

    shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None, description="voxels along x, y, z; left out for fit 'keep'"
    )
    spacing_mm: tuple[Length, Length, Length] | None = Field(
        None, description="mm along x, y, z; None keeps the volume's"
    )
    fit: Literal["resize", "crop_pad", "crop", "pad", "keep"] = "crop_pad"
    pad_hu: int = Field(-1000, ge=-32768, le=32767)
    convention: Literal["centred", "monai"] = Field(
        "centred",
        description="'centred': both grids share their centre, anti-aliased linear; "
        "'monai': as MONAI's Spacing, SpatialPad and CenterSpatialCrop, voxel for voxel",
    )

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        if (self.shape is None) != (self.fit == "keep"):
            raise ValueError(
                "fit 'keep' takes no shape" if self.shape else f"fit '{self.fit}' needs a shape, or give fit 'keep'"
            )
        if self.fit == "resize" and self.convention == "monai":
            raise ValueError("convention 'monai' has no fit 'resize': leave convention out")
        return self


class Window(Spec):
    """A window of Hounsfield units with its exact forward and inverse scaling."""

    low: FiniteFloat = -1000.0
    high: FiniteFloat = 1000.0

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must lie below high ({self.high})")
        return self

    @property
    def width(self) -> float:
        """Width in HU."""
        return self.high - self.low

    def scale(self, hu: Any) -> Any:
        """Clip HU to the window and map it linearly to -1..1 (NumPy arrays and torch tensors alike)."""
        return (hu.clip(self.low, self.high) - self.low) * (2.0 / self.width) - 1.0

    def unscale(self, scaled: Any) -> Any:
        """Map -1..1 back to HU; values outside are clipped to the window."""
        return (scaled.clip(-1.0, 1.0) + 1.0) * (self.width / 2.0) + self.low


class SliceProtocol(Spec):
    """Which 2D slices a 2.5D metric sees and how they are normalised."""

    planes: tuple[Plane, ...] = Field(("xy", "yz", "zx"), min_length=1)
    centre_ratio: float | None = Field(None, gt=0, le=1, description="share of slices kept about the centre; None: all")
    normalisation: Literal["minmax_per_plane", "minmax_per_slice", "window"] = Field(
        "window",
        description="'minmax_per_plane': (v-min)/(max-min) over a volume's slices of one plane; "
        "'minmax_per_slice': over each slice by itself; 'window': fixed",
    )


class Protocol(Spec):
    """Everything besides the samples that changes a metric's value.

    A protocol's fingerprint names the track; each metric adds its own version, counts and weights to its result's.
    """

    name: str
    summary: str = Field(description="the protocol in words")
    grid: Grid | None = Field(None, description="None: the data's own grid, which must then be one")
    window: Window = Window()
    slices: SliceProtocol = SliceProtocol()
    extractor: str = Field("seeded-resnet", description="slice feature network")
    volume_extractor: str = Field("seeded-resnet3d", description="volume feature network")
    segmenter: str | None = None
    regions: tuple[str, ...] = ()
    nsd_tolerance_mm: Length = Field(2.0, description="surfaces closer than this count as equal")
    downstream: Literal["full", "short", "tiny"] = Field("full", description="how long nnU-Net is trained")
    floor_splits: PositiveInt = Field(10, description="random splits of the real volumes behind a floor")
    reference_count: int | None = Field(
        None, ge=2, description="how many training cases of a data set are the reference; None: all"
    )
    volumes_per_side: int | None = Field(
        None, ge=2, description="only the first volumes of either side, names sorted as strings; None: all"
    )
