"""How long the phases of each attempt took."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("dns_us", "connect_us", "tls_us", "first_byte_us"):
        op.add_column("attempts", sa.Column(name, sa.BigInteger(), nullable=True))
