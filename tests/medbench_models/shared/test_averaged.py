"""What a training with averaged weights promises, whatever its loss: on a network of one number."""

import pytest
import torch

from medbench.training.chance import Chance, Samples
from medbench.training.loop import launch
from medbench_models.shared.averaged import AveragedTask
from medbench_models.shared.config import DiffusionConfig


class Number(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))

    def forward(self) -> torch.Tensor:
        return self.value


class ToTarget(AveragedTask[list[float]]):
    """The number is drawn to the examples; noise is all the chance there is."""

    validation_rounds = 2

    def drawn(self, examples: list[float], rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor]:
        return (torch.tensor([examples[row] for row in rows]) + chance.normal(),)

    def loss(self, network: torch.nn.Module, drawn: tuple[torch.Tensor, ...]) -> torch.Tensor:
        (wanted,) = drawn
        return (network() - wanted).square().mean()


def task(steps: int = 200, accumulate: int = 1) -> ToTarget:
    config = DiffusionConfig(
        steps=steps, batch=4, accumulate=accumulate, rate=0.1, schedule="constant", loss="mse", ema_decay=0.9
    )
    made = ToTarget(Number(), config, train=[3.0, 5.0], select=[4.0, 4.0, 4.0], seed=0)
    made.setup(launch("cpu"))
    return made


def test_what_is_kept_is_the_average_and_it_follows_the_weights() -> None:
    made = task()
    for index in range(200):
        losses = made.step(index, made.load(index, Chance(0, index)))
    kept, last = made.weights()["value"], made.network.value.detach()
    assert set(losses) == {"loss"}
    assert kept != last
    assert float(kept) == pytest.approx(4.0, abs=0.5)


def test_validations_see_the_same_chance_and_only_the_averaged_weights() -> None:
    made = task()
    first, second = made.validate(), made.validate()
    assert first == second
    with torch.no_grad():
        made.network.value.add_(100.0)
    assert made.validate() == first


def test_a_state_is_all_that_a_step_depends_on() -> None:
    whole, stopped = task(), task()
    for made in (whole, stopped):
        made.step(0, made.load(0, Chance(0, 0)))
    again = task()
    for name, part in again.state().items():
        part.load_state_dict(stopped.state()[name].state_dict())
    for made in (whole, again):
        made.step(1, made.load(1, Chance(0, 1)))
    assert torch.equal(whole.weights()["value"], again.weights()["value"])


def test_passes_of_a_step_draw_other_examples() -> None:
    found = []
    for accumulate in (1, 3):
        made = task(accumulate=accumulate)
        found.append(float(made.step(0, made.load(0, Chance(0, 0)))["loss"]))
    assert found[0] != found[1]
