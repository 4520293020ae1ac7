"""Why PostgreSQL refuses: from its codes to one of a few causes."""

from typing import Final

import asyncpg
from sqlalchemy import exc

from riskrelay.core.errors import UnavailableCause
from riskrelay.storage.engines.causes import original_error

# https://www.postgresql.org/docs/current/errcodes-appendix.html; a state that is not here is judged by its class.
_BY_SQLSTATE: Final = {
    "53100": UnavailableCause.DISK_FULL,
    "53300": UnavailableCause.BUSY,
    "25006": UnavailableCause.READ_ONLY,
    "55P03": UnavailableCause.LOCKED,
    "57014": UnavailableCause.TOO_SLOW,
    "57P01": UnavailableCause.UNREACHABLE,  # the server shuts down
    "57P02": UnavailableCause.UNREACHABLE,  # the server crashed
    "57P03": UnavailableCause.STARTING,
    "58030": UnavailableCause.IO_ERROR,
    "08": UnavailableCause.UNREACHABLE,
    "28": UnavailableCause.UNREACHABLE,  # the password or the user is wrong
    "3D": UnavailableCause.UNREACHABLE,  # the database does not exist
    "XX": UnavailableCause.DAMAGED,
}


def postgres_cause(error: BaseException) -> UnavailableCause:
    """Return why PostgreSQL refused, or why there was no way to it.

    Args:
        error: of the driver, SQLAlchemy's around it, or the operating system's.
    """
    original = original_error(error)
    if isinstance(original, exc.TimeoutError):
        return UnavailableCause.BUSY  # of SQLAlchemy's pool
    if isinstance(original, TimeoutError):
        return UnavailableCause.TOO_SLOW
    state = getattr(original, "sqlstate", None)
    if state is None:
        is_network = isinstance(original, OSError | asyncpg.exceptions.InterfaceError) or getattr(
            error, "connection_invalidated", False
        )
        return UnavailableCause.UNREACHABLE if is_network else UnavailableCause.REFUSED
    return _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2], UnavailableCause.REFUSED)
