"""The events about a user are found by their subject, on all streams at once."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "events_subject_index",
        "events",
        ["account_id", "subject_key", "queued_at"],
        sqlite_where=sa.text("length(subject_key) <= 400"),
        postgresql_where=sa.text("length(subject_key) <= 400"),
    )
