"""A lane's row has a version, which on PostgreSQL is the end of its key (ADR 0018).

While a snapshot is held, each version that a batch leaves behind stays, and so does its entry in the index. With the
version in the key the newest is found first, however many there are. Held events then have no key to refer to; a row is
only ever written after its lane's was updated, as with events (ADR 0014).
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lanes", sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"))
    if op.get_context().dialect.name != "postgresql":
        return
    op.drop_constraint("held_events_lanes_fk", "held_events", type_="foreignkey")
    op.drop_constraint("lanes_pk", "lanes", type_="primary")
    op.create_primary_key("lanes_pk", "lanes", ["account_id", "stream_id", "lane", "version"])
    _keep_large()


def _keep_large() -> None:
    """Let the table have more pages than two look-ups by an index cost, for ever. A table of a few pages is planned to
    be read whole, and while a snapshot is held it has grown a lot until PostgreSQL plans again, a minute later."""
    op.execute("ALTER TABLE lanes SET (vacuum_truncate = off)")
    op.drop_constraint("lanes_streams_fk", "lanes", type_="foreignkey")
    op.execute(
        "INSERT INTO lanes (account_id, stream_id, lane, last_seq, cursor, delivered, failures, epoch, lease_until, "
        "blocked_until, stopped) SELECT '', '', number, 0, 0, 0, 0, 0, 0, 0, true FROM generate_series(1, 4000) number"
    )
    op.execute("DELETE FROM lanes WHERE account_id = ''")
    op.create_foreign_key(
        "lanes_streams_fk", "lanes", "streams", ["account_id", "stream_id"], ["account_id", "stream_id"]
    )
