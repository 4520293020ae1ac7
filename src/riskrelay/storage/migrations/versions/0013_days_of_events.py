"""PostgreSQL: events and attempts in partitions by time, which are dropped whole when they are over (ADR 0014).

They no longer refer to their lane by a foreign key, which cost more on each insert than the partitions do.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_DAY_US = 86_400_000_000
_KEYS = {
    "events": ("queued_at", "account_id, stream_id, lane, seq, queued_at"),
    "attempts": ("started_at", "account_id, stream_id, lane, seq, number, started_at"),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, (time, key) in _KEYS.items():
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_whole")
        op.execute(f"ALTER TABLE {table}_whole DROP CONSTRAINT {table}_pk")
        op.execute(
            f"CREATE TABLE {table} (LIKE {table}_whole INCLUDING DEFAULTS, CONSTRAINT {table}_pk PRIMARY KEY ({key})) "
            f"PARTITION BY RANGE ({time})"
        )
        op.execute(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")
        for begins in _days(table, time):
            op.execute(
                f"CREATE TABLE {table}_{begins // _DAY_US} PARTITION OF {table} "
                f"FOR VALUES FROM ({begins}) TO ({begins + _DAY_US})"
            )
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_whole")
        op.execute(f"DROP TABLE {table}_whole")


def _days(table: str, time: str) -> list[int]:
    """The days of the last month that have rows, and the next ones. All else goes to the rest, and is forgotten row by
    row."""
    bind = op.get_bind()
    today = bind.exec_driver_sql("SELECT floor(extract(epoch FROM now()) / 86400)::bigint").scalar_one()
    found = bind.exec_driver_sql(
        f"SELECT DISTINCT {time} / {_DAY_US} FROM {table}_whole "
        f"WHERE {time} / {_DAY_US} BETWEEN {today - 30} AND {today}"
    ).scalars()
    return [day * _DAY_US for day in sorted({*found, *range(today, today + 3)})]
