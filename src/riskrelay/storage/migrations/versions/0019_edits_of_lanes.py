"""A lane knows how often its stream was edited or resumed.

It tells a worker that settles whether its receiver's answers still speak of what the stream is now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lanes", sa.Column("edits", sa.BigInteger(), nullable=False, server_default="0"))
