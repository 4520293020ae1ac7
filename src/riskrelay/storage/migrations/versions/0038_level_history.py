"""The history of users' risk levels, and a person's text in the audit log.

The history begins with this migration: what made earlier level changes was not stored.
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "level_changes",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("change_id", sa.String(length=36), nullable=False),
        sa.Column("previous", sa.SmallInteger(), nullable=True),
        sa.Column("current", sa.SmallInteger(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=True)
            for name in ("behaviors", "reason", "findings", "rule", "actor", "note")
        ),
        sa.PrimaryKeyConstraint("account_id", "user_id", "changed_at", "change_id", name=op.f("level_changes_pk")),
        sqlite_with_rowid=False,
    )
    op.add_column("audit_entries", sa.Column("note", sa.Text(), nullable=True))
