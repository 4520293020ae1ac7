"""A large backlog is cancelled in steps: how far each lane is to be cancelled, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0047"
branch_labels = None
depends_on = None

_IS_CANCELLING = sa.text("cancel_through > 0")


def upgrade() -> None:
    op.add_column("lanes", sa.Column("cancel_through", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("lanes", sa.Column("cancel_reason", sa.String(length=64), nullable=True))
    op.create_index(
        "lanes_cancelling_index",
        "lanes",
        ["account_id", "stream_id", "lane"],
        sqlite_where=_IS_CANCELLING,
        postgresql_where=_IS_CANCELLING,
    )
