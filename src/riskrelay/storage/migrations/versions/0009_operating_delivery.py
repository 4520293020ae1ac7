"""Operating delivery: pauses and limits, replays, what is counted when rows are purged, what was tried last."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("pushes_per_second", sa.Integer(), nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=True),
    ):
        op.add_column("integrations", column)
    op.add_column("streams", sa.Column("status_at", sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("replayed", "attempted_at", "purged_dead", "purged_expired", "purged_cancelled"):
        op.add_column("lanes", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("lanes", sa.Column("last_outcome", sa.String(length=16), nullable=True))
    op.add_column("lanes", sa.Column("last_reason", sa.String(length=64), nullable=True))
    op.add_column("held_events", sa.Column("replayed_at", sa.BigInteger(), nullable=False, server_default="0"))
    _create_replays()


def _create_replays() -> None:
    op.create_table(
        "replays",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("replay_id", sa.String(length=36), nullable=False),
        sa.Column("integration_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("queued_from", sa.BigInteger(), nullable=True),
        sa.Column("queued_to", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("replayed", sa.BigInteger(), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "integration_id"],
            ["integrations.account_id", "integrations.integration_id"],
            name=op.f("replays_integrations_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "replay_id", name=op.f("replays_pk")),
    )
    op.create_index("replays_integration_index", "replays", ["account_id", "integration_id", "created_at"])
    op.create_index(
        "replays_running_index",
        "replays",
        ["created_at"],
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )
