"""Weight files are examined, of every kind: what fits is said, and what does not is named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from medbench.errors import CheckpointError, SpecError
from medbench_models.crf_gan.generator import CrfGan
from medbench_models.ha_gan.generator import HaGan
from medbench_models.maisi import presets as maisi
from medbench_models.maisi.generator import MaisiPt
from medbench_models.medlord import presets as medlord
from medbench_models.medlord.checkpoint import build
from medbench_models.medlord.generator import MedLoRD
from medbench_models.vq_trans.generator import VqTrans

DATA = Path(__file__).parents[2] / "data"
SHIPPED = MedLoRD("tiny", device="cpu").default_checkpoint()


@pytest.fixture
def parts() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The shipped checkpoint's tensors and description, to be damaged."""
    with safe_open(SHIPPED, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(  # noqa: SIM118  no dict
            file.metadata()["medbench"]
        )


def written(folder: Path, tensors: dict[str, torch.Tensor], description: dict[str, Any] | None) -> Path:
    path = folder / "net.safetensors"
    save_file(tensors, path, metadata=None if description is None else {"medbench": json.dumps(description)})
    return path


def test_a_shipped_checkpoint_is_described_whole() -> None:
    found = MedLoRD.examine(SHIPPED, None, device="cpu")
    assert found.usable and found.convert is None
    assert (found.layout, found.preset, found.presets) == ("medbench", "tiny", ("tiny",))
    assert {part.name: (part.kept, part.attention) for part in found.parts} == {
        "vqvae": ("raw", None), "unet": ("averaged", "sdpa"), "controlnet": ("averaged", "sdpa")
    }  # fmt: skip
    assert all(part.types == ("float16",) and 0.1 < part.largest < 100 for part in found.parts)
    assert found.scale_factor_is == "stated"
    assert [one.dataset for one in found.trained_on] == ["phantom"]
    assert found.license == "Apache-2.0"


def test_attention_besides_monais_is_found() -> None:
    (shipped,) = (VqTrans("tiny", device="cpu").default_checkpoint(),)
    attention = {part.name: part.attention for part in VqTrans.examine(shipped, None, device="cpu").parts}
    assert attention == {"vqvae": None, "transformer": "sdpa"}


def test_each_fault_is_named_by_part(tmp_path: Path, parts: Any) -> None:
    tensors, description = parts
    names = [name for name in tensors if name.startswith("unet.")]
    del tensors[names[0]]
    tensors[names[1]] = tensors[names[1]][:1].contiguous()
    tensors[names[2]] = torch.full_like(tensors[names[2]], torch.nan)
    tensors["spare.weight"] = torch.full((1,), 1e8)
    found = MedLoRD.examine(
        written(tmp_path, tensors, description | {"scale_factor": 0.0, "saw": []}), None, device="cpu"
    )
    assert not found.usable
    assert found.faults == ("the scale factor 0.0 is impossible",)
    faults = {part.name: dict(part.faults) for part in found.parts}
    own = [name.removeprefix("unet.") for name in names]
    assert faults["unet"] == {
        "missing": (own[0],), "of another shape": (own[1],), "with NaN or infinity": (own[2],)
    }  # fmt: skip
    assert set(faults["spare"]) == {"unexpected", "with numbers beyond 1e+07"}
    assert not faults["vqvae"] and not faults["controlnet"]
    assert found.license is None and found.trained_on is None  # it is no longer the shipped file


def test_another_preset_is_named_with_what_differs() -> None:
    found = MedLoRD.examine(SHIPPED, "paper", device="cpu")
    assert not found.usable and found.presets == ("tiny",)
    assert "made by the preset 'tiny' with another vqvae, unet, controlnet" in found.wrong()
    with pytest.raises(SpecError, match="no preset 'huge'"):
        MedLoRD.examine(SHIPPED, "huge", device="cpu")


def test_a_checkpoint_without_controlnet_fits(tmp_path: Path, parts: Any) -> None:
    tensors, description = parts
    kept = {name: value for name, value in tensors.items() if not name.startswith("controlnet.")}
    network = description["network"] | {"controlnet": None}
    found = MedLoRD.examine(written(tmp_path, kept, description | {"network": network}), None, device="cpu")
    assert found.usable and [part.name for part in found.parts] == ["vqvae", "unet"]


def test_another_models_checkpoint_is_refused() -> None:
    with pytest.raises(CheckpointError, match="belongs to the model 'medlord', not to ha-gan"):
        HaGan.examine(SHIPPED, None, device="cpu")


def test_a_public_file_says_what_it_is_and_how_to_convert_it(
    tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(medlord.PRESETS, "luna-ds8", small)
    state = {name: value for name, value in build(small.network)["vqvae"].state_dict().items()}
    path = tmp_path / "vqgan.pth"
    torch.save({"model": state, "epoch": 3, "optimizer_g": {}}, path)
    found = MedLoRD.examine(path, None, device="cpu")
    assert found.usable and found.layout == "public"
    assert (found.preset, found.presets) == ("luna-ds8", ("luna-ds8",))
    assert [(part.name, part.kept, part.types) for part in found.parts] == [("vqvae", "raw", ("float32",))]
    assert (found.scale_factor, found.scale_factor_is) == (1.11, "assumed")
    assert found.convert == f"python -m medbench_models.medlord.convert --preset luna-ds8 --vqvae {path}"
    assert [one.dataset for one in found.trained_on] == ["luna"]


def test_a_moving_average_beside_raw_weights_is_seen(
    tmp_path: Path, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(medlord.PRESETS, "luna-ds8", small)
    found = MedLoRD.examine(DATA / "medlord" / "ldm_tiny_averaged.pth", None, device="cpu")
    assert [part.name for part in found.parts] == ["unet"] and not found.usable  # the test's networks are other ones
    both = torch.load(DATA / "medlord" / "controlnet_tiny.pth", weights_only=True)
    path = tmp_path / "controlnet.pth"
    torch.save(both, path)
    (part,) = MedLoRD.examine(path, None, device="cpu").parts
    assert (part.name, part.kept) == ("controlnet", "averaged and raw")


def test_a_public_safetensors_file_is_one_too(tmp_path: Path, ha_gan_small: Any) -> None:
    path = written(tmp_path, {"weight": torch.ones(1)}, None)
    with pytest.raises(CheckpointError, match="holds nothing that ha-gan samples with"):
        HaGan.examine(path, None, device="cpu")


def test_a_generator_of_the_public_code_fits_by_names_and_shapes(tmp_path: Path, crf_gan_small: Any) -> None:
    from medbench_models.crf_gan.networks import Generator
    from medbench_models.shared.slab_gan.networks import pyramid

    network = crf_gan_small.config.network
    state = Generator(network, pyramid(network, (64, 64, 32))).state_dict()
    path = tmp_path / "G_iter80000.pth"
    torch.save({"model": {f"module.{name}": value for name, value in state.items()}, "optimizer": {}}, path)
    found = CrfGan.examine(path, None, device="cpu")
    assert found.usable and found.presets == ("tiny",)
    assert found.license is None and found.trained_on is None  # nobody states either
    state["tp_conv7.bias"][0] = torch.inf
    torch.save({"model": state}, path)
    assert "generator: 1 with NaN or infinity (tp_conv7.bias)" in CrfGan.examine(path, None, device="cpu").wrong()


def test_a_stated_scale_factor_is_taken_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = maisi.PRESETS["tiny"]
    monkeypatch.setattr(MaisiPt, "presets", {"rflow": tiny})
    unet = MaisiPt.blueprint().build(tiny.network, (64, 64, 32))["unet"]
    path = tmp_path / "unet.pt"
    torch.save({"unet_state_dict": unet.state_dict(), "scale_factor": torch.tensor(0.75), "epoch": 1}, path)
    found = MaisiPt.examine(path, None, device="cpu")
    assert found.usable and (found.scale_factor, found.scale_factor_is) == (0.75, "stated")
    assert found.license and {one.dataset for one in found.trained_on} >= {"NLST", "LIDC-IDRI"}


@pytest.mark.parametrize(("content", "words"), [(b"", "not a readable"), (b"PK\x03\x04cut", "no readable")])
def test_damaged_files_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"net\.pth is {words}"):
        MedLoRD.examine(path, None, device="cpu")


def test_where_nothing_is_public_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"weight": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="no public files of vq-trans are known"):
        VqTrans.examine(path, None, device="cpu")
