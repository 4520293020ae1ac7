"""Common parts of the tables."""

from sqlalchemy import Column, MetaData, String

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_N_name)s_unique",
        "fk": "%(table_name)s_%(referred_table_name)s_fk",
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def account() -> Column[str]:
    """Build the first column of each key."""
    return Column("account_id", String(255), primary_key=True)
