"""The index of users' findings has their behaviors, so that trials read nothing else."""

from alembic import op

revision = "0048"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("findings_user_index", "findings")
    op.create_index(
        "findings_user_index",
        "findings",
        ["account_id", "user_id", "resets", "occurred_at", "finding_id", "behavior"],
    )
