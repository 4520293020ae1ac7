"""A replay has a place in each lane, so that one that cannot go on is passed over and come back to.

The one place that a replay had before stays in its row for a node of the older version; such a node knows nothing of
the new places, so what it replays during the upgrade may be replayed once more, with the same jti.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replay_places",
        sa.Column("account_id", sa.String(length=255), nullable=False),
        sa.Column("replay_id", sa.String(length=36), nullable=False),
        sa.Column("stream_id", sa.String(length=36), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "replay_id"],
            ["replays.account_id", "replays.replay_id"],
            name=op.f("replay_places_replays_fk"),
        ),
        sa.PrimaryKeyConstraint("account_id", "replay_id", "stream_id", "lane", name=op.f("replay_places_pk")),
    )
    op.execute(
        "INSERT INTO replay_places (account_id, replay_id, stream_id, lane, seq, last_seq) "
        "SELECT replays.account_id, replays.replay_id, lanes.stream_id, lanes.lane, "
        "CASE WHEN (lanes.stream_id, lanes.lane) < (replays.stream_id, replays.lane) THEN lanes.last_seq "
        "WHEN (lanes.stream_id, lanes.lane) = (replays.stream_id, replays.lane) THEN replays.seq ELSE 0 END, "
        "lanes.last_seq "
        "FROM replays JOIN streams ON streams.account_id = replays.account_id "
        "AND streams.integration_id = replays.integration_id "
        "JOIN lanes ON lanes.account_id = streams.account_id AND lanes.stream_id = streams.stream_id "
        "WHERE replays.status IN ('running', 'paused')"
    )
