"""The authors' public files: names, averages, what is fixed, what must be empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from medbench.errors import CheckpointError
from medbench_models.shared.config import VqvaeConfig
from medbench_models.shared.vqvae import Vqvae
from medbench_models.voldit.adapter import TokenAdapter
from medbench_models.voldit.networks import build_adapter, build_dit
from medbench_models.voldit.presets import PRESETS
from medbench_models.voldit.upstream import codes_in, read_adapter, read_dit, read_vqvae

DATA = Path(__file__).parents[2] / "data" / "voldit"
LISTED = json.loads((DATA / "statedicts.json").read_text(encoding="utf-8"))
FULL = (512, 512, 256)


def empty(listed: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    return {name: torch.empty(shape) for name, shape in listed.items()}


@torch.no_grad()
def test_averages_lie_over_the_raw_weights(golden) -> None:
    """The public average lacks what was not trained: the positions."""
    wanted, dit = golden.arrays("dit_io", "p2"), golden.empty_dit(2)
    shadow = torch.load(DATA / "dit_tiny.pth", weights_only=True)["ema"]["shadow"]
    assert "pos_embed" not in shadow
    for which, name in (("averaged", "out_ema_t137"), ("raw", "out_t137")):
        dit.load_state_dict(read_dit(DATA / "dit_tiny.pth", dit, which))
        torch.testing.assert_close(dit(wanted["x"], torch.tensor([137])), wanted[name], atol=1e-5, rtol=0.0)


def test_a_bare_state_dict_is_read(golden) -> None:
    """``final_model.pth``: raw weights and no average."""
    dit, state = golden.empty_dit(2), golden.public_dit(2)
    whole = read_dit(golden.saved(state), dit)
    inside = read_dit(golden.saved({"model": state, "ema": None}), dit)
    assert all(torch.equal(value, inside[name]) for name, value in whole.items())


def test_the_empty_table_of_classes_is_expected_and_a_full_one_refused(golden) -> None:
    state, dit = golden.public_dit(2), golden.empty_dit(2)
    assert state["y_embedder.embedding_table.weight"].shape == (0, 48)
    state["y_embedder.embedding_table.weight"] = torch.zeros(4, 48)
    with pytest.raises(CheckpointError, match="transformer of 4 classes"):
        read_dit(golden.saved(state), dit)


@pytest.mark.parametrize("fault", ["another patch", "another order", "none"])
def test_positions_of_another_latent_are_refused(golden, fault: str) -> None:
    state, dit = golden.public_dit(2), golden.empty_dit(2)
    positions = state.pop("pos_embed")
    if fault == "another patch":
        state["pos_embed"] = positions[:, :4]
    elif fault == "another order":
        state["pos_embed"] = positions.flip(1)
    with pytest.raises(CheckpointError, match=r"public\.pth .*positions") as refused:
        read_dit(golden.saved(state), dit)
    assert "\n" not in str(refused.value)


def test_an_adapter_takes_its_averages_alone_and_leaves_the_transformer_as_it_is(golden) -> None:
    state = golden.public_adapter("p2_all")
    name = "condition_embedder.conv_in.conv.bias"
    path = golden.saved({"model": state, "ema": {"decay": 0.9999, "shadow": {name: state[name] + 1.0}}})
    adapter, dit = TokenAdapter(golden.adapters["p2_all"], golden.config(2)), golden.empty_dit(2)
    found = read_adapter(path, adapter.state_dict())
    assert torch.equal(found["embedding.conv_in.bias"], state[name] + 1.0)
    assert torch.equal(found["gate.weight"], state["time_gate.weight"])
    under = read_dit(path, dit)
    assert torch.equal(under["out.weight"], state["base_model.final_layer.linear.weight"])


def test_a_transformers_file_is_no_adapters(golden) -> None:
    adapter = TokenAdapter(golden.adapters["p2_all"], golden.config(2))
    with pytest.raises(CheckpointError, match="holds no adapter"):
        read_adapter(golden.saved(golden.public_dit(2)), adapter.state_dict())


def test_another_network_is_refused_with_a_list(golden) -> None:
    state = golden.public_dit(2)
    state["extra"] = state.pop("final_layer.linear.bias")
    with pytest.raises(CheckpointError, match=r"missing \(out\.bias\).*unexpected \(extra\)"):
        read_dit(golden.saved(state), golden.empty_dit(2))
    with pytest.raises(CheckpointError, match="does not fit"):
        read_vqvae(golden.saved(state), Vqvae(VqvaeConfig(channels=(4,), res_layers=1, codebook_size=8)).state_dict())


def test_full_size_files_fit(golden, monkeypatch: pytest.MonkeyPatch) -> None:
    network = PRESETS["paper"].network
    with torch.device("meta"):
        files = [empty(LISTED[name]) for name in ("dit_l4", "tgca_l4_without_base", "vqgan_ds8")]
        dit, adapter, vqvae = build_dit(network, FULL), build_adapter(network), Vqvae(network.vqvae)
    monkeypatch.setattr("medbench_models.voldit.upstream._require_positions", lambda *_: None)  # they have no numbers
    assert read_dit(golden.saved(files[0]), dit).keys() == dit.state_dict().keys()
    assert read_adapter(golden.saved(files[1]), adapter.state_dict()).keys() == adapter.state_dict().keys()
    assert read_vqvae(golden.saved(files[2]), vqvae.state_dict()).keys() == vqvae.state_dict().keys()
    assert codes_in(golden.saved(files[2])) == 4096
