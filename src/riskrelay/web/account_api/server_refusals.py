"""The responses of the HTTP server to requests that do not reach the application. Rule: contract 1."""

from functools import cache
from http import HTTPStatus

from riskrelay.web.account_api import envelope
from riskrelay.web.account_api.problem_table import MALFORMED_REQUEST, METHOD_NOT_ALLOWED, UNAVAILABLE, Problem

_ANSWERS: dict[HTTPStatus, tuple[Problem, str]] = {
    HTTPStatus.BAD_REQUEST: (
        MALFORMED_REQUEST,
        "the request is not well-formed HTTP/1.1",
    ),
    HTTPStatus.NOT_IMPLEMENTED: (METHOD_NOT_ALLOWED, "unknown method"),
    HTTPStatus.REQUEST_TIMEOUT: (MALFORMED_REQUEST, "the request did not arrive in time; send it without pauses"),
    HTTPStatus.REQUEST_URI_TOO_LONG: (MALFORMED_REQUEST, "the request target is too long; send at most 16 KiB"),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        MALFORMED_REQUEST,
        "the header fields are too large; send at most 100 fields and 32 KiB",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (UNAVAILABLE, "too many connections; reuse connections, and try again later"),
}


@cache  # a client can make thousands of bad requests a second
def server_refusal(status: HTTPStatus, docs_base: str) -> bytes:
    """Return the body for *status*.

    Args:
        docs_base: the origin of the pages that explain the codes.
    """
    problem, message = _ANSWERS[status]
    return bytes(envelope.failure_of(problem, docs_base, message=message).body)
