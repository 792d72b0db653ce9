import numpy as np
import pytest
import torch
from torch.nn import functional

from medbench import protocols
from medbench.errors import CheckpointError
from medbench.features.dinov2 import WEIGHTS, DinoV2ViTS14, prepared, resampled_positions

DEPTH, WIDTH, HEADS = 12, 384, 6


def layout():
    """Names and shapes of the official state dict (dinov2/models/vision_transformer.py, vit_small, patch 14)."""
    shapes = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, 1 + 37 * 37, WIDTH),
        "mask_token": (1, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, 14, 14),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    block = {
        "norm1": (WIDTH,),
        "attn.qkv": (3 * WIDTH, WIDTH),
        "attn.proj": (WIDTH, WIDTH),
        "norm2": (WIDTH,),
        "mlp.fc1": (4 * WIDTH, WIDTH),
        "mlp.fc2": (WIDTH, 4 * WIDTH),
    }
    for index in range(DEPTH):
        for name, shape in block.items():
            shapes[f"blocks.{index}.{name}.weight"] = shape
            shapes[f"blocks.{index}.{name}.bias"] = shape[:1]
        for name in ("ls1.gamma", "ls2.gamma"):
            shapes[f"blocks.{index}.{name}"] = (WIDTH,)
    return shapes


@pytest.fixture(scope="module")
def state():
    """Weights without meaning in the official layout."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for key, shape in layout().items():
        values = torch.randn(shape, generator=generator)
        around = 1.0 if key.endswith("gamma") or ("norm" in key and key.endswith("weight")) else 0.0
        made[key] = around + values * (0.5 if key == "pos_embed" else 0.05)
    return made


@pytest.fixture(scope="module")
def weights_file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / WEIGHTS.file
    torch.save(state, path)
    return path


@pytest.fixture
def extractor(weights_file, monkeypatch):
    monkeypatch.setenv(WEIGHTS.variable, str(weights_file))
    return DinoV2ViTS14(device="cpu")


def cubic_rows(length, out, factor):
    """Weights (out, length) of bicubic interpolation with a = -0.75, half-pixel centres and clamped ends."""
    weights = np.zeros((out, length))
    for row in range(out):
        at = (row + 0.5) / factor - 0.5
        for tap in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
            t = abs(at - tap)
            near, far = 1.25 * t**3 - 2.25 * t**2 + 1, -0.75 * (t**3 - 5 * t**2 + 8 * t - 4)
            weights[row, min(max(tap, 0), length - 1)] += near if t <= 1 else far
    return weights


def reference_positions(positions):
    grid = positions[0, 1:].numpy().astype(float).reshape(37, 37, WIDTH)
    rows = cubic_rows(37, 16, 16.1 / 37)
    return np.concatenate([positions[0, :1], np.einsum("ia,jb,abd->ijd", rows, rows, grid).reshape(256, WIDTH)])


def reference(state, images):
    """The class token of a pre-norm transformer with layer scale, written down with matrix products."""

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(dim=-1, keepdim=True)
        scale = (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()
        return centred / scale * state[f"{name}.weight"] + state[f"{name}.bias"]

    patches = images.unfold(2, 14, 14).unfold(3, 14, 14).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    x = patches @ state["patch_embed.proj.weight"].flatten(1).T + state["patch_embed.proj.bias"]
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], dim=1)
    x = x + torch.from_numpy(reference_positions(state["pos_embed"])).float()
    for index in range(DEPTH):
        block = f"blocks.{index}"
        qkv = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv")
        q, k, v = qkv.reshape(len(x), -1, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5).softmax(dim=-1)
        mixed = linear((attention @ v).transpose(1, 2).flatten(2), f"{block}.attn.proj")
        x = x + state[f"{block}.ls1.gamma"] * mixed
        hidden = linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")
        hidden = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
        x = x + state[f"{block}.ls2.gamma"] * linear(hidden, f"{block}.mlp.fc2")
    return norm(x, "norm")[:, 0]


def slices(count, height, width):
    return np.random.default_rng(2).random((count, height, width), dtype=np.float32)


def test_features_are_those_of_the_definition(extractor, state):
    given = slices(2, 224, 224)
    means, deviations = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = (torch.from_numpy(given)[:, None] - means[:, None, None]) / deviations[:, None, None]
    found = extractor.features(given)
    assert found.shape == (2, DinoV2ViTS14.info.dimension)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(state, images).numpy(), rtol=1e-3, atol=1e-3)


def test_positions_are_interpolated_as_the_official_code_does(state):
    found = resampled_positions(state["pos_embed"])[0].numpy()
    np.testing.assert_allclose(found, reference_positions(state["pos_embed"]), atol=1e-4)
    # An antialiased interpolation to the exact size, timm's own way, is another one.
    grid = state["pos_embed"][:, 1:].reshape(1, 37, 37, WIDTH).permute(0, 3, 1, 2)
    timms = functional.interpolate(grid, size=(16, 16), mode="bicubic", antialias=True).permute(0, 2, 3, 1)
    assert np.abs(found[1:] - timms.reshape(256, WIDTH).numpy()).max() > 0.1


@pytest.mark.parametrize("size", [(64, 32), (300, 512)])
def test_slices_of_any_size_keep_their_range_and_mean(size):
    given = torch.from_numpy(slices(3, *size))
    images = prepared(given)
    assert images.shape == (3, 3, 224, 224)
    grey = images[:, 1] * 0.224 + 0.456
    assert grey.min() >= -1e-6
    assert grey.max() <= 1 + 1e-6
    np.testing.assert_allclose(grey.mean(dim=(1, 2)), given.mean(dim=(1, 2)), atol=0.01)
    np.testing.assert_allclose(images[:, 0] * 0.229 + 0.485, grey, atol=1e-5)


def test_rows_stay_rows():
    """A slice that is bright in its upper half stays so: height and width are not exchanged."""
    given = torch.zeros(1, 40, 60)
    given[:, :20] = 1
    images = prepared(given)
    assert images[0, 0, :100].min() > images[0, 0, 124:].max()


def test_batches_change_nothing_but_rounding(extractor, monkeypatch):
    given = slices(3, 32, 48)
    whole = extractor.features(given)
    monkeypatch.setattr("medbench.features.dinov2._BATCH", 2)
    np.testing.assert_allclose(extractor.features(given), whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"pos_embed": None}, "no position embeddings"),
        ({"pos_embed": torch.zeros(1, 1000, WIDTH)}, "form no square"),
        ({"norm.weight": None}, r"1 missing \(norm.weight\)"),
        ({"register_tokens": torch.zeros(1, 4, WIDTH)}, r"1 unexpected \(register_tokens\)"),
    ],
)
def test_weights_of_another_network_are_refused(state, changes, fault, monkeypatch, tmp_path):
    changed = {key: value for key, value in {**state, **changes}.items() if value is not None}
    torch.save(changed, tmp_path / "other.pth")
    monkeypatch.setenv(WEIGHTS.variable, str(tmp_path / "other.pth"))
    with pytest.raises(CheckpointError, match=fault):
        DinoV2ViTS14(device="cpu").features(slices(1, 28, 28))


def test_its_protocol_names_it():
    assert protocols.load("dinov2-2.5d").extractor == DinoV2ViTS14.info.name
