"""Since when a signing key signs, and until when; the algorithm that an integration's receiver wants."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signing_keys", sa.Column("signs_from", sa.BigInteger(), nullable=True))
    op.add_column("signing_keys", sa.Column("retired_at", sa.BigInteger(), nullable=True))
    # The newest key signed until now. The next ones are made when the service starts: that takes the master key.
    op.execute("UPDATE signing_keys SET signs_from = created_at")
    op.execute(
        "UPDATE signing_keys SET retired_at = (SELECT max(created_at) FROM signing_keys) "
        "WHERE created_at < (SELECT max(created_at) FROM signing_keys)"
    )
    for name, state in (
        ("signing_keys_current_unique", "signs_from IS NOT NULL AND retired_at IS NULL"),
        ("signing_keys_next_unique", "signs_from IS NULL"),
    ):
        op.create_index(
            name,
            "signing_keys",
            ["algorithm"],
            unique=True,
            sqlite_where=sa.text(state),
            postgresql_where=sa.text(state),
        )
    op.add_column(
        "integrations", sa.Column("signing_algorithm", sa.String(length=16), nullable=False, server_default="RS256")
    )
