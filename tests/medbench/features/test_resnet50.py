"""The layers of Keras, and the same without batch norms."""

from pathlib import Path

import numpy as np
import torch

from medbench.features.resnet50 import KerasResNet50, without_batch_norms
from medbench.imaging.slices import plane_slices
from medbench.spec import SliceProtocol, Window

GOLDEN = Path(__file__).parents[2] / "data" / "fid25d"

MAISI = SliceProtocol(normalisation="minmax_per_plane")


def golden_slices(plane):
    with np.load(GOLDEN / "volumes.npz") as volumes:
        return np.concatenate(list(plane_slices(volumes["real_0"], plane, protocol=MAISI, window=Window())))


def test_state_dict_has_the_published_names_shapes_and_types(radimagenet_entries):
    state = KerasResNet50().state_dict()
    found = [(key, list(value.shape), str(value.dtype).removeprefix("torch.")) for key, value in state.items()]
    assert sorted(found) == sorted(radimagenet_entries)
    assert len(found) == 371


def test_folded_batch_norms_change_nothing_but_rounding(extractor, formula_weights):
    """Against the plain module fed with a whole plane at once, as the documented procedure does."""
    plain = KerasResNet50().eval()
    plain.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in formula_weights.items()})
    slices = golden_slices("yz")
    images = torch.from_numpy(slices)[:, None] - torch.tensor([0.406, 0.456, 0.485]).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = plain(images).mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(extractor.features(slices), expected, rtol=0, atol=1e-5)
    folded = without_batch_norms(plain)
    assert not [layer for layer in folded.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
