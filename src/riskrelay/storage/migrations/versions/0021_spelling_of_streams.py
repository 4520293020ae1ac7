"""A receiver's stream remembers in which form its receiver wrote it, so that it is answered in the same.

Nodes of the older version ignore the column and answer in the standard form.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("streams", sa.Column("spelling", sa.Text(), nullable=True))
