"""The table of the processes that run."""

from sqlalchemy import Column, String, Table, Text

from riskrelay.storage.tables.base import metadata
from riskrelay.storage.times import Moment

nodes = Table(
    "nodes",
    metadata,
    Column("node_id", String(36), primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("description", Text, nullable=False),  # JSON
)
