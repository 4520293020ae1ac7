"""The index of users at risk has their behaviors, so that it can filter by them."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0042"
branch_labels = None
depends_on = None

_IS_AT_RISK = sa.text("level IS NOT NULL")


def upgrade() -> None:
    op.drop_index("users_summary_index", "users")
    op.create_index(
        "users_at_risk_index",
        "users",
        ["account_id", "level", "last_event_at", "user_id", "triggered"],
        sqlite_where=_IS_AT_RISK,
        postgresql_where=_IS_AT_RISK,
    )
