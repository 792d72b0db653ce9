"""A message that ends in its mend becomes a row."""

from medbench.datasets.checks import failure
from medbench.errors import DataError


def test_an_error_becomes_a_row_with_its_mend() -> None:
    row = failure("layout", DataError("/x: no such folder: check the path"))
    assert row == {"check": "layout", "ok": False, "detail": "/x: no such folder", "mend": "check the path"}
