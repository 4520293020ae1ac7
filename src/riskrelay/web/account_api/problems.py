"""Map errors to response bodies, by the table of codes (`problem_table`).

The domain decides the class of an error (riskrelay.core.errors). Its code, status and texts are decided here.
Rule: contract 1 to 5, 9, 15.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from riskrelay.core.errors import (
    BodyTooLarge,
    FaultKind,
    Forbidden,
    Invalid,
    LaneWithdrawn,
    LeaseLost,
    MalformedCredentials,
    Misconfigured,
    NoCredentials,
    NotFound,
    RateLimited,
    RiskrelayError,
    SessionEnded,
    Unauthenticated,
    Unavailable,
    UnknownToken,
    UnsupportedMediaType,
    UserMismatch,
    sentence,
)
from riskrelay.web.account_api.notes import Notes
from riskrelay.web.account_api.problem_table import (
    BODY_TOO_LARGE,
    FAULTS,
    FORBIDDEN,
    INTERNAL,
    MALFORMED_CREDENTIALS,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    MORE_FAULTS,
    NO_CREDENTIALS,
    NOT_FOUND,
    TOO_MANY_REQUESTS,
    TRY_AGAIN,
    UNAVAILABLE,
    UNKNOWN_MEMBER,
    UNKNOWN_ROUTE,
    UNKNOWN_TOKEN,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
)

_BY_ERROR: dict[type[RiskrelayError], Problem] = {
    NotFound: NOT_FOUND,
    BodyTooLarge: BODY_TOO_LARGE,
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE,
    Unavailable: UNAVAILABLE,
    RateLimited: TOO_MANY_REQUESTS,
    Unauthenticated: UNKNOWN_TOKEN,
    NoCredentials: NO_CREDENTIALS,
    MalformedCredentials: MALFORMED_CREDENTIALS,
    UnknownToken: UNKNOWN_TOKEN,
    SessionEnded: UNKNOWN_TOKEN,
    Forbidden: FORBIDDEN,
    # No request ends with these unless the code is wrong: they are handled where they are raised.
    UserMismatch: INTERNAL,
    Misconfigured: INTERNAL,
    LeaseLost: INTERNAL,
    LaneWithdrawn: INTERNAL,
}
"""Every error but `Invalid`, whose faults have a row each."""
_OBJECTS = {
    "account_id": "account",
    "integration_id": "integration",
    "reference_id": "integration",
    "jti": "delivery",
    "exception_id": "exception",
    "replay_id": "replay",
    "reset_id": "bulk reset",
    "credential_id": "credential",
    "source_id": "source",
    "source_credential_id": "credential",
    "token_id": "token",
    "user_id": "user",
}
"""What the parameters of a path identify."""
_BY_STATUS = {400: MALFORMED_REQUEST, 404: UNKNOWN_ROUTE, 405: METHOD_NOT_ALLOWED}


def problem_for(error: RiskrelayError) -> Problem:
    """Return the row of an error that is not `Invalid`: the row of its class, or of its nearest base class.

    An error without a row is internal. The error's own text is not used.
    """
    return next((_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR), INTERNAL)


def problem_for_fault(kind: FaultKind) -> Problem:
    """Return the row for one kind of fault in a request. All have status 400."""
    return FAULTS[kind]


def problem_for_status(status: int) -> Problem:
    """Return the row for a request that the HTTP layer refuses."""
    return _BY_STATUS.get(status, INTERNAL)


def status_and_errors(
    error: RiskrelayError, docs_base: str, path: Mapping[str, str]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the status and the error entries for an error of the domain: one per fault of a body.

    Args:
        docs_base: the origin of the pages that explain the codes.
        path: the parameters of the request's path.

    Rule: contract 3, 4.
    """
    if isinstance(error, Invalid):
        faults = [(problem_for_fault(fault.kind), fault) for fault in error.faults]
        entries = [entry(row, docs_base, fault.sentence, fault.pointer) for row, fault in faults]
        if error.more:
            entries.append(entry(MORE_FAULTS, docs_base, f"… and {_counted(error.more, 'more fault')}"))
        return 400, entries
    problem = problem_for(error)
    return problem.status, [entry(problem, docs_base, _message(problem, error, path))]


def _message(problem: Problem, error: RiskrelayError, path: Mapping[str, str]) -> str:
    if isinstance(error, NotFound):
        return _not_found(path) or problem.message
    if isinstance(error, BodyTooLarge):
        return f"{problem.message}: {error}"
    if isinstance(error, Unavailable) and error.cause is not None:
        return f"{error.cause}; {TRY_AGAIN}"
    return problem.message


def _not_found(path: Mapping[str, str]) -> str:
    """Name the kind of object that a path identifies; empty for a path without parameters.

    The id is not repeated: every unknown id gets the same response (contract 9).

    >>> _not_found({"account_id": "acme", "integration_id": "6f0c", "jti": "8133"})
    'delivery not found in this account; check the id'
    """
    kinds = [_OBJECTS[name] for name in path if name in _OBJECTS]
    if not kinds:
        return ""
    place = " in this account" if "account_id" in path and kinds[-1] != "account" else ""
    return f"{kinds[-1]} not found{place}; check the id"


def messages(notes: Notes, docs_base: str) -> list[dict[str, Any]]:
    """Return the elements of `messages`, in the form of errors: one per kept note, and the number of others."""
    entries = [entry(UNKNOWN_MEMBER, docs_base, sentence(n.pointer, n.message), n.pointer) for n in notes.kept]
    if notes.more:
        entries.append(entry(UNKNOWN_MEMBER, docs_base, f"… and {_counted(notes.more, 'more unknown member')}"))
    return entries


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def entry(problem: Problem, docs_base: str, message: str | None = None, pointer: str = "") -> dict[str, Any]:
    """Return one element of `errors`. Rule: contract 3."""
    return {
        "code": problem.code,
        "message": message or problem.message,
        "documentation_url": f"{docs_base}/docs/errors/{problem.code}",
        "source": {"pointer": pointer},
    }


def success(
    result: Any, result_info: dict[str, Any] | None = None, messages: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return the envelope of a success. Rule: contract 1, 2."""
    envelope = {"errors": [], "messages": list(messages), "result": result, "success": True}
    return envelope if result_info is None else {**envelope, "result_info": result_info}


def failure(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the envelope of a failure. Rule: contract 3."""
    return {"errors": errors, "messages": [], "result": {}, "success": False}
