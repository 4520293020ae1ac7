"""Credentials of receivers, and the access tokens they were exchanged for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "receiver_credentials",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("integration_id", sa.String(length=36), nullable=False),
        sa.Column("credential_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "integration_id"],
            ["integrations.account_id", "integrations.integration_id"],
            name=op.f("receiver_credentials_integrations_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "integration_id", "credential_id", name=op.f("receiver_credentials_pk")),
    )
    op.create_table(
        "access_tokens",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("integration_id", sa.String(length=36), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("credential_id", sa.String(length=36), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "integration_id", "credential_id"],
            [
                "receiver_credentials.account_id",
                "receiver_credentials.integration_id",
                "receiver_credentials.credential_id",
            ],
            name=op.f("access_tokens_receiver_credentials_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "integration_id", "token_hash", name=op.f("access_tokens_pk")),
    )
    op.create_index(
        "access_tokens_credential_index",
        "access_tokens",
        ["account_id", "integration_id", "credential_id", "expires_at"],
        unique=False,
    )
