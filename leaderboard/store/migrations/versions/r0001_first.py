"""The first schema: runs, the documents that they come from, their results, their pictures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _runs()
    _documents()
    _results()
    op.create_table(
        "pictures",
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("montage", sa.LargeBinary, nullable=False),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("track", sa.Text, nullable=False, index=True),
        sa.Column("added", sa.Float, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("command", sa.Text),
        sa.Column("spec", sa.String(12)),
        sa.Column("preset", sa.Text),
        sa.Column("seed", sa.BigInteger),
        sa.Column("checkpoint", sa.Text),
        sa.Column("device", sa.Text),
        sa.Column("versions", sa.JSON),
        sa.Column("native_shape", sa.JSON),
        sa.Column("leaks", sa.JSON, nullable=False),
        sa.Column("budget_kind", sa.String(9), nullable=False),
        sa.Column("budget_limit_bytes", sa.BigInteger, nullable=False),
        sa.Column("budget_peak_bytes", sa.BigInteger),
        sa.Column("within_budget", sa.Boolean),
        sa.Column("document", sa.String(64), nullable=False),
    )


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _results() -> None:
    op.create_table(
        "results",
        sa.Column("run_id", sa.String(12), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.String(12), nullable=False),
        sa.Column("document", sa.String(64), nullable=False),
        sa.Column("better", sa.String(6), nullable=False),
        sa.Column("unit", sa.Text),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("ci_low", sa.Float(53)),
        sa.Column("ci_high", sa.Float(53)),
        sa.Column("ci_method", sa.Text, nullable=False),
        sa.Column("floor", sa.Float(53)),
        sa.Column("n_real", sa.Integer, nullable=False),
        sa.Column("n_synthetic", sa.Integer, nullable=False),
        sa.Column("stand_ins", sa.JSON, nullable=False),
        sa.Column("tested", sa.Float(53)),
        sa.Column("cases", sa.String(12)),
        *(
            sa.Column(f"{side}_{what}", sa.LargeBinary)
            for side in ("real", "synthetic")
            for what in ("values", "sizes")
        ),
        sa.ForeignKeyConstraint(["run_id", "document"], ["documents.run_id", "documents.sha256"], deferrable=True),
    )
