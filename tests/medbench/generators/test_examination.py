"""What an examination says in words and as JSON."""

import json
from dataclasses import replace
from pathlib import Path

from medbench.generators.base import TrainingData
from medbench.generators.examination import Examination, Part

PART = Part("unet", 3, 12, ("float16",), 1.5, "averaged", "sdpa")
SOUND = Examination(
    Path("net.safetensors"), "medlord", "medbench", "tiny", ("tiny",), (PART,), 0.5, "stated", "Apache-2.0",
    (TrainingData("phantom"),),
)  # fmt: skip


def test_a_sound_file_is_usable_and_its_document_is_strict_json() -> None:
    assert SOUND.usable and SOUND.wrong() == ""
    document = json.loads(json.dumps(SOUND.document(), allow_nan=False))
    assert document["usable"] and document["file"] == "net.safetensors"
    assert document["parts"][0]["types"] == ["float16"]
    assert document["trained_on"] == [{"dataset": "phantom", "part": "weights", "note": ""}]


def test_faults_of_file_and_tensors_are_told_the_first_of_each_kind() -> None:
    part = replace(PART, faults={"missing": tuple("abcd"), "with NaN or infinity": ("e",)})
    found = replace(SOUND, parts=(part,), faults=("the scale factor 0.0 is impossible",))
    assert not found.usable
    assert found.wrong() == (
        "the scale factor 0.0 is impossible; unet: 4 missing (a, b, c, ..); unet: 1 with NaN or infinity (e)"
    )
