"""Draw docs/generators.png: a row of samples a generator below a row of held-out phantoms.

python docs/make_gallery.py [FOLDER]

It samples every generator that has a preset tiny, without choosing: the first volumes of seed 0. FOLDER (default
gallery/) keeps the samples, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from medbench import Volume, load_dataset, registry
from medbench.drawing.panels import MUTED, Sheet, centre_slice
from medbench.drawing.style import save
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.spec import Window

COUNT, VIEWS = 4, (0, 1)
WINDOW = Window(low=-1000, high=1000)


def sampled(model: str, folder: Path) -> list[Volume]:
    """Return the first samples of a model's tiny preset."""
    out = folder / model
    options = RunOptions(
        model=model, dataset="phantom", preset="tiny", samples=COUNT, metrics=("hu",), out=out, device="cpu"
    )
    Run(options, silent).sample()
    return [Volume.read(out / "samples" / f"{index:06d}.nii.gz") for index in range(COUNT)]


def draw(rows: dict[str, Sequence[Volume]], path: Path) -> None:
    """Draw each row's centre slices, axial on the left and coronal on the right."""
    shown = [volume for row in rows.values() for volume in row]
    sheet = Sheet(shown, rows=[VIEWS] * len(rows), blocks=[COUNT] * len(VIEWS))
    for view, title in zip(VIEWS, ("Axial", "Coronal")):
        sheet.block_title(title, MUTED, view, COUNT)
    for row, (name, volumes) in enumerate(rows.items()):
        sheet.row_title(row, name)
        for view in VIEWS:
            for place, volume in enumerate(volumes):
                sheet.cell(view * COUNT + place, row, volume, view).imshow(
                    centre_slice(volume, view), cmap="gray", vmin=WINDOW.low, vmax=WINDOW.high, aspect="auto"
                )
    sheet.footer("first samples of seed 0, window -1000 to 1000 HU")
    save(sheet.figure, path)


def main() -> None:
    """Sample what is missing and draw."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")
    cases = load_dataset("phantom").cases("test")[:COUNT]
    rows: dict[str, Sequence[Volume]] = {"real": [case.read_volume() for case in cases]}
    for name in registry.names("generators"):
        if "tiny" in registry.load("generators", name).info.presets:
            rows[name] = sampled(name, folder)
    draw(rows, Path(__file__).with_name("generators.png"))


if __name__ == "__main__":
    main()
