"""Sessions of the console; a revoked token takes its own with it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("session_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "token_id"],
            ["tokens.account_id", "tokens.token_id"],
            name=op.f("console_sessions_tokens_fk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "session_hash", name=op.f("console_sessions_pk")),
    )
    op.create_index("console_sessions_session_hash_index", "console_sessions", ["session_hash"])
    op.create_index("console_sessions_token_index", "console_sessions", ["account_id", "token_id"])
    op.create_index("console_sessions_age_index", "console_sessions", ["started_at"])
