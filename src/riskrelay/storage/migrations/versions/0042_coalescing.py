"""Waiting level changes can collapse into one: what was admitted, what receivers know, and what was superseded."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0039"
branch_labels = None
depends_on = None

_IS_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    op.add_column("integrations", _flag("coalesces_level_changes"))
    op.add_column("events", _flag("is_level_change"))
    op.add_column("events", sa.Column("known_level", sa.String(length=16), nullable=True))
    for name in ("purged_superseded", "admitted"):
        op.add_column("lanes", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("stocks", sa.Column("superseded", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "held_events_pending_index",
        "held_events",
        ["account_id", "stream_id", "lane", "state", "seq"],
        sqlite_where=_IS_PENDING,
        postgresql_where=_IS_PENDING,
    )


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
