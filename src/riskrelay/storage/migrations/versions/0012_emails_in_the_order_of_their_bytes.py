"""E-mails are compared byte by byte on PostgreSQL too, so that the index finds all that start alike."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute('ALTER TABLE users ALTER COLUMN email_key TYPE text COLLATE "C"')
