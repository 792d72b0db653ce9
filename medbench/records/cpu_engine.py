"""Which engine computes features on a CPU: ONNX Runtime where its extra is installed, unless torch is asked for."""

from __future__ import annotations

import os
from typing import Final

from medbench.extras import EXTRAS

SETTING: Final = "MEDBENCH_CPU_ENGINE"


def through_onnx_runtime() -> bool:
    """Say whether feature networks that can go through ONNX Runtime do so on a CPU; a run's record says so, too."""
    return os.environ.get(SETTING) != "torch" and not EXTRAS["onnx"].absent()
