"""Files of the public code become checkpoints of medbench."""

from pathlib import Path

import pytest
import torch

from medbench.generators.base import SampleRequest
from medbench_models.med_lsdm import convert
from medbench_models.med_lsdm.generator import MedLsdm

from .test_sampling import label_map
from .test_upstream import public_files


def run(*arguments: object) -> None:
    convert.main(list(map(str, arguments)))


@pytest.mark.usefixtures("small_preset")
def test_a_converted_file_samples_what_its_weights_say(small, tmp_path: Path, capsys) -> None:
    network = small.network.model_copy(update={"regions": ("a", "b", "c")})
    _, diffusion, states = public_files(tmp_path, network)
    out = tmp_path / "out.safetensors"
    run("--preset", "tiny", "--diffusion", diffusion, "--weights", "raw", "--labels", "left,right,c", "--out", out)
    told = capsys.readouterr()
    assert told.out == f"checkpoint: {out}\n"
    assert told.err == "assumed: -1000 to 1000 HU, LPS (the files state neither)\n"
    model = MedLsdm("tiny", device="cpu")
    model.load(out)
    described = model.networks.description
    assert described.network.regions == ("left", "right", "c")
    assert described.converted_from["unet_weights"] == "raw"
    assert described.flipped == (0, 1)
    assert torch.equal(model.networks.unet.init_conv.weight, states["unet"]["init_conv.weight"])
    (volume,) = model.sample(SampleRequest([0], [label_map()]))
    assert volume.shape == (16, 16, 8)


@pytest.mark.usefixtures("small_preset")
@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (("--labels", "left"), "the weights know 2 labels beside the background, and 1 are named"),
        (("--preset", "huge"), "no preset 'huge'"),
        (("--preset", "slab"), "does not fit Med-LSDM's vqgan"),
        (("--shape", "16x16x9"), "the axes must be multiples of 8, 8, 4"),
        (("--spacing", "0x1x1"), "must be positive"),
        (("--orientation", "XYZ"), "--orientation XYZ is none"),
        (("--diffusion", "absent.pt"), "absent.pt does not exist"),
    ],
)
def test_what_does_not_fit_is_one_line_and_exit_code_2(small, tmp_path: Path, capsys, changed, line: str) -> None:
    _, diffusion, _ = public_files(tmp_path, small.network)
    options = {
        "--preset": "tiny", "--diffusion": diffusion, "--labels": "left,right", "--out": tmp_path / "out.safetensors"
    } | dict([changed])  # fmt: skip
    with pytest.raises(SystemExit) as exit_:
        run(*(part for pair in options.items() for part in pair))
    assert exit_.value.code == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1


@pytest.mark.usefixtures("small_preset")
def test_a_vqgan_of_its_own_file_and_a_steered_decoder_are_taken(small, tmp_path: Path) -> None:
    autoencoder = small.network.autoencoder.model_copy(update={"spade": True})
    vqgan, diffusion, _ = public_files(tmp_path, small.network.model_copy(update={"autoencoder": autoencoder}))
    out = tmp_path / "out.safetensors"
    run("--preset", "tiny", "--diffusion", diffusion, "--vqgan", vqgan, "--labels", "left,right", "--out", out)
    model = MedLsdm("tiny", device="cpu")
    model.load(out)
    assert model.networks.description.network.autoencoder.spade
    assert set(model.networks.description.converted_from) == {"diffusion_sha256", "vqgan_sha256", "unet_weights"}
