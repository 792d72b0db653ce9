"""Where a computation ran out of memory, read from the traceback."""

from __future__ import annotations

import pytest
import torch

from medbench.budget.place import place_of


class Failing(torch.nn.Module):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError(f"no memory for {len(tokens)}")


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Sequential(Failing())])

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            volume = block(volume)
        return volume


def test_the_innermost_layer_is_named_from_the_outermost_network() -> None:
    with pytest.raises(torch.OutOfMemoryError) as error:
        Network()(torch.zeros(1, 2, 3, dtype=torch.float16))
    assert place_of(error.value) == "in Network.blocks.1.0, working on 1x2x3 float16"


def test_a_layer_that_is_no_part_of_the_outermost_network_has_its_own_name() -> None:
    inner = Failing()

    class Wrapper(torch.nn.Module):
        def forward(self) -> None:
            inner(torch.zeros(2))

    with pytest.raises(torch.OutOfMemoryError) as error:
        Wrapper()()
    assert place_of(error.value) == "in Failing, working on 2 float32"


def test_without_a_network_that_is_said() -> None:
    try:
        raise torch.OutOfMemoryError("no memory")
    except torch.OutOfMemoryError as error:
        assert place_of(error) == "outside the forward pass of the networks"
