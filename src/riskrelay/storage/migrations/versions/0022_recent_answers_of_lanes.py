"""A lane keeps its receiver's latest answers, so that one that refuses its events is not called healthy.

Lanes begin without answers: what was refused before the upgrade does not count.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lanes", sa.Column("recent_answers", sa.String(20), nullable=False, server_default=""))
    op.add_column("lanes", sa.Column("rejecting", sa.Boolean(), nullable=False, server_default=sa.false()))
