from __future__ import annotations

from pathlib import Path

from medbench.progress import silent
from medbench.reader_study.audit.container import SHUFFLED, container_facts, differing
from medbench.reader_study.create import CreateOptions, create
from medbench.reader_study.packet import Packet


def test_in_a_created_packet_only_what_is_shuffled_differs(created: tuple[Path, Path]) -> None:
    shuffled, wrong = differing(container_facts(Packet.open(created[0])))
    assert wrong == []
    assert all(name.startswith(SHUFFLED) for name in shuffled)


def test_every_field_of_the_header_is_looked_at(created: tuple[Path, Path]) -> None:
    facts = container_facts(Packet.open(created[0]))
    assert {"gzip header", "compression", "time of change", "length of the files"} <= set(facts)
    assert {"NIfTI header: pixdim", "NIfTI header: descrip", "NIfTI header: srow_x", "NIfTI header: extension"} <= set(
        facts
    )


def test_every_element_of_a_series_is_looked_at(volumes: Path, tmp_path: Path) -> None:
    asked = CreateOptions(
        runs=(volumes / "alpha", volumes / "beta"), out=tmp_path / "packet", key=tmp_path / "key",
        format="dicom", per_model=2, design="2afc", training=0,
    )  # fmt: skip
    facts = container_facts(create(asked, silent))
    names = " ".join(facts)
    assert all(word in names for word in ("Pixel Spacing", "Patient's Name", "preamble", "Rescale Intercept"))
    shuffled, wrong = differing(facts)
    assert wrong == []
    assert "side" in shuffled
