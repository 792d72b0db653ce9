import pytest
import torch

from medbench import doctor
from medbench.training.attention import xformers_works


def attention() -> str:
    [found] = [check["detail"] for check in doctor.checks() if check["check"] == "attention"]
    return found


def test_xformers_is_no_use_on_a_cpu() -> None:
    assert not xformers_works("cpu")


@pytest.mark.parametrize(
    ("works", "detail"),
    [(True, "xformers 0.0.99"), (False, f"torch SDPA (xformers 0.0.99 has no kernels for torch {torch.__version__}")],
)
def test_what_computes_attention_on_a_gpu_is_tried_not_looked_up(
    works: bool, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(doctor, "_gpu", lambda: doctor._home())
    monkeypatch.setattr(doctor, "xformers_works", lambda device: works)
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "0.0.99" if name == "xformers" else real(name))
    assert attention().startswith(detail)
