"""Let the engine know what its new tables hold, before its plans for them go wrong."""

from riskrelay.ports import Outside


async def analyze_tables(outside: Outside) -> None:
    """Gather statistics of the tables that have grown and have none yet, such as those of a new installation or a new
    day.

    Raises: Unavailable: the next call does it.
    """
    await outside.store.write_installation(lambda tx: tx.engine.analyze_new())
