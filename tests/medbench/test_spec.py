"""Specs are frozen, closed and hash to the same fingerprint everywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from medbench import protocols
from medbench.errors import SpecError, UnknownPluginError
from medbench.spec import Grid, Window, canonical_json, fingerprint


def test_a_fingerprint_is_the_head_of_the_sha256_of_canonical_json() -> None:
    document = {"b": 1, "a": [1.5, None]}
    assert canonical_json(document) == '{"a":[1.5,null],"b":1}'
    assert fingerprint(document) == hashlib.sha256(b'{"a":[1.5,null],"b":1}').hexdigest()[:12]


def test_the_order_of_keys_does_not_matter_and_any_value_does() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(Window(low=-1000)) != fingerprint(Window(low=-1024))


def test_nan_has_no_fingerprint() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint({"value": float("nan")})


def test_misspelt_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="spacing"):
        Grid.model_validate({"shape": (8, 8, 8), "spacing": (1, 1, 1)})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs a shape, or give fit 'keep'"),
        ({"shape": (8, 8, 8), "fit": "keep"}, "fit 'keep' takes no shape"),
        ({"shape": (8, 8, 8), "fit": "resize", "convention": "monai"}, "has no fit 'resize'"),
    ],
)
def test_a_grid_that_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Grid.model_validate(fields)


def test_a_window_is_inverted_exactly_inside_and_clips_outside() -> None:
    window = Window(low=-1000, high=2000)
    hu = np.array([-1000.0, 0.0, 700.0, 2000.0])
    assert window.scale(hu).tolist() == pytest.approx([-1, -1 / 3, 2 / 15, 1])
    assert window.unscale(window.scale(hu)) == pytest.approx(hu)
    assert window.unscale(window.scale(np.array([-3000.0, 5000.0]))).tolist() == [-1000, 2000]


@pytest.mark.parametrize("name", protocols.names())
def test_named_protocols_load(name: str) -> None:
    assert protocols.load(name).name == name
    assert protocols.load(name.upper()) == protocols.load(name)


def test_a_broken_protocol_file_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nsummary = "x"\n[window]\nlow = "deep"\n')
    with pytest.raises(SpecError, match=r"mine\.toml: window\.low"):
        protocols.load(str(path))
    path.write_text("name = ")
    with pytest.raises(SpecError, match="is no TOML file"):
        protocols.load(str(path))
    with pytest.raises(UnknownPluginError, match="did you mean phantom"):
        protocols.load("fantom-2.5d")
