import pytest

from leaderboard.reported.rows import reported_rows


def test_the_papers_table_1_reads_as_it_is_printed() -> None:
    table = reported_rows(source="MedLoRD paper, Table 1")
    assert {(row.dataset, row.model): row.value for row in table} == {
        ("PCCTA", "MedLoRD"): 1.5,
        ("PCCTA", "MAISI_ST"): 16.76,
        ("PCCTA", "MAISI_PT"): 5.4,
        ("PCCTA", "HA-GAN"): 9.01,
        ("PCCTA", "VQ-Trans"): 10.67,
        ("PCCTA", "Real"): 0.35,
        ("LUNA", "MedLoRD"): 3.62,
        ("LUNA", "MAISI_PT"): 3.33,
        ("LUNA", "HA-GAN"): 5.07,
        ("LUNA", "VQ-Trans"): 5.87,
        ("LUNA", "Real"): 0.28,
    }
    assert {row.better for row in table} == {"lower"}


@pytest.mark.parametrize(("dataset", "names"), [("luna", {"LUNA", "LUNA16"}), ("pccta", {"PCCTA"}), ("phantom", set())])
def test_a_data_set_has_the_figures_under_all_its_names(dataset: str, names: set[str]) -> None:
    assert {row.dataset for row in reported_rows(dataset=dataset)} == names


def test_every_figure_cites_its_source() -> None:
    rows = reported_rows()
    assert len(rows) == 201
    assert all(row.source for row in rows)
    second_hand = [row for row in rows if "secondary" in row.source]
    assert second_hand and all(row.verified == "secondary" for row in second_hand)
