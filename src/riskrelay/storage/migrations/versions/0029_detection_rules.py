"""Rules of impossible travel, trusted networks, known places, and what evidence says of a login."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_NUMBERS = {"ipv4_ipv6_min_km": "1000", "known_places_days": "0", "lateness_hours": "1"}
_FLAGS = {
    "exempt_same_ip": True,
    "exempt_trusted_networks": True,
    "exempt_anonymous": True,
    "exempt_centroids": True,
    "session_refreshes": True,
    "cities_in_reason": False,
}


def upgrade() -> None:
    op.add_column("activity", sa.Column("origin", sa.Text(), nullable=True))
    for name, number in _NUMBERS.items():
        op.add_column("detection_limits", sa.Column(name, sa.Integer(), server_default=number, nullable=False))
    for name, flag in _FLAGS.items():
        default = sa.true() if flag else sa.false()
        op.add_column("detection_limits", sa.Column(name, sa.Boolean(), server_default=default, nullable=False))
    op.create_table(
        "trusted_networks",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("trusted_networks_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("trusted_networks_pk")),
    )
    op.create_table(
        "known_places",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cell", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("known_places_accounts_fk")),
        sa.PrimaryKeyConstraint("account_id", "email_key", "day", "cell", name=op.f("known_places_pk")),
    )
    op.create_index("known_places_age_index", "known_places", ["account_id", "day"])
