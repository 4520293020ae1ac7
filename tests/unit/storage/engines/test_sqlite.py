"""The embedded store's writer."""

from pathlib import Path

import pytest
from sqlalchemy import exc

from riskrelay.core.errors import Unavailable
from riskrelay.storage.engines.opening import work_on
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import SqliteStore


async def test_a_writer_whose_connection_is_broken_goes_on_with_another(tmp_path: Path) -> None:
    """Neither commit nor rollback work: whoever waited is told, and the next one is served."""
    path = tmp_path / "riskrelay.db"
    await work_on(f"sqlite:///{path}", path, upgrade)
    store = SqliteStore(path)
    await store.write_installation(lambda tx: tx.lanes.release_all())
    connection = store._writer._connection
    assert connection is not None

    def broken() -> None:
        raise exc.OperationalError("COMMIT", None, OSError("disk I/O error"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connection, "commit", broken)
        patched.setattr(connection, "close", broken)
        with pytest.raises(Unavailable):
            await store.write_installation(lambda tx: tx.lanes.release_all())
    await store.write_installation(lambda tx: tx.lanes.release_all())
    assert store._writer._connection is not connection
    await store.close()
