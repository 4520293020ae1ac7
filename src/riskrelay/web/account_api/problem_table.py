"""The table of error codes. `problems` and `web/error_pages.py` compute responses and pages from it."""

from dataclasses import dataclass

from riskrelay.core.errors import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A kind of error that clients receive.

    Attributes:
        code: 1000 or more. The documentation page of the error has the code in its path.
        message: what to change, in a sentence. A fault in a body has a more precise message.
        explanation: what happened and what to change, for the documentation page.
        wrong, right: an example of each. wrong is empty if the request was not at fault.

    In explanation, wrong and right, code is in backticks.
    """

    code: int
    status: int
    title: str
    message: str
    explanation: str
    wrong: str
    right: str


_CREATE = '`{"integration_type": "Okta", "tenant_url": "https://example.okta.com"}`'
_REPEAT = (
    "then send the same request again. A finding with an `id` takes effect once, even if it is sent several times. So "
    "does a create request with a `reference_id` that is repeated within ten minutes."
)

# INTERNAL and UNAVAILABLE do not state whether data were stored: the failure may be during or after a commit.
INTERNAL = Problem(
    code=1000,
    status=500,
    title="Internal error",
    message="the service failed; send the same request again in a moment; if the error persists, contact the operator",
    explanation="The service failed. It is not known whether the request took effect. The operator finds the cause "
    "in the log, in the event `request_failed`.",
    wrong="",
    right=f"Wait a moment, {_REPEAT}",
)
NOT_FOUND = Problem(
    code=1001,
    status=404,
    title="Not found",
    message="not found in this account; check the id",
    explanation="The account has no object with this id or reference id. The response is the same for an id of "
    "another account and for an id that is not a UUID. Send a list request to find the id.",
    wrong="`GET …/integrations/not-a-uuid`",
    right="`GET …/integrations`, then `GET …/integrations/{id}` with an id from the list.",
)
UNKNOWN_ROUTE = Problem(
    code=1002,
    status=404,
    title="Unknown route",
    message="unknown route; /docs lists all routes (paths have no trailing slash)",
    explanation="The API has no such path. Paths have no trailing slash and are case-sensitive.",
    wrong="`POST …/integrations/`",
    right="`POST …/integrations`",
)
METHOD_NOT_ALLOWED = Problem(
    code=1003,
    status=405,
    title="Method not allowed",
    message="this route does not support this method; /docs lists the supported methods",
    explanation="The path exists, but does not support this method. Use a method that `/docs` lists for the path.",
    wrong="`PATCH …/integrations/{id}`",
    right="`PUT …/integrations/{id}`",
)
BODY_TOO_LARGE = Problem(
    code=1004,
    status=413,
    title="Body too large",
    message="send a smaller body",
    explanation="A JSON object may have at most 1 MiB, a batch of findings at most 32 MiB. Nothing of a larger body "
    "is stored. Send the data in several requests.",
    wrong="a batch of 40 MiB in one request",
    right="`riskrelay finding import` sends a file of any size in batches.",
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    code=1005,
    status=415,
    title="Unsupported media type",
    message="send Content-Type: application/json (findings, activity and security events: also application/x-ndjson) "
    "without Content-Encoding (findings, activity and events: also gzip, deflate or zstd)",
    explanation="This route does not support the media type of the body, or its compression. Send plain JSON "
    "with the matching `Content-Type`. Findings, activity and security events may also be NDJSON, one object per line: "
    "`application/x-ndjson`, or one of its other names, such as `application/jsonl`.",
    wrong="`Content-Type: application/xml`",
    right="`Content-Type: application/json`",
)
TRY_AGAIN = "send the same request again after the time in Retry-After"
"""What to do about a temporary error."""

MALFORMED_REQUEST = Problem(
    code=1008,
    status=400,
    title="Malformed request",
    message="Host: send exactly one Host header field, with the host name of this service",
    explanation="The request has no `Host` header field, more than one, or one that is not a valid host. Or it is not "
    "well-formed HTTP/1.1, exceeds the server's size limits, or did not arrive in time. A proxy in front of the "
    "service must forward exactly one `Host`.",
    wrong="a request without `Host`",
    right="`Host: risk.example.com`",
)
UNAVAILABLE = Problem(
    code=1006,
    status=503,
    title="Unavailable",
    message=f"the database is currently unavailable; {TRY_AGAIN}",
    explanation="The database rejected the request or cannot be reached. The message states the cause, such as `the "
    "disk is full`. Nothing of the request was stored, unless the connection was lost during the commit: then it is "
    "not known.",
    wrong="",
    right=f"Wait for the number of seconds in `Retry-After`, {_REPEAT}",
)
TOO_MANY_REQUESTS = Problem(
    code=1007,
    status=429,
    title="Too many requests",
    message="send the same request again after the number of seconds in Retry-After",
    explanation="This token has reached its rate limit, or too many credentials from this client address were "
    "rejected. In every response to a valid token, `Ratelimit` states the number of remaining requests (`r`) and the "
    "seconds until the limit resets (`t`). `Ratelimit-Policy` states the limit (`q`) and its window in seconds (`w`). "
    "Other tokens are not affected. This request was not processed.",
    wrong="sending requests at the same rate after a 429",
    right="Wait for the number of seconds in `Retry-After`. Send up to 10,000 findings in one request.",
)
NO_CREDENTIALS = Problem(
    code=9106,
    status=400,
    title="No credentials",
    message="send Authorization: Bearer TOKEN (or X-Auth-Email with X-Auth-Key)",
    explanation="The request has no credentials. Send a token with every request.",
    wrong="`GET …/integrations` without an `Authorization` header",
    right="`Authorization: Bearer rr_…`",
)
MALFORMED_CREDENTIALS = Problem(
    code=6003,
    status=400,
    title="Malformed credentials",
    message="send Authorization: Bearer TOKEN; a token (or an X-Auth-Key) has no spaces and at most 512 characters",
    explanation="The format of the credentials is not valid: the scheme is not `Bearer`, the token is empty, or it "
    "contains an invalid character.",
    wrong="`Authorization: Basic dXNlcjpwYXNz`",
    right="`Authorization: Bearer rr_…`",
)
UNKNOWN_TOKEN = Problem(
    code=10000,
    status=401,
    title="Not authenticated or not allowed",
    message="this token is unknown, expired or revoked; ask the operator for a new one (riskrelay token create)",
    explanation="With 401, the token is unknown, expired or revoked. With 403, the token is valid, but it belongs to "
    "another account, or it does not have the scope that the operation requires. Ask the operator for a suitable "
    "token.",
    wrong="a token of account `a` on `/accounts/b/…`",
    right="a token of account `b` with the scope that `/docs` lists for the operation",
)
FORBIDDEN = Problem(
    code=UNKNOWN_TOKEN.code,
    status=403,
    title=UNKNOWN_TOKEN.title,
    message="this token does not give access to this account or operation; ask the operator for a suitable token",
    explanation=UNKNOWN_TOKEN.explanation,
    wrong=UNKNOWN_TOKEN.wrong,
    right=UNKNOWN_TOKEN.right,
)

_NOTHING_STORED = "`source.pointer` is the position. Nothing of the request was stored."


def _fault(code: int, title: str, message: str, explanation: str, wrong: str, right: str) -> Problem:
    return Problem(
        code=code,
        status=400,
        title=title,
        message=message,
        explanation=f"{explanation} {_NOTHING_STORED}",
        wrong=wrong,
        right=right,
    )


FAULTS: dict[FaultKind, Problem] = {
    FaultKind.MALFORMED_BODY: _fault(
        1100,
        "Malformed body",
        message="send well-formed JSON",
        explanation="The body is empty, incomplete or not JSON. Send one JSON value in UTF-8 (NDJSON: one per line).",
        wrong='`{"tenant_url":`',
        right=_CREATE,
    ),
    FaultKind.REQUIRED: _fault(
        1101,
        "Member required",
        message="add the member",
        explanation="A required member is missing. Add it.",
        wrong='`{"integration_type": "Okta"}`',
        right=_CREATE,
    ),
    FaultKind.WRONG_TYPE: _fault(
        1102,
        "Wrong type",
        message="send the member with the right type",
        explanation='A value has the wrong JSON type. Values are not converted: `"true"` is a string, not a boolean.',
        wrong='`{"active": "yes", "tenant_url": "https://example.okta.com"}`',
        right='`{"active": true, "tenant_url": "https://example.okta.com"}`',
    ),
    FaultKind.WRONG_VALUE: _fault(
        1103,
        "Wrong value",
        message="send one of the allowed values of the member",
        explanation="A value has the right type but is not allowed. Values are case-sensitive. The message names the "
        "allowed values.",
        wrong='`{"integration_type": "okta", "tenant_url": "https://example.okta.com"}`',
        right=_CREATE,
    ),
    FaultKind.TOO_LONG: _fault(
        1104,
        "Too long",
        message="send less data",
        explanation="A value exceeds a limit: characters of a string, findings or lines of a batch, bytes of `details` "
        "or values or nesting of a body. The message states the limit.",
        wrong="a `reference_id` of 256 characters; 10,001 findings in one request",
        right="a `reference_id` of at most 255 characters; at most 10,000 findings in one request",
    ),
    FaultKind.REPEATED_MEMBER: _fault(
        1109,
        "Member repeated",
        message="send each member once",
        explanation="An object has two members with the same name, so its meaning is ambiguous. Send the member once.",
        wrong='`{"active": true, "active": false, "tenant_url": "https://example.okta.com"}`',
        right='`{"active": false, "tenant_url": "https://example.okta.com"}`',
    ),
    FaultKind.CANNOT_BE_HELD: _fault(
        1110,
        "Value cannot be represented",
        message="send a number that fits in 64 bits, or send it as a string; do not send lone surrogates",
        explanation="The JSON is well-formed, but has a value that programs read in different ways: a number beyond "
        "64-bit integers and doubles, or a lone surrogate. Send such a number as a string, also in unknown members.",
        wrong='`{"details": {"serial": 18446744073709551616}}`',
        right='`{"details": {"serial": "18446744073709551616"}}`',
    ),
    FaultKind.REFERENCE_TAKEN: _fault(
        1105,
        "Reference id taken",
        message="another integration of the account has this reference_id; choose a new one, or update it",
        explanation="Another integration of the account has this `reference_id`. The message contains its id. Choose a "
        "new one, or update that integration. A create request that can be a retry returns the stored integration "
        "instead: the type, `tenant_url` and `active` are the same, and `X-Stainless-Retry-Count` is 1 or more or, "
        "without that header, the integration is younger than ten minutes. With Terraform's `create_before_destroy`, "
        "change the `reference_id` together with the other attributes.",
        wrong='`{"reference_id": "okta", "tenant_url": "https://second.okta.com", …}` when `okta` identifies another '
        "tenant",
        right='`{"reference_id": "okta-second", "tenant_url": "https://second.okta.com", …}`',
    ),
    FaultKind.UNKNOWN_BEHAVIOR: _fault(
        1106,
        "Unknown behavior",
        message="send the id of a behavior from GET …/behaviors",
        explanation="No behavior has this id. Send an id from `GET …/behaviors`.",
        wrong='`{"behavior": "dlp", "user": {"email": "kai@example.com"}}`',
        right='`{"behavior": "high_dlp", "user": {"email": "kai@example.com"}}`',
    ),
    FaultKind.ID_REUSED: _fault(
        1107,
        "Id already used",
        message="this id was already used with a different body; send a new id, or the same body",
        explanation="A finding or an activity with this `id` and a different body was sent before. An `id` identifies "
        "one finding or activity permanently. Send a new `id`.",
        wrong='two different findings with `"id": "edr-17"`',
        right='the same finding twice with `"id": "edr-17"`: it is stored once, the repeat is a duplicate',
    ),
    FaultKind.USER_MISMATCH: _fault(
        1108,
        "User id and e-mail differ",
        message="omit user_id, or send the user_id of the user with this e-mail",
        explanation="`user_id` and `email` belong to different users. Omit `user_id`, or send the one of the user "
        "with this `email`.",
        wrong='`{"email": "kai@example.com", "user_id": "…of another user…"}`',
        right='`{"email": "kai@example.com"}`',
    ),
    FaultKind.EVENT_REUSED: _fault(
        1120,
        "Security event id already used",
        message="this id was already used with a different body; send a new id, or the same body",
        explanation="A security event with this `id` and a different body was sent before. An `id` identifies one "
        "event permanently. Send a new `id`.",
        wrong='two different events with `"id": "incident-17"`',
        right='the same event twice with `"id": "incident-17"`: it is queued once, the repeat gets the same response',
    ),
    FaultKind.QUOTA_REACHED: _fault(
        1121,
        "Quota reached",
        message="the quota is reached; delete objects that are no longer used",
        explanation="The account or the integration has reached its quota for this kind of object. The message states "
        "the quota. Delete objects that are no longer used. The operator can raise the quota with a setting.",
        wrong="the 1,001st token of an account",
        right="revoke a token that is no longer used, then create the new token",
    ),
}

MORE_FAULTS = _fault(
    1119,
    "More faults",
    message="fix the listed faults, and send the request again to see the others",
    explanation="The request has more faults than a response lists. It lists 100 and counts the others.",
    wrong="10,000 findings, each with a misspelled `behavior`",
    right="fix what the listed faults have in common, then send the request again",
)
UNKNOWN_MEMBER = Problem(
    code=1200,
    status=200,
    title="Unknown member ignored",
    message="this member is unknown and was ignored; check its spelling",
    explanation="The request was accepted, but it has an unknown member, which was ignored. This is not an error: it "
    "is listed in `messages`, and `source.pointer` is the position of the member. Check its spelling. Send the "
    "evidence of a finding in `details`, which may have any members. A response lists 100 unknown members and counts "
    "the others.",
    wrong='`{"behavior": "high_dlp", "user": {"email": "kai@example.com"}, "detail": {"hits": 17}}`',
    right='`{"behavior": "high_dlp", "user": {"email": "kai@example.com"}, "details": {"hits": 17}}`',
)

PROBLEMS: tuple[Problem, ...] = (
    INTERNAL,
    NOT_FOUND,
    UNKNOWN_ROUTE,
    METHOD_NOT_ALLOWED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    UNAVAILABLE,
    TOO_MANY_REQUESTS,
    MALFORMED_REQUEST,
    *FAULTS.values(),
    MORE_FAULTS,
    UNKNOWN_MEMBER,
    MALFORMED_CREDENTIALS,
    NO_CREDENTIALS,
    UNKNOWN_TOKEN,
)
"""Every code once, for the documentation pages."""

ROWS: tuple[Problem, ...] = (*PROBLEMS, FORBIDDEN)
"""Every code with each of its statuses."""
