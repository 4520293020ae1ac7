"""Accounts have behaviors of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("behavior_settings", sa.Column("name", sa.Text()))
    op.add_column("behavior_settings", sa.Column("description", sa.Text()))
    op.add_column(
        "behavior_settings", sa.Column("retired", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
