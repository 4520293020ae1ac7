"""Sources, their credentials, what became of their events, and samples of those that were ignored or refused."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_SOURCE = ["account_id", "source_id"]
_SOURCES = ["sources.account_id", "sources.source_id"]


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("mapping", sa.Text()),
        sa.Column("silent_after_seconds", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_event_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("sources_accounts_fk")),
        sa.PrimaryKeyConstraint(*_SOURCE, name=op.f("sources_pk")),
    )
    op.create_table(
        "source_credentials",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("credential_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(_SOURCE, _SOURCES, name=op.f("source_credentials_sources_fk")),
        sa.PrimaryKeyConstraint(*_SOURCE, "credential_id", name=op.f("source_credentials_pk")),
    )
    op.create_table(
        "source_counts",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("became", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(_SOURCE, _SOURCES, name=op.f("source_counts_sources_fk")),
        sa.PrimaryKeyConstraint(*_SOURCE, "hour", "became", "reason", name=op.f("source_counts_pk")),
    )
    op.create_table(
        "source_samples",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("sample_id", sa.String(length=36), nullable=False),
        sa.Column("became", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_event", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(_SOURCE, _SOURCES, name=op.f("source_samples_sources_fk")),
        sa.PrimaryKeyConstraint(*_SOURCE, "sample_id", name=op.f("source_samples_pk")),
    )
    op.create_index("source_samples_age_index", "source_samples", [*_SOURCE, "at"])
