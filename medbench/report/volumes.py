"""The volumes that a report holds to be looked at: read again from where they lie, packed into a number of bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from medbench.errors import DataError
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.gallery import Gallery, Pair, Shown, stored
from medbench.records.run import RunFolder, RunRecord
from medbench.records.samples import open_folder
from medbench.spec import Grid
from medbench.viewer.assets import csp_hash, joined_script, style
from medbench.viewer.packing import CHARACTERS_A_VOXEL, Packed, pack
from medbench.viewer.page import block, json_block

MOST_BYTES: Final = 25_000_000
"""Of a whole report."""
FEWEST_PAIRS: Final = 2
"""The resolution is what so many pairs allow; at that resolution there are as many more as fit."""
ENTRY: Final = "gallery.js"
PAIRS_BLOCK: Final = "gallery-pairs"
_MOST_OLD_SAMPLES: Final = 4
_FEWEST_VOXELS: Final = 512


@dataclass
class Look:
    """The viewer's part of a page.

    Args:
        rows: what is shown: for each pair the names, the relation, where regions are from, and the grid as packed.
        blocks: HTML elements that keep the volumes.
        absent: what cannot be shown, and why.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    @property
    def script(self) -> str:
        """The script that shows the volumes."""
        return joined_script(ENTRY)

    @property
    def script_hash(self) -> str:
        """By which a policy allows that script."""
        return csp_hash(self.script)

    @property
    def style(self) -> str:
        """The viewer's style sheet."""
        return style()

    @property
    def html(self) -> str:
        """The elements that keep the volumes, and the list of pairs for the script."""
        pairs = [{"title": row["title"], "volumes": row["blocks"]} for row in self.rows]
        return "\n".join([*self.blocks, json_block(PAIRS_BLOCK, pairs)])

    @property
    def characters(self) -> int:
        """Of the volumes."""
        return sum(map(len, self.blocks))


def look(run: RunFolder, record: RunRecord, *, most_bytes: int) -> Look:
    """Return the volumes of a run that can be looked at, as many and as fine as a number of bytes allows.

    Args:
        run: the run folder.
        record: its record; volumes are brought to its protocol's grid.
        most_bytes: of what the page may hold.

    Raises:
        DataError: the gallery's record is damaged.
    """
    gallery, found = Gallery.read(run.path), Look()
    if gallery is None:
        gallery = _of_samples(run, found)
    grid = record.evaluation.protocol.get("grid")
    packer = _Packer(run.path, Grid.model_validate(grid) if grid else None)
    pairs = list(_readable(gallery, run.path, found))
    first = sum(1 + (pair.beside is not None) for pair in pairs[:FEWEST_PAIRS])
    share = most_bytes / CHARACTERS_A_VOXEL / max(1, first)
    while pairs and share >= _FEWEST_VOXELS:
        packed = _fitting(pairs, packer, share, most_bytes)
        if len(packed) >= min(FEWEST_PAIRS, len(pairs)):
            _arrange(pairs, packed, found)
            return found
        share *= 0.7  # noisier than most
    if pairs:
        found.absent.append("all volumes: the pictures of this page leave no room for them")
    return found


@dataclass
class _Packer:
    """Reads and packs volumes.

    Args:
        run: files may be relative to it.
        grid: the canonical grid; None: every volume on its own.
    """

    run: Path
    grid: Grid | None

    def pack(self, shown: Shown, most_voxels: float) -> Packed:
        """Return a volume on the canonical grid, with its regions, packed."""
        volume = Volume.read(self.run / shown.volume.file)
        if self.grid is not None:
            volume = to_grid(volume, self.grid)
        labels = LabelMap.read(self.run / shown.label_map.file, shown.regions) if shown.label_map else None
        return pack(volume, labels, most_voxels=most_voxels)


def _readable(gallery: Gallery, run: Path, found: Look) -> Iterator[Pair]:
    """Yield the pairs that are there; what is not, or not as it was, is noted."""
    for pair in gallery.pairs:
        first = _there(pair.first, run, found)
        if first is None:
            continue
        beside, relation = pair.beside, pair.relation
        if beside is not None and (beside := _there(beside, run, found)) is None:
            assert pair.beside is not None  # it is no longer there
            relation = f"{relation}: {pair.beside.name}, which is no longer there"
        yield Pair(first=first, beside=beside, relation=relation)


def _there(shown: Shown, run: Path, found: Look) -> Shown | None:
    """Return a volume, without its label map where that has gone; None where the volume has."""
    try:
        shown.volume.check(run, shown.name)
    except DataError as error:
        found.absent.append(str(error))
        return None
    try:
        if shown.label_map is not None:
            shown.label_map.check(run, f"the regions of {shown.name}")
    except DataError as error:
        return shown.model_copy(update={"label_map": None, "labels": f"none: {error}"})
    return shown


def _fitting(pairs: list[Pair], packer: _Packer, share: float, most_bytes: int) -> list[dict[str, Packed]]:
    """Pack pairs in their order until the next one would be too much; each as its volumes by name."""
    packed: list[dict[str, Packed]] = []
    known: dict[str, Packed] = {}
    for pair in pairs:
        both = {one.volume.file: one for one in (pair.first, pair.beside) if one is not None}
        new = {file: packer.pack(one, share) for file, one in both.items() if file not in known}
        if sum(one.characters for one in (known | new).values()) > most_bytes:
            break
        known |= new
        packed.append({file: known[file] for file in both})
    return packed


def _arrange(pairs: list[Pair], packed: list[dict[str, Packed]], found: Look) -> None:
    """Turn packed pairs into rows and blocks; a volume that stands in several pairs is kept once."""
    names: dict[str, str] = {}
    for pair, volumes in zip(pairs, packed):
        for shown in filter(None, (pair.first, pair.beside)):
            if shown.volume.file not in names:
                names[shown.volume.file] = f"volume-{len(names)}"
                found.blocks.append(block(names[shown.volume.file], volumes[shown.volume.file], title=shown.title))
        found.rows.append(_row(pair, volumes, names))
    if left := len(pairs) - len(packed):
        found.absent.append(f"{left} more {'pair' if left == 1 else 'pairs'}: this page would grow too large")


def _row(pair: Pair, volumes: Mapping[str, Packed], names: Mapping[str, str]) -> dict[str, Any]:
    both = [one for one in (pair.first, pair.beside) if one is not None]
    first = volumes[pair.first.volume.file]
    return {
        "title": " beside ".join(one.title for one in both),
        "first": pair.first.name,
        "beside": pair.beside.name if pair.beside else None,
        "relation": pair.relation,
        "labels": [one.labels for one in both],
        "shape": first.shape,
        "spacing_mm": first.spacing_mm,
        "full_shape": first.full_shape if first.is_reduced else None,
        "blocks": [names[one.volume.file] for one in both],
    }


def _of_samples(run: RunFolder, found: Look) -> Gallery:
    """Return the first samples alone, for runs that an earlier version evaluated."""
    reason = "this run was evaluated by an earlier version, which did not record what lies nearest"
    if not run.samples.is_dir():
        found.absent.append("this run does not say where its volumes lie: evaluate it again to look at them here")
        return Gallery(pairs=())
    try:
        items = open_folder(run.samples)[:_MOST_OLD_SAMPLES]
    except DataError as error:
        found.absent.append(str(error))
        return Gallery(pairs=())
    shown = [stored(item, run.path, "sample", labels="none: none was recorded") for item in items]
    return Gallery(pairs=tuple(Pair(first=one, beside=None, relation=reason) for one in shown))
