"""The options that commands share, and how their texts are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from medbench.errors import SpecError

Model = Annotated[
    str, typer.Option("--model", "-m", help="Generator: a name of 'medbench list models' or path/to/file.py:Class.")
]
DatasetName = Annotated[str, typer.Option("--dataset", "-d", help="Data set: a name of 'medbench list datasets'.")]
Preset = Annotated[str | None, typer.Option(help="The generator's configuration; its first where not given.")]
Metrics = Annotated[
    str, typer.Option(help="Comma-separated metrics, or 'all'; those that train no network where not given.")
]
SegmenterName = Annotated[
    str | None, typer.Option("--segmenter", help="Another segmenter than the protocol's; 'precomputed' takes masks.")
]
ProtocolName = Annotated[
    str | None, typer.Option("--protocol", help="A name of 'medbench list protocols' or a TOML file.")
]
DataRoot = Annotated[Path | None, typer.Option(help="The folder that holds the data set (else MEDBENCH_DATA/NAME).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes that prepare volumes; all cores where not given.")]
Weights = Annotated[
    list[str] | None, typer.Option("--weights", help="NAME=FILE: weights of a feature network or segmenter.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else there.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def parse_shape(text: str) -> tuple[int, int, int]:
    """Return the voxels along x, y and z that a text such as ``512x512x256`` names.

    Raises:
        SpecError: not three numbers above 0 with an x or a comma between them.
    """
    match = re.fullmatch(r"\s*(\d{1,5})[xX,](\d{1,5})[xX,](\d{1,5})\s*", text)
    x, y, z = map(int, match.groups()) if match else (0, 0, 0)
    if min(x, y, z) < 1:
        raise SpecError(f"'{text}' is no shape: write it like 512x512x256")
    return x, y, z
