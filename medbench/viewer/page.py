"""One HTML file that holds volumes and shows them: it loads nothing, and opens from disk."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any, Final

from medbench.imaging.volume import LabelMap, Volume
from medbench.viewer.assets import csp_hash, joined_script, style
from medbench.viewer.packing import Packed, pack

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


def block(name: str, packed: Packed, *, title: str = "") -> str:
    """Return a block of HTML that keeps a volume for the viewer; the browser never runs it.

    Args:
        name: the element's id.
        packed: the volume.
        title: stands above the volume.
    """
    grid: dict[str, Any] = {"shape": packed.shape, "spacing": packed.spacing_mm, "name": title}
    if packed.labels is not None:
        grid["regions"] = {str(value): region for value, region in packed.regions.items()}
    lines = [packed.voxels, *filter(None, [packed.labels])]
    return data_block(name, "application/x-medbench-volume", "\n".join([_unending(grid), *lines]))


def json_block(name: str, document: Any) -> str:
    """Return a block of HTML that keeps a JSON document for a script."""
    return data_block(name, "application/json", _unending(document))


def data_block(name: str, kind: str, text: str) -> str:
    """Return an element that keeps text; the browser neither shows nor runs it."""
    return f'<script type="{kind}" id="{html.escape(name)}">\n{text}\n</script>'


def _unending(document: Any) -> str:
    return json.dumps(document).replace("<", "\\u003c")  # no text may end the block


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
            block(name, pack(volume, labels), title=shown) for name, (shown, volume, labels) in zip(names, volumes)
        ),
        script=script,
    )
