"""Files that only their owner may read: the database and its log hold secrets, the master key opens them."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from riskrelay.core.errors import Misconfigured

_OWNER_ONLY: Final = 0o600
_GROUP_OR_OTHERS: Final = 0o077
_OTHERS: Final = 0o007


def create_private(path: Path, content: str = "") -> None:
    """Create a file that only its owner may read and write, for any umask.

    SQLite gives its log and its shared memory the permissions of the database file.

    Raises: OSError: it cannot be created, or it exists.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(handle, "w") as file:
        os.fchmod(handle, _OWNER_ONLY)  # a umask may have taken the owner's own rights away
        try:
            file.write(content)
            file.flush()
        except OSError:
            path.unlink()
            raise


def ensure_private(path: Path, content: str = "") -> bool:
    """Create a private file of the installation and its parent directories, unless the file exists.

    Returns: whether it was created.
    Raises:  Misconfigured: it cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        create_private(path, content)
    except FileExistsError:
        if not path.exists():
            raise Misconfigured(f"{path} cannot be created: {path.parent} is not a directory") from None
        return False
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Misconfigured(
            f"{path} cannot be created ({reason}); allow the user that runs riskrelay to write to {path.parent}, or "
            "set RISKRELAY_DATABASE_URL to another file"
        ) from error
    return True


def readable_by_others(files: Sequence[Path]) -> dict[Path, str]:
    """Return those of *files* that users besides the owner can read, each with the command that corrects its mode.

    A file that root owns may be readable by its group, as PostgreSQL allows for its keys: an operator gives a secret to
    a service in this way.
    """
    found = {}
    for file in files:
        try:
            status = file.stat()
        except OSError:  # it does not exist, or may not be read
            continue
        is_handed_over = status.st_uid == 0 and os.geteuid() != 0
        if stat.S_ISREG(status.st_mode) and status.st_mode & (_OTHERS if is_handed_over else _GROUP_OR_OTHERS):
            found[file] = f"chmod {'o-rwx' if is_handed_over else '600'} {file}"
    return found


def database_files(path: Path) -> list[Path]:
    """Return the SQLite file and the files that SQLite and this service keep next to it."""
    return [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal", ".lock"))]
