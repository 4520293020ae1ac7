"""Lanes count their superseded events, so that ledgers are read without the rows of these events."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

_IS_CLOSED = sa.text("state IN ('expired', 'cancelled', 'erased')")


def upgrade() -> None:
    # Until now the number of those whose rows have been deleted.
    op.execute("ALTER TABLE lanes RENAME COLUMN purged_superseded TO superseded")
    op.execute("""
        UPDATE lanes SET superseded = superseded + (
            SELECT count(*) FROM held_events WHERE held_events.account_id = lanes.account_id
            AND held_events.stream_id = lanes.stream_id AND held_events.lane = lanes.lane
            AND held_events.state = 'superseded'
        )
    """)
    op.create_index(
        "held_events_closed_index",
        "held_events",
        ["account_id", "stream_id", "state"],
        sqlite_where=_IS_CLOSED,
        postgresql_where=_IS_CLOSED,
    )
