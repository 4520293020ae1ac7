"""The errors of the client. Each is an exception of its own, so that a program can react to it."""

import msgspec


class Source(msgspec.Struct, frozen=True):
    """The place of a fault.

    Attributes:
        pointer: an RFC 6901 pointer into the body; empty when the whole request is meant.
    """

    pointer: str = ""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of a request, as the service states it. Rule: contract 3.

    Attributes:
        code: stable, 1000 or more.
        documentation_url: a page of the service that explains the code.
    """

    code: int
    message: str
    documentation_url: str = ""
    source: Source = Source()

    @property
    def pointer(self) -> str:
        """The place of the fault in the body, an RFC 6901 pointer."""
        return self.source.pointer

    def __str__(self) -> str:
        """Return the message, the place and the code in one line."""
        where = f" (at {self.pointer})" if self.pointer else ""
        return f"{self.message}{where} [{self.code}]"


class ClientError(Exception):
    """Any error of the client."""


class Unreachable(ClientError):
    """No connection to the service. The request was not sent."""


class AnswerLost(ClientError):
    """The request was sent, and no complete response arrived. The service may have processed it."""


class UnexpectedAnswer(ClientError):
    """A response that the account API never sends: another server, or a service of another version."""


class ApiError(ClientError):
    """The service refused the request.

    Attributes:
        status: the HTTP status.
        faults: all faults of the request; empty when the response was no envelope, such as a proxy's error page.
        retry_after_seconds: how long the service asked to wait; None: it did not.
    """

    def __init__(self, status: int, faults: tuple[Fault, ...], retry_after_seconds: float | None = None) -> None:
        super().__init__("; ".join(map(str, faults)) or f"the service returned HTTP {status}")
        self.status = status
        self.faults = faults
        self.retry_after_seconds = retry_after_seconds

    @property
    def code(self) -> int | None:
        """The code of the first fault."""
        return self.faults[0].code if self.faults else None

    @property
    def message(self) -> str:
        """The message of the first fault."""
        return self.faults[0].message if self.faults else str(self)

    @property
    def pointer(self) -> str:
        """The place of the first fault in the body."""
        return self.faults[0].pointer if self.faults else ""

    @property
    def documentation_url(self) -> str:
        """The page that explains the first fault."""
        return self.faults[0].documentation_url if self.faults else ""


class InvalidRequest(ApiError):
    """400, 413, 415 and others: the request must be changed."""


class Unauthorized(ApiError):
    """401: the token is unknown or has expired."""


class Forbidden(ApiError):
    """403: the token is for another account, or lacks the scope."""


class NotFound(ApiError):
    """404: the account has no such resource."""


class RateLimited(ApiError):
    """429: too many requests, or a quota is exhausted. Nothing was stored."""


class ServiceFailed(ApiError):
    """5xx: the service failed. A 503 stored nothing."""


_BY_STATUS: dict[int, type[ApiError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 429: RateLimited}


def error_of(status: int, faults: tuple[Fault, ...], retry_after_seconds: float | None) -> ApiError:
    """Return the exception for a refused request.

    >>> error_of(404, (), None)
    NotFound('the service returned HTTP 404')
    """
    kind = _BY_STATUS.get(status, ServiceFailed if status >= 500 else InvalidRequest)
    return kind(status, faults, retry_after_seconds)
