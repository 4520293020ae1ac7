"""The envelope of every answer (contract 1 to 3), as responses."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from riskrelay.core.errors import RateLimited, RiskrelayError, Unavailable
from riskrelay.web.account_api import problem_table, problems

_RETRY_AFTER_SECONDS = 2  # guessed: a database that restarts needs a moment
_MAX_RETRY_AFTER_SECONDS = 59  # contract 5: whole seconds, 1 to 59


def success(
    result: Any, result_info: dict[str, Any] | None = None, messages: Sequence[dict[str, Any]] = ()
) -> Response:
    """200 with *result*."""
    return _json(200, problems.success(result, result_info, messages))


def failure(error: RiskrelayError, docs_base: str, path: Mapping[str, str]) -> Response:
    """Return the response to an error of the domain: its status, and one entry per fault.

    Args:
        docs_base: the origin of the pages that explain the codes.
        path: the parameters of the request's path.
    """
    status, entries = problems.status_and_errors(error, docs_base, path)
    headers = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(min(error.wait_seconds, _MAX_RETRY_AFTER_SECONDS))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 §15.5.2
    return _json(status, problems.failure(entries), headers)


def failure_of(
    problem: problem_table.Problem,
    docs_base: str,
    headers: Mapping[str, str] | None = None,
    message: str | None = None,
) -> Response:
    """Return the response to a request that the HTTP layer refuses, such as one for an unknown route.

    Args:
        message: a more precise message than the problem's.
    """
    return _json(problem.status, problems.failure([problems.entry(problem, docs_base, message)]), headers)


def _json(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")
