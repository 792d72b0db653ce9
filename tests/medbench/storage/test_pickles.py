from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.errors import CheckpointError
from medbench.storage.pickles import require_plain


class _Poison:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch poisoned",)


def _nnunet(**more: object) -> dict[str, object]:
    """Return what nnU-Net keeps in a checkpoint."""
    return {
        "network_weights": torch.nn.Conv3d(1, 2, 3).state_dict(),
        "optimizer_state": torch.optim.SGD([torch.zeros(1)], 0.1, momentum=0.9).state_dict(),
        "grad_scaler_state": None,
        "logging": {"ema_fg_dice": [np.float64(0.5), np.float32(0.25)], "epoch_start_timestamps": [1.5]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 3,
        "init_args": {"plans": {"a": [1, (2, 3)]}, "fold": "all", "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1, 2),
        **more,
    }


def test_what_nnunet_keeps_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_final.pth"
    torch.save(_nnunet(), path)
    require_plain(path)


def test_code_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint_final.pth"
    torch.save(_nnunet(), path)
    require_plain(path)
    torch.save(_nnunet(more=_Poison()), path)  # in the place of one that was looked through
    with pytest.raises(CheckpointError, match=r"checkpoint_final\.pth holds something besides tensors"):
        require_plain(path)
    assert not (tmp_path / "poisoned").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", pickle.dumps({"a": 1}), pickle.dumps(_Poison())])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint_final.pth"
    path.write_bytes(content)
    with warnings.catch_warnings(), pytest.raises(CheckpointError, match="get it again"):
        warnings.simplefilter("ignore")
        require_plain(path)
