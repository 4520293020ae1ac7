"""Old audit entries can be deleted, event requests are found by age, and stocks count every user."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_PROTECTED_US = 60 * 86_400 * 1_000_000  # 60 days: less than RISKRELAY_AUDIT_DAYS can be, whatever the clocks say


def upgrade() -> None:
    op.create_index("event_requests_age_index", "event_requests", ["account_id", "requested_at"])
    op.add_column("stocks", sa.Column("known_users", sa.BigInteger(), server_default="0", nullable=False))
    if op.get_bind().dialect.name == "sqlite":
        _protect_recent_entries_sqlite()
    else:
        _protect_recent_entries_postgresql()


def _protect_recent_entries_sqlite() -> None:
    op.execute("DROP TRIGGER audit_entries_refuse_delete")
    op.execute(
        "CREATE TRIGGER audit_entries_refuse_delete BEFORE DELETE ON audit_entries WHEN OLD.at > "
        f"CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000 - {_PROTECTED_US} "
        "BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END"
    )


def _protect_recent_entries_postgresql() -> None:
    op.execute("DROP TRIGGER audit_entries_refuse_change ON audit_entries")
    op.execute(
        "CREATE TRIGGER audit_entries_refuse_change BEFORE UPDATE OR TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_refuse_delete BEFORE DELETE ON audit_entries FOR EACH ROW WHEN (OLD.at > "
        f"CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) - {_PROTECTED_US}) "
        "EXECUTE FUNCTION audit_entries_refuse_change()"
    )
