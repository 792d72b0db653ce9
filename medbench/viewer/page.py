"""One HTML file that holds volumes and shows them: it loads nothing, and opens from disk."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Sequence
from typing import Final

from medbench.errors import GeometryError
from medbench.imaging.formats.geometry import same_grid
from medbench.imaging.volume import LabelMap, Volume
from medbench.viewer.assets import csp_hash, joined_script, style
from medbench.viewer.slices import AxialSlices

ENTRY: Final = "standalone.js"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<main><h1>{title}</h1><div data-volumes="{names}">{fallback}</div></main>
{blocks}
<script type="module">{script}</script>
</html>
"""
_LAYOUT = """
html, body, main { height: 100%; margin: 0; background: #0b0d10; color: #e8eaed; font-family: system-ui, sans-serif; }
main { display: flex; flex-direction: column; }
main > h1 { margin: 0; padding: 8px 12px; font-size: 16px; font-weight: 600; }
main > div { flex: 1; min-height: 0; }
"""


def embedded(name: str, volume: Volume, labels: LabelMap | None = None, *, title: str = "") -> str:
    """Return a block of HTML that keeps a volume for the viewer: voxels compressed, never run by the browser.

    Args:
        name: the element's id.
        volume: is stored as int16 HU.
        labels: on the volume's grid.
        title: stands above the volume.

    Raises:
        GeometryError: the label map lies on another grid.
    """
    slices = AxialSlices.of(volume.voxels, volume.affine)
    grid: dict[str, object] = {"shape": slices.shape, "spacing": slices.spacing_mm, "name": title}
    lines = [_packed(slices.slab(0, len(slices.voxels)))]
    if labels is not None:
        if not same_grid(volume, labels):
            raise GeometryError(f"{title or name}: the label map lies on another grid than its volume: resample it")
        grid["regions"] = {str(value): region for value, region in labels.names.items()}
        lines.append(_packed(labels.voxels.tobytes(order="F")))
    about = json.dumps(grid).replace("<", "\\u003c")  # no text may end the block
    return "\n".join(
        [f'<script type="application/x-medbench-volume" id="{html.escape(name)}">', about, *lines, "</script>"]
    )


def viewer_page(title: str, volumes: Sequence[tuple[str, Volume, LabelMap | None]]) -> str:
    """Return a page with one volume, or two side by side with all that is shown linked.

    Args:
        title: of the page.
        volumes: the title of each, its voxels, its label map.

    Raises:
        GeometryError: a label map lies on another grid than its volume.
    """
    names = [f"volume-{place}" for place in range(len(volumes))]
    sheet, script = style() + _LAYOUT, joined_script(ENTRY)
    return _PAGE.format(
        policy=f"default-src 'none'; script-src {csp_hash(script)}; style-src {csp_hash(sheet)}; base-uri 'none'",
        title=html.escape(title),
        style=sheet,
        names=" ".join(names),
        fallback="This page shows its volumes by a script, which this browser does not run.",
        blocks="\n".join(
            embedded(name, volume, labels, title=shown) for name, (shown, volume, labels) in zip(names, volumes)
        ),
        script=script,
    )


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()
