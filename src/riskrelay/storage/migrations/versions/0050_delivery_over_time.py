"""The console charts deliveries over time: counts of each minute beside those of users."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("delivered", "pending", "dead", "latency_p50_us", "latency_p99_us"):
        op.add_column("level_counts", sa.Column(name, sa.BigInteger(), nullable=True))
