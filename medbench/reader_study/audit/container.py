"""What a packet says of a case besides its voxels: names, places, sizes, times, and every field of its headers."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medbench.reader_study.packet import Packet

if TYPE_CHECKING:
    import pandas as pd

SHUFFLED: Final = ("number in the name", "place in the folder", "place in order", "mean place", "side")
"""Facts, by the beginnings of their names, that differ between cases by design: they must be independent of the source.
Every other fact must be the same for all cases."""

_NIFTI_HEADER: Final = 348
_RANDOM_ROOT: Final = "2.25."


def container_facts(packet: Packet) -> pd.DataFrame:
    """Return one row a case and one column a fact (number or text); no voxel is read.

    Args:
        packet: its files are looked at, not what its description says of them.
    """
    import pandas as pd

    listed = {entry.name: place for place, entry in enumerate(os.scandir(packet.path / "cases"))}
    shown = _places(packet)
    rows = {}
    for case in packet.study.checksums:
        path = packet.case_path(case)
        facts: dict[str, Any] = {
            "length of the name": len(path.name),
            "number in the name": int(case.lstrip("CT")),
            "place in the folder": listed[path.name],
            **shown.get(case, {}),
            **_stat_facts(packet.files(case)),
        }
        facts |= _nifti_facts(path) if packet.study.format == "nifti" else _dicom_facts(packet.files(case), case)
        rows[case] = facts
    return pd.DataFrame.from_dict(rows, orient="index")


def _places(packet: Packet) -> dict[str, dict[str, Any]]:
    """Return where each case that counts stands in every reader's order, and on which side."""
    study = packet.study
    found: dict[str, dict[str, Any]] = {}
    for number, order in enumerate(study.orders, start=1):
        for place, trial in enumerate(order):
            for case, side in zip(study.trials[trial].cases, ("left", "right")):
                facts = found.setdefault(case, {"mean place in the orders": 0.0})
                facts.setdefault(f"place in order {number}", place)
                facts["mean place in the orders"] += place / len(study.orders)
                if study.pairs:
                    facts.setdefault("side", side)
    return found


def _stat_facts(files: list[Path]) -> dict[str, Any]:
    stats = [file.stat() for file in files]
    return {
        "number of files": len(files),
        "length of the files": " ".join(map(str, dict.fromkeys(stat.st_size for stat in stats))),
        "time of change": " ".join(map(str, dict.fromkeys(stat.st_mtime_ns for stat in stats))),
        "permissions": " ".join(dict.fromkeys(oct(stat.st_mode) for stat in stats)),
        "owner": " ".join(dict.fromkeys(f"{stat.st_uid}:{stat.st_gid}" for stat in stats)),
        "extended attributes": " ".join(sorted({name for file in files for name in _attributes(file)})),
    }


def _attributes(file: Path) -> list[str]:
    return os.listxattr(file) if hasattr(os, "listxattr") else []  # Linux alone has them here


def _nifti_facts(path: Path) -> dict[str, Any]:
    """Return gzip's header (RFC 1952), the type of the first block (RFC 1951), and the NIfTI header field by field."""
    import nibabel

    with path.open("rb") as file:
        head = file.read(64)
    facts: dict[str, Any] = {"gzip header": head[:10].hex(), "compression": head[10] & 7}
    with gzip.open(path) as stream:
        block = stream.read(_NIFTI_HEADER + 4)
    layout: Any = nibabel.Nifti1Header.template_dtype
    for name, (kind, offset, *_) in layout.fields.items():
        facts[f"NIfTI header: {name}"] = block[offset : offset + kind.itemsize].hex()
    facts["NIfTI header: extension"] = block[_NIFTI_HEADER:].hex()
    return facts


def _dicom_facts(files: list[Path], case: str) -> dict[str, Any]:
    """Return every element of the slices' headers; of random UIDs and of the case's own name only the form is kept."""
    import pydicom

    seen: dict[str, dict[str, None]] = {}
    for file in files:
        slice_ = pydicom.dcmread(file, stop_before_pixels=True)
        with file.open("rb") as raw:
            seen.setdefault("DICOM preamble", {})[raw.read(128).hex()] = None
        for element in (*slice_.file_meta, *slice_):
            value = str(element.value).replace(case, "<case>")
            if element.VR == "UI" and value.startswith(_RANDOM_ROOT) and element.keyword != "ImplementationClassUID":
                value = f"{_RANDOM_ROOT} and {len(value)} characters"
            seen.setdefault(f"DICOM {element.tag} {element.name} ({element.VR})", {})[value] = None
    return {name: " | ".join(values) for name, values in seen.items()}


def differing(facts: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the facts that differ between cases: those that may, and those that must not."""
    varied = [str(name) for name in facts if facts[name].astype(str).nunique() > 1]
    return [f for f in varied if f.startswith(SHUFFLED)], [f for f in varied if not f.startswith(SHUFFLED)]
