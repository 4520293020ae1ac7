"""What the summary and a user's page are answered from: counts and times on the user, findings by reset."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("event_count", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("users", sa.Column("last_event_at", sa.BigInteger(), nullable=True))
    op.add_column("users", sa.Column("resets", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("findings", sa.Column("resets", sa.Integer(), nullable=False, server_default="0"))
    op.drop_index("findings_user_index", "findings")
    _number_by_reset()
    op.create_index(
        "findings_user_index",
        "findings",
        ["account_id", "user_id", "resets", "occurred_at", "finding_id"],
        unique=False,
    )
    _count()
    op.create_index(
        "users_summary_index",
        "users",
        ["account_id", "level", "last_event_at", "user_id"],
        unique=False,
        sqlite_where=sa.text("level IS NOT NULL"),
        postgresql_where=sa.text("level IS NOT NULL"),
    )


def _number_by_reset() -> None:
    """Users that were reset count one reset; of their findings those recorded since belong to it."""
    op.execute("UPDATE users SET resets = 1 WHERE last_reset_at IS NOT NULL")
    op.execute(
        "UPDATE findings SET resets = 1 WHERE EXISTS (SELECT 1 FROM users WHERE users.account_id = findings.account_id"
        " AND users.user_id = findings.user_id AND findings.recorded_at > users.last_reset_at)"
    )


def _count() -> None:
    """Users at risk: their findings since the reset, and the latest one's time."""
    since = (
        "FROM findings WHERE findings.account_id = users.account_id AND findings.user_id = users.user_id"
        " AND findings.resets = users.resets"
    )
    op.execute(
        f"UPDATE users SET event_count = (SELECT count(*) {since}),"
        f" last_event_at = (SELECT max(occurred_at) {since}) WHERE level IS NOT NULL"
    )
