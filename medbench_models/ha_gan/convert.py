"""Checkpoints of HA-GAN's public code, converted: ``python -m medbench_models.ha_gan.convert --help``.

Its trainer writes ``G_iter<N>.pth``; only this file is needed. What no file holds has to be said: the spacing (1 mm
unless it is given), the orientation of the arrays (LPS unless it is given), and the data that the weights were trained
on, for the leak register (COPDGene for the preset ``copdgene``). Code in a file never runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from medbench_models.ha_gan.networks import Generator
from medbench_models.ha_gan.presets import PRESETS
from medbench_models.ha_gan.published import CHECKPOINTS, TRAINED_ON
from medbench_models.shared.slab_gan.convert import PublicCode, run

CODE: Final = PublicCode("HA-GAN", PRESETS, Generator, CHECKPOINTS, TRAINED_ON)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: exit code 2 and one line on stderr where something is wrong."""
    run(CODE, arguments, preset="copdgene", about=__doc__)


if __name__ == "__main__":
    main()
