"""Streams that receivers make: their configuration, what they said about subjects, when they were last active."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("status_set_by", sa.String(length=16), nullable=False, server_default="transmitter"),
        sa.Column("audience", sa.String(length=2048), nullable=True),
        sa.Column("delivery_method", sa.String(length=32), nullable=True),
        sa.Column("endpoint_url", sa.String(length=2048), nullable=True),
        sa.Column("sealed_authorization", sa.LargeBinary(), nullable=True),
        sa.Column("events_requested", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("has_statements", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("active_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("verified_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("streams", column)
    op.add_column("lanes", sa.Column("delivered_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "subject_statements",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "stream_id"],
            ["streams.account_id", "streams.stream_id"],
            name=op.f("subject_statements_streams_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "stream_id", "subject_hash", name=op.f("subject_statements_pk")),
    )
