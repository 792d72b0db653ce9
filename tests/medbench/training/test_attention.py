from medbench.training.attention import best_backend


def test_a_cpu_has_pytorchs_attention() -> None:
    assert best_backend("cpu") == "sdpa"
