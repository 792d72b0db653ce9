"""RadImageNet's network with weights without meaning."""

import pytest

from medbench.features.radimagenet import RadImageNetResNet50

VARIABLE = "MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50"


@pytest.fixture
def extractor(formula_weights_file, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(formula_weights_file))
    return RadImageNetResNet50(device="cpu")
