"""Users and accounts can be erased, and the ledger counts events that an erasure took back."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0036"
branch_labels = None
depends_on = None

# Events about a user's address alone are found by events_subject_index; the few others by this one.
_OTHER_SUBJECT = sa.text("""subject_key <> '' AND substr(subject_key, 1, 10) <> '{"email":"'""")


def upgrade() -> None:
    for table, column in (("lanes", "purged_erased"), ("stocks", "erased")):
        op.add_column(table, sa.Column(column, sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "events_other_subject_index",
        "events",
        ["account_id", "stream_id", "lane", "seq"],
        sqlite_where=_OTHER_SUBJECT,
        postgresql_where=_OTHER_SUBJECT,
    )
    op.create_table(
        "erasures",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("newest", sa.Text(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("erasures_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "user_id", name=op.f("erasures_pk")),
    )
    op.create_table(
        "deleted_accounts",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name=op.f("deleted_accounts_pk")),
    )
