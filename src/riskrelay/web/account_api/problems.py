"""What each error looks like on the wire: one table of codes, and everything else computed from it.

The domain says what kind of error it is (riskrelay.errors); the code, the status and the words are decided here.
Rule: contract 1 to 5, 9, 15.
"""

from dataclasses import dataclass
from typing import Any

from riskrelay.errors import (
    BodyTooLarge,
    FaultKind,
    Forbidden,
    Invalid,
    MalformedCredentials,
    NoCredentials,
    NotFound,
    RiskrelayError,
    Unavailable,
    UnknownToken,
    UnsupportedMediaType,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of failure that clients can meet.

    Attributes:
        code: 1000 or more, for programs; the page that explains it stands under it.
        message: what to change, in a sentence; a fault of a body brings a more precise one.
        explanation: what happened and what to do, for the page.
        wrong, right: an example of each.
    """

    code: int
    status: int
    title: str
    message: str
    explanation: str
    wrong: str
    right: str


_CREATE = '{"integration_type": "Okta", "tenant_url": "https://example.okta.com"}'

INTERNAL = Problem(
    1000,
    500,
    "Internal error",
    "the service failed; nothing of this request was stored; try again, and tell the operator if it goes on",
    "Something went wrong in the service itself. The operator finds the cause in its log, under request_failed.",
    "",
    "Repeat the request with the same body; a finding with an id is stored once, however often it is sent.",
)
NOT_FOUND = Problem(
    1001,
    404,
    "Not found",
    "there is no such thing in this account; check the id",
    "The account has nothing with this id or reference id. An id of another account, and one that is not a UUID, are "
    "answered alike.",
    "GET …/integrations/not-a-uuid",
    "GET …/integrations lists what there is.",
)
UNKNOWN_ROUTE = Problem(
    1002,
    404,
    "Unknown route",
    "there is no such route; /docs lists them (paths have no slash at the end)",
    "The path is none of this API. Paths have no final slash and are case-sensitive.",
    "POST …/integrations/",
    "POST …/integrations",
)
METHOD_NOT_ALLOWED = Problem(
    1003,
    405,
    "Method not allowed",
    "this route does not take this method; /docs lists what it takes",
    "The path exists, but not with this method.",
    "PATCH …/integrations/{id}",
    "PUT …/integrations/{id}",
)
BODY_TOO_LARGE = Problem(
    1004,
    413,
    "Body too large",
    "send a smaller body",
    "A JSON object may have 1 MiB, a batch of findings 32 MiB and 10,000 findings. Nothing of a body that is larger "
    "is stored.",
    "50,000 findings in one request",
    "`riskrelay finding import` sends a file of any size in batches.",
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    1005,
    415,
    "Unsupported media type",
    "send Content-Type: application/json (findings: also application/x-ndjson)",
    "The body is of a kind that this route does not read.",
    "Content-Type: application/xml",
    "Content-Type: application/json",
)
UNAVAILABLE = Problem(
    1006,
    503,
    "Unavailable",
    "the service cannot store anything now, and has stored nothing of this request; try again after a moment",
    "The database refused or cannot be reached. Nothing of the request was stored; the same request may succeed later.",
    "",
    "Wait as long as Retry-After says, then repeat the request.",
)
NO_CREDENTIALS = Problem(
    9106,
    400,
    "No credentials",
    "send Authorization: Bearer TOKEN (or X-Auth-Email with X-Auth-Key)",
    "The request carries no credentials.",
    "GET …/integrations without an Authorization header",
    "Authorization: Bearer rr_…",
)
MALFORMED_CREDENTIALS = Problem(
    6003,
    400,
    "Malformed credentials",
    "the Authorization header must read: Bearer TOKEN",
    "The credentials are not of a form that could ever be valid.",
    "Authorization: Basic dXNlcjpwYXNz",
    "Authorization: Bearer rr_…",
)
UNKNOWN_TOKEN = Problem(
    10000,
    401,
    "Not authenticated or not allowed",
    "this token is unknown, expired or revoked; ask the operator for another (riskrelay token create)",
    "With 401: nobody has this token, or it has expired or was revoked. With 403: the token is valid, but belongs to "
    "another account, or its scopes do not cover the operation.",
    "a token of account a on /accounts/b/…",
    "riskrelay token create b --scope read",
)
FORBIDDEN = Problem(
    UNKNOWN_TOKEN.code,
    403,
    UNKNOWN_TOKEN.title,
    "this token is not for this account or not for this operation; ask the operator for one that is",
    UNKNOWN_TOKEN.explanation,
    UNKNOWN_TOKEN.wrong,
    UNKNOWN_TOKEN.right,
)


def _fault(code: int, title: str, message: str, wrong: str, right: str) -> Problem:
    explanation = f"{title}: {message}. `source.pointer` says where in the body. Nothing of the request was stored."
    return Problem(code, 400, title, message, explanation, wrong, right)


FAULTS: dict[FaultKind, Problem] = {
    FaultKind.MALFORMED_BODY: _fault(1100, "Malformed body", "send well-formed JSON", '{"tenant_url": ', _CREATE),
    FaultKind.REQUIRED: _fault(1101, "Member required", "add the member", '{"integration_type": "Okta"}', _CREATE),
    FaultKind.WRONG_TYPE: _fault(
        1102, "Wrong type", "send the member with the right type", '{"active": "yes"}', '{"active": true}'
    ),
    FaultKind.WRONG_VALUE: _fault(
        1103,
        "Wrong value",
        "send one of the values that the member takes",
        '{"integration_type": "okta"}',
        '{"integration_type": "Okta"}',
    ),
    FaultKind.TOO_LONG: _fault(
        1104, "Too long", "send less", '{"reference_id": "…256 characters…"}', '{"reference_id": "okta-production"}'
    ),
    FaultKind.REFERENCE_TAKEN: _fault(
        1105,
        "Reference id taken",
        "another integration of the account has this reference_id; choose another one, or update that integration",
        '{"reference_id": "okta", "tenant_url": "https://second.okta.com"}',
        '{"reference_id": "okta-second", "tenant_url": "https://second.okta.com"}',
    ),
    FaultKind.UNKNOWN_BEHAVIOR: _fault(
        1106,
        "Unknown behavior",
        "send one of the behaviors that GET …/behaviors lists",
        '{"behavior": "dlp"}',
        '{"behavior": "high_dlp"}',
    ),
    FaultKind.FINDING_REUSED: _fault(
        1107,
        "Finding id used before",
        "an id names one finding for ever; send a new one, or the same body",
        'two different findings with "id": "edr-17"',
        'the same finding twice with "id": "edr-17" is stored once',
    ),
    FaultKind.USER_MISMATCH: _fault(
        1108,
        "User id and e-mail differ",
        "leave user_id out, or send the one of the user with this e-mail",
        '{"email": "kai@example.com", "user_id": "…another user\'s…"}',
        '{"email": "kai@example.com"}',
    ),
}

PROBLEMS: tuple[Problem, ...] = (
    INTERNAL,
    NOT_FOUND,
    UNKNOWN_ROUTE,
    METHOD_NOT_ALLOWED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    UNAVAILABLE,
    *FAULTS.values(),
    MALFORMED_CREDENTIALS,
    NO_CREDENTIALS,
    UNKNOWN_TOKEN,
)
"""Every code once, for the pages."""

_BY_ERROR: dict[type[RiskrelayError], Problem] = {
    NotFound: NOT_FOUND,
    BodyTooLarge: BODY_TOO_LARGE,
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE,
    Unavailable: UNAVAILABLE,
    NoCredentials: NO_CREDENTIALS,
    MalformedCredentials: MALFORMED_CREDENTIALS,
    UnknownToken: UNKNOWN_TOKEN,
    Forbidden: FORBIDDEN,
}
_BY_STATUS = {404: UNKNOWN_ROUTE, 405: METHOD_NOT_ALLOWED}


def problem_for(error: RiskrelayError) -> Problem:
    """The row for an error that is no `Invalid`; whatever has none is internal, and its text is not shown."""
    return _BY_ERROR.get(type(error), INTERNAL)


def problem_for_status(status: int) -> Problem:
    """The row for what the HTTP layer refuses by itself."""
    return _BY_STATUS.get(status, INTERNAL)


def status_and_errors(error: RiskrelayError, docs_base: str) -> tuple[int, list[dict[str, Any]]]:
    """The status and the error entries for an error of the domain: one per fault of a body.

    Args:
        docs_base: the origin where the pages that explain the codes stand.

    Rule: contract 3, 4.
    """
    if isinstance(error, Invalid):
        faults = [(FAULTS[fault.kind], fault) for fault in error.faults]
        return 400, [entry(row, docs_base, fault.message, fault.pointer) for row, fault in faults]
    problem = problem_for(error)
    message = f"{problem.message}: {error}" if isinstance(error, BodyTooLarge) else problem.message
    return problem.status, [entry(problem, docs_base, message)]


def entry(problem: Problem, docs_base: str, message: str | None = None, pointer: str = "") -> dict[str, Any]:
    """One member of `errors`. Rule: contract 3."""
    return {
        "code": problem.code,
        "message": message or problem.message,
        "documentation_url": f"{docs_base}/docs/errors/{problem.code}",
        "source": {"pointer": pointer},
    }


def success(result: Any, result_info: dict[str, Any] | None = None) -> dict[str, Any]:
    """The envelope of a success. Rule: contract 1, 2."""
    envelope = {"errors": [], "messages": [], "result": result, "success": True}
    return envelope if result_info is None else {**envelope, "result_info": result_info}


def failure(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """The envelope of a failure. Rule: contract 3."""
    return {"errors": errors, "messages": [], "result": {}, "success": False}
