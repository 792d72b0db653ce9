import pytest
import torch

from medbench.training.chance import Chance, Samples


def drawn(samples: Samples) -> list[torch.Tensor]:
    """What a step might draw, in its order."""
    found = [samples.integers(100), samples.normal(3, 2), samples.stratified(), samples.uniform(4)]
    return [*found, samples.each(lambda source: torch.randperm(6, generator=source))]


@pytest.mark.parametrize(
    ("processes", "passes", "size"), [(1, 1, 12), (2, 1, 6), (3, 2, 2), (1, 4, 3), (4, 3, 1), (12, 1, 1)]
)
def test_a_samples_chance_is_the_same_however_the_batch_is_divided(processes: int, passes: int, size: int) -> None:
    wanted = drawn(Chance(3, 7).batches(12)[0])
    parts = [Chance(3, 7, process, processes).batches(size, passes) for process in range(processes)]
    in_places = sorted((samples for part in parts for samples in part), key=lambda samples: samples.places.start)
    assert [place for samples in in_places for place in samples.places] == list(range(12))
    found = zip(*map(drawn, in_places))
    assert all(torch.equal(torch.cat(some), whole) for some, whole in zip(found, wanted, strict=True))


def test_all_processes_and_passes_share_what_is_common() -> None:
    parts = [samples for process in range(2) for samples in Chance(3, 7, process, 2).batches(2, 2)]
    draws = {float(torch.rand((), generator=samples.common)) for samples in parts}
    assert draws == {float(torch.rand((), generator=Chance(3, 7, 1, 2).common()))}


def test_every_pass_of_one_process_holds_part_of_each_pass_of_the_whole() -> None:
    """A step of several passes sees the same samples in each of them, whatever the number of processes."""
    whole = [set(samples.places) for samples in Chance(0, 0).batches(4, 3)]
    parts = [Chance(0, 0, process, 2).batches(2, 3) for process in range(2)]
    assert [set(one.places) | set(other.places) for one, other in zip(*parts)] == whole


def test_chance_depends_on_seed_step_place_and_use() -> None:
    def draw(chance: Chance) -> list[float]:
        return [*chance.batches(2)[0].uniform().tolist(), float(torch.rand((), generator=chance.common()))]

    assert draw(Chance(1, 2)) == draw(Chance(1, 2))
    sources = [Chance(1, 2), Chance(0, 2), Chance(1, 0), Chance(1, 2).of("restart")]
    assert len({number for source in sources for number in draw(source)}) == 3 * len(sources)


def test_stratified_numbers_are_one_from_each_part_and_all_as_likely() -> None:
    found = torch.stack([Chance(0, step).batches(4)[0].stratified() for step in range(500)])
    assert (found * 4).long().eq(torch.arange(4)).all()
    assert float((found * 4).frac().mean()) == pytest.approx(0.5, abs=0.05)
