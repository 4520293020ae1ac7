"""Running actions on the database itself, for commands that need no service."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from riskrelay.ports import Services

T = TypeVar("T")


def log_to_standard_error() -> None:
    """Keep log lines out of standard output, where programs read what a command prints."""
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def on_database(work: "Callable[[Services], Awaitable[T]]") -> T:
    """Run an action on the database that the settings name.

    Raises: Misconfigured: it is not there, or has another schema.
    """

    from riskrelay.settings import read_settings
    from riskrelay.wiring.installation import build_services, require_schema

    log_to_standard_error()
    settings = read_settings()

    async def run() -> T:
        await require_schema(settings)
        services = build_services(settings)
        try:
            return await work(services)
        finally:
            await services.store.close()

    return asyncio.run(run())
