"""Files of the installation: for their owner only, whatever the umask."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines.opening import work_on_file
from riskrelay.storage.engines.private_files import database_files, ensure_private, readable_by_others
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import sqlite_engine


@pytest.fixture(params=[0o000, 0o022, 0o277, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """The umask of this test; its directory was made before, since the umask would lock its owner out."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(directory: Path) -> dict[str, str]:
    return {file.name: oct(file.stat().st_mode & 0o777) for file in directory.iterdir()}


@pytest.mark.usefixtures("umask")
def test_a_database_with_its_log_is_its_owners(tmp_path: Path) -> None:
    """SQLite takes the mode of its log and its shared memory from the file."""
    path = tmp_path / "a.db"
    assert ensure_private(path)
    engine = sqlite_engine(path)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE a (x)")
        connection.commit()
        assert modes(tmp_path) == {"a.db": "0o600", "a.db-wal": "0o600", "a.db-shm": "0o600"}
    engine.dispose()


@pytest.mark.usefixtures("umask")
def test_a_migration_creates_a_private_file(tmp_path: Path) -> None:
    """`riskrelay migrate` and `init` create it this way."""
    work_on_file(tmp_path / "a.db", upgrade)
    assert modes(tmp_path) == {"a.db": "0o600"}


def test_existing_files_are_kept(tmp_path: Path) -> None:
    """Neither content nor mode of an existing file changes."""
    path = tmp_path / "key"
    path.write_text("mine")
    path.chmod(0o644)
    assert not ensure_private(path, "other")
    assert (path.read_text(), modes(tmp_path)) == ("mine", {"key": "0o644"})


@pytest.mark.parametrize("place", ["/proc/none/a.db", "/dev/null/a.db", "/proc/a.db"])
def test_a_place_that_takes_no_file(place: str) -> None:
    """One sentence that names the file and what to do."""
    with pytest.raises(Misconfigured, match=f"{place} cannot be created"):
        ensure_private(Path(place))


@pytest.mark.parametrize(
    ("mode", "is_exposed"), [(0o600, False), (0o400, False), (0o644, True), (0o640, True), (0o606, True)]
)
def test_a_file_that_others_can_read_is_named(tmp_path: Path, mode: int, is_exposed: bool) -> None:
    """With the command that ends it; a file that is not there is not named."""
    path = tmp_path / "a.db"
    path.touch()
    path.chmod(mode)
    found = readable_by_others(database_files(path))
    assert found == ({path: f"chmod 600 {path}"} if is_exposed else {})


def test_a_file_that_root_hands_over_may_be_read_by_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As PostgreSQL allows for its key; not by everybody."""
    path = tmp_path / "key"
    path.touch()
    if path.stat().st_uid != 0:
        pytest.skip("only root can hand a file over")
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    path.chmod(0o640)
    assert readable_by_others([path]) == {}
    path.chmod(0o644)
    assert readable_by_others([path]) == {path: f"chmod o-rwx {path}"}
