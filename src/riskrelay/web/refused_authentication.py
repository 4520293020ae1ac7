"""Record refused credentials: a count for monitoring, and a rate-limited line in the log."""

import structlog
from starlette.requests import Request
from starlette.routing import Route

from riskrelay.core.errors import Forbidden, MalformedCredentials, NoCredentials, RiskrelayError, UnknownToken
from riskrelay.core.rate_limits import Bucket, RateLimit, spend
from riskrelay.ports import Clock, Metrics
from riskrelay.web.client_address import client_address
from riskrelay.web.transmitter.refusals import BearerRefusal

_LINES = RateLimit(quota=60, window_seconds=60)  # guessed: enough to find the clients, too few to fill a disk

_REASONS: dict[type[RiskrelayError], str] = {
    NoCredentials: "no_credentials",
    MalformedCredentials: "malformed",
    UnknownToken: "unknown",
    Forbidden: "forbidden",
}
_OF_RECEIVERS = {None: "no_credentials", "invalid_request": "malformed", "invalid_token": "unknown"}

_log = structlog.get_logger()


class RefusedAuthentication:
    """Counts all refusals, and logs a limited number per minute. The next line has the number of omitted ones."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._bucket: Bucket | None = None
        self._left_out = 0

    def note(self, request: Request, error: Exception) -> None:
        """Count and log *error* when it refuses the request's credentials; ignore any other error."""
        reason = _reason_of(error)
        if reason is None:
            return
        self._metrics.count_refused_authentication(reason)
        self._bucket, allowance = spend(self._bucket, _LINES, int(self._clock.monotonic() * 1_000_000))
        if allowance.wait_seconds is not None:
            self._left_out += 1
            return
        route = request.scope.get("route")
        _log.warning(
            "authentication_refused",
            reason=reason,
            method=request.method,
            # a path may contain secrets that must not be logged
            route=route.path if isinstance(route, Route) else "unknown",
            address=client_address(request),
            left_out=self._left_out,
        )
        self._left_out = 0


def _reason_of(error: Exception) -> str | None:
    if isinstance(error, BearerRefusal):
        return _OF_RECEIVERS.get(error.error, "forbidden")
    return next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), None)
