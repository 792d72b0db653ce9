"""The tables of a board; a change is a new file in ``migrations/versions`` and a new ``HEAD`` in ``migrate.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData()


class Numbers(TypeDecorator[np.ndarray]):
    """An array of numbers, kept as little-endian float64: a track of a thousand rows is read in no time."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        """Return the bytes of an array."""
        return None if value is None else np.asarray(value, dtype="<f8").tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> np.ndarray | None:
        """Return the array of some bytes."""
        return None if value is None else np.frombuffer(value, dtype="<f8")


runs = Table(
    "runs",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("run", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_version", Text),
    Column("dataset", Text, nullable=False),
    Column("track", Text, nullable=False, index=True),
    Column("added", Float, nullable=False),  # Unix time, s
    Column("origin", Text, nullable=False),  # the folder that it was read from
    Column("command", Text),
    Column("spec", String(12)),  # fingerprint of what decides the samples
    Column("preset", Text),
    Column("seed", BigInteger),
    Column("checkpoint", Text),  # SHA-256
    Column("device", Text),
    Column("versions", JSON),
    Column("native_shape", JSON),
    Column("leaks", JSON, nullable=False),
    Column("budget_kind", String(9), nullable=False),
    Column("budget_limit_bytes", BigInteger, nullable=False),
    Column("budget_peak_bytes", BigInteger),
    Column("within_budget", Boolean),
    Column("document", String(64), nullable=False),  # the newest results.json
)

# Every results.json that a row's numbers come from, compressed by zlib, under its SHA-256.
documents = Table(
    "documents",
    metadata,
    Column("run_id", String(12), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("run_id", String(12), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("fingerprint", String(12), nullable=False),
    Column("document", String(64), nullable=False),
    Column("better", String(6), nullable=False),
    Column("unit", Text),
    Column("value", Float(53), nullable=False),
    Column("ci_low", Float(53)),
    Column("ci_high", Float(53)),
    Column("ci_method", Text, nullable=False),
    Column("floor", Float(53)),
    Column("n_real", Integer, nullable=False),
    Column("n_synthetic", Integer, nullable=False),
    Column("stand_ins", JSON, nullable=False),
    # What tests rest on: the value that the replicates are of, and these; ``cases`` names the cases behind it.
    Column("tested", Float(53)),
    Column("cases", String(12)),
    Column("real_values", Numbers),
    Column("real_sizes", Numbers),
    Column("synthetic_values", Numbers),
    Column("synthetic_sizes", Numbers),
    Column("synthetic_units", String(12)),  # names the label maps behind the synthetic groups
    Column("floor_values", Numbers),  # of the splits behind the floor, where they are at the value's counts
    ForeignKeyConstraint(["run_id", "document"], ["documents.run_id", "documents.sha256"], deferrable=True),
)

pictures = Table(
    "pictures",
    metadata,
    Column("run_id", String(12), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("montage", LargeBinary, nullable=False),  # WebP
)
