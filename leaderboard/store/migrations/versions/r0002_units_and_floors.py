"""What else a difference is tested with: the label maps behind the samples, the splits behind the floor."""

from __future__ import annotations

import json
import zlib

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and fill them from the results.json files that the store keeps."""
    op.add_column("results", sa.Column("synthetic_units", sa.String(12)))
    op.add_column("results", sa.Column("floor_values", sa.LargeBinary))
    connection = op.get_bind()
    filled = sa.text(
        "UPDATE results SET floor_values = :floor WHERE run_id = :run AND document = :document AND metric = :metric"
    )
    for run, document in connection.execute(sa.text("SELECT run_id, sha256 FROM documents")).all():
        for metric, floor in _floors(connection, run, document).items():
            asked = {"floor": floor, "run": run, "document": document, "metric": metric}
            connection.execute(filled, asked)


def _floors(connection: sa.Connection, run: str, document: str) -> dict[str, bytes]:
    """Return the values behind floors at the values' counts; none of a damaged document: who asks for it is told."""
    asked = sa.text("SELECT content FROM documents WHERE run_id = :run AND sha256 = :document")
    content = connection.execute(asked, {"run": run, "document": document}).scalar_one()
    try:
        results = json.loads(zlib.decompress(content))["results"]
    except (zlib.error, ValueError):
        return {}
    return {
        result["metric"]: np.asarray(result["floor_values"], dtype="<f8").tobytes()
        for result in results
        if result.get("floor_counts") == "same" and result.get("replicates")
    }
