"""Certificate authorities and a client certificate of an integration's own."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("integrations", sa.Column("trusted_ca", sa.Text(), nullable=True))
    op.add_column("integrations", sa.Column("client_certificate", sa.Text(), nullable=True))
    op.add_column("integrations", sa.Column("sealed_client_key", sa.LargeBinary(), nullable=True))
