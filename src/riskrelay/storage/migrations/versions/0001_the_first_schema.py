"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("accounts_pk")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("public_jwk", sa.Text(), nullable=False),
        sa.Column("sealed_private", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("signing_keys_pk")),
    )
    op.create_table(
        "behavior_settings",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("behavior", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("risk_level", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("behavior_settings_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "behavior", name=op.f("behavior_settings_pk")),
    )
    op.create_table(
        "integrations",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("integration_id", sa.String(length=36), nullable=False),
        sa.Column("integration_type", sa.String(length=32), nullable=False),
        sa.Column("reference_id", sa.String(length=255), nullable=False),
        sa.Column("tenant_url", sa.String(length=2048), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("public_origin", sa.String(length=2048), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("integrations_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "integration_id", name=op.f("integrations_pk")),
    )
    op.create_index("integrations_integration_id_index", "integrations", ["integration_id"], unique=False)
    op.create_index(
        "integrations_reference_unique",
        "integrations",
        ["account_id", "reference_id"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "tokens",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("tokens_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "token_id", name=op.f("tokens_pk")),
    )
    op.create_index("tokens_token_hash_index", "tokens", ["token_hash"], unique=False)
    op.create_table(
        "users",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("triggered", sa.Text(), nullable=False),
        sa.Column("last_reset_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("users_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "user_id", name=op.f("users_pk")),
    )
    op.create_index("users_email_unique", "users", ["account_id", "email_key"], unique=True)
    op.create_table(
        "findings",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("finding_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("behavior", sa.String(length=64), nullable=False),
        sa.Column("risk_level", sa.SmallInteger(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"], ["users.account_id", "users.user_id"], name=op.f("findings_users_fk")
        ),
        sa.PrimaryKeyConstraint("account_id", "finding_id", name=op.f("findings_pk")),
    )
    op.create_index("findings_user_index", "findings", ["account_id", "user_id", "recorded_at"], unique=False)
    op.create_table(
        "streams",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("integration_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("lanes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "integration_id"],
            ["integrations.account_id", "integrations.integration_id"],
            name=op.f("streams_integrations_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "stream_id", name=op.f("streams_pk")),
    )
    op.create_index("streams_integration_index", "streams", ["account_id", "integration_id"], unique=False)
    op.create_table(
        "lanes",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.CheckConstraint("cursor <= last_seq", name=op.f("lanes_cursor_check")),
        sa.ForeignKeyConstraint(
            ["account_id", "stream_id"], ["streams.account_id", "streams.stream_id"], name=op.f("lanes_streams_fk")
        ),
        sa.PrimaryKeyConstraint("account_id", "stream_id", "lane", name=op.f("lanes_pk")),
    )
    op.create_index(
        "lanes_due_index",
        "lanes",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL AND stopped = 0"),
        postgresql_where=sa.text("due_at IS NOT NULL AND NOT stopped"),
    )
    op.create_table(
        "attempts",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "stream_id", "lane"],
            ["lanes.account_id", "lanes.stream_id", "lanes.lane"],
            name=op.f("attempts_lanes_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "stream_id", "lane", "seq", "number", name=op.f("attempts_pk")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("jti", sa.String(length=36), nullable=False),
        sa.Column("subject_key", sa.Text(), nullable=False),
        sa.Column("claims", sa.LargeBinary(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "stream_id", "lane"],
            ["lanes.account_id", "lanes.stream_id", "lanes.lane"],
            name=op.f("events_lanes_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "stream_id", "lane", "seq", name=op.f("events_pk")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "held_events",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "stream_id", "lane"],
            ["lanes.account_id", "lanes.stream_id", "lanes.lane"],
            name=op.f("held_events_lanes_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "stream_id", "lane", "seq", name=op.f("held_events_pk")),
        sqlite_with_rowid=False,
    )
