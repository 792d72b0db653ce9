"""Training: the shared loop and moving averages of weights."""

from typing import Literal

# Of the networks' arithmetic while they train; weights stay float32.
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
