"""A typed client of the account API.

    from riskrelay.client import Client

    with Client("http://127.0.0.1:8700", token) as client:
        client.findings.send("high_dlp", "kai@example.com")

`AsyncClient` has the same methods as coroutines. See docs/guides/client.md. This package imports
nothing else of riskrelay.
"""

from typing import TYPE_CHECKING, Any

from riskrelay.client.errors import (
    AnswerLost,
    ApiError,
    ClientError,
    Fault,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServiceFailed,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from riskrelay.client.records import BulkResetFilter, DlpHit, Finding, Limits, Login, UserReference
from riskrelay.client.sync.client import Client

if TYPE_CHECKING:
    from riskrelay.client.aio.client import AsyncClient

__all__ = [
    "AnswerLost",
    "ApiError",
    "AsyncClient",
    "BulkResetFilter",
    "Client",
    "ClientError",
    "DlpHit",
    "Fault",
    "Finding",
    "Forbidden",
    "InvalidRequest",
    "Limits",
    "Login",
    "NotFound",
    "RateLimited",
    "ServiceFailed",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "UserReference",
]


def __getattr__(name: str) -> Any:
    # The asynchronous client loads aiohttp, which takes longer than all the rest.
    if name == "AsyncClient":
        from riskrelay.client.aio.client import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
