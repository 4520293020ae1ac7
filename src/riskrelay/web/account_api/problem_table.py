"""Every code that a client can meet: one table. What is computed from it is in `problems` and `web/error_pages.py`."""

from dataclasses import dataclass

from riskrelay.core.errors import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A kind of failure that clients can meet.

    Attributes:
        code: 1000 or more, for programs; the page that explains it stands under it.
        message: what to change, in a sentence; a fault of a body brings a more precise one.
        explanation: what happened and what to change, for the page.
        wrong, right: an example of each; wrong is empty where the request was not at fault.

    In explanation, wrong and right, code stands in backticks.
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
    "then send the same request again. A finding with an `id` takes effect once, however often it is sent; so does a "
    "create with a `reference_id` that is repeated within ten minutes."
)

# Neither of the two that are our fault promises that nothing was stored: a failure after the commit, or a connection
# lost during it, leaves that open.
INTERNAL = Problem(
    code=1000,
    status=500,
    title="Internal error",
    message="the service failed; send the same request again after a moment, and tell the operator if it goes on",
    explanation="Something went wrong in the service itself, and whether the request took effect is not known. The "
    "operator finds the cause in the log, under `request_failed`.",
    wrong="",
    right=f"Wait a moment, {_REPEAT}",
)
NOT_FOUND = Problem(
    code=1001,
    status=404,
    title="Not found",
    message="there is no such thing in this account; check the id",
    explanation="The account has nothing with this id or reference id. An id of another account, and one that is not "
    "a UUID, are answered alike. List what there is, and take the id from there.",
    wrong="`GET …/integrations/not-a-uuid`",
    right="`GET …/integrations`, then `GET …/integrations/{id}` with an id of the list.",
)
UNKNOWN_ROUTE = Problem(
    code=1002,
    status=404,
    title="Unknown route",
    message="there is no such route; /docs lists them (paths have no slash at the end)",
    explanation="The path is none of this API. Paths have no slash at the end and letter case matters.",
    wrong="`POST …/integrations/`",
    right="`POST …/integrations`",
)
METHOD_NOT_ALLOWED = Problem(
    code=1003,
    status=405,
    title="Method not allowed",
    message="this route does not take this method; /docs lists what it takes",
    explanation="The path exists, but not with this method. Use one that `/docs` lists for it.",
    wrong="`PATCH …/integrations/{id}`",
    right="`PUT …/integrations/{id}`",
)
BODY_TOO_LARGE = Problem(
    code=1004,
    status=413,
    title="Body too large",
    message="send a smaller body",
    explanation="A JSON object may have 1 MiB, a batch of findings 32 MiB. Nothing of a body that is larger is "
    "stored; send it in parts.",
    wrong="a batch of 40 MiB in one request",
    right="`riskrelay finding import` sends a file of any size in batches.",
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    code=1005,
    status=415,
    title="Unsupported media type",
    message="send Content-Type: application/json (findings and activity: also application/x-ndjson), and no "
    "Content-Encoding",
    explanation="The body is of a kind that this route does not read, or it is compressed. Send plain JSON, and say "
    "so in the "
    "header. Findings and activity may also be NDJSON, one on each line: `application/x-ndjson`, or one of its other "
    "names, such as `application/jsonl`.",
    wrong="`Content-Type: application/xml`",
    right="`Content-Type: application/json`",
)
TRY_AGAIN = "send the same request again after a moment, as Retry-After says"
"""What to do about an error that passes."""

MALFORMED_REQUEST = Problem(
    code=1008,
    status=400,
    title="Malformed request",
    message="Host: send exactly one Host header field, with the host name of this service",
    explanation="The request has no `Host` header field, several of them, or one that is not a host; or it is not "
    "well-formed "
    "HTTP/1.1, is larger than the server reads, or did not arrive in time. A proxy in front of the service must pass "
    "on exactly one `Host`.",
    wrong="a request without `Host`",
    right="`Host: risk.example.com`",
)
UNAVAILABLE = Problem(
    code=1006,
    status=503,
    title="Unavailable",
    message=f"the service cannot use its database now; {TRY_AGAIN}",
    explanation="The database refused or cannot be reached; the message says why, such as `the disk is full`. As a "
    "rule nothing of the request was stored; only a connection lost in the moment of the commit leaves that open.",
    wrong="",
    right=f"Wait as long as `Retry-After` says, {_REPEAT}",
)
TOO_MANY_REQUESTS = Problem(
    code=1007,
    status=429,
    title="Too many requests",
    message="send the same request again after as many seconds as Retry-After says",
    explanation="This token has used up its requests, or credentials from this client address were refused too "
    "often. `Ratelimit` "
    "in each answer to a valid token says how many requests it has left (`r`) and when all of them are back (`t`), "
    "`Ratelimit-Policy` how many it gets (`q`) in how many seconds (`w`). Other tokens are not concerned, and nothing "
    "of this request was done.",
    wrong="sending on at full speed after a 429",
    right="Wait as long as `Retry-After` says. Findings: send up to 10,000 in one request.",
)
NO_CREDENTIALS = Problem(
    code=9106,
    status=400,
    title="No credentials",
    message="send Authorization: Bearer TOKEN (or X-Auth-Email with X-Auth-Key)",
    explanation="The request carries no credentials. Send a token with each request.",
    wrong="`GET …/integrations` without an `Authorization` header",
    right="`Authorization: Bearer rr_…`",
)
MALFORMED_CREDENTIALS = Problem(
    code=6003,
    status=400,
    title="Malformed credentials",
    message="send Authorization: Bearer TOKEN; a token (also an X-Auth-Key) has no spaces and at most 512 characters",
    explanation="The credentials are not of a form that could ever be valid: another scheme than `Bearer`, an empty "
    "token, or a character that no token has.",
    wrong="`Authorization: Basic dXNlcjpwYXNz`",
    right="`Authorization: Bearer rr_…`",
)
UNKNOWN_TOKEN = Problem(
    code=10000,
    status=401,
    title="Not authenticated or not allowed",
    message="this token is unknown, expired or revoked; ask the operator for another (riskrelay token create)",
    explanation="With 401: nobody has this token, or it has expired or was revoked. With 403: the token is valid, "
    "but belongs to "
    "another account, or its scopes do not cover the operation. Ask the operator for a token that fits.",
    wrong="a token of account `a` on `/accounts/b/…`",
    right="a token of account `b` that has the operation's scope, as `/docs` names it",
)
FORBIDDEN = Problem(
    code=UNKNOWN_TOKEN.code,
    status=403,
    title=UNKNOWN_TOKEN.title,
    message="this token is not for this account or not for this operation; ask the operator for one that is",
    explanation=UNKNOWN_TOKEN.explanation,
    wrong=UNKNOWN_TOKEN.wrong,
    right=UNKNOWN_TOKEN.right,
)

_NOTHING_STORED = "`source.pointer` says where. Nothing of the request was stored."


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
        explanation="The body is empty or breaks off, or it is not JSON. Send one JSON value in UTF-8 (NDJSON: one "
        "on each line).",
        wrong='`{"tenant_url":`',
        right=_CREATE,
    ),
    FaultKind.REQUIRED: _fault(
        1101,
        "Member required",
        message="add the member",
        explanation="A member without which the request means nothing is absent. Add it.",
        wrong='`{"integration_type": "Okta"}`',
        right=_CREATE,
    ),
    FaultKind.WRONG_TYPE: _fault(
        1102,
        "Wrong type",
        message="send the member with the right type",
        explanation='A value is of another JSON type than the one taken there. Nothing is converted: `"true"` is '
        "text, no boolean.",
        wrong='`{"active": "yes", "tenant_url": "https://example.okta.com"}`',
        right='`{"active": true, "tenant_url": "https://example.okta.com"}`',
    ),
    FaultKind.WRONG_VALUE: _fault(
        1103,
        "Wrong value",
        message="send one of the values that the member takes",
        explanation="A value is of the right type but none that is taken there. Letter case matters. The message "
        "says which are.",
        wrong='`{"integration_type": "okta", "tenant_url": "https://example.okta.com"}`',
        right=_CREATE,
    ),
    FaultKind.TOO_LONG: _fault(
        1104,
        "Too long",
        message="send less",
        explanation="A text has more characters, a batch more findings or lines, `details` more bytes, a body more "
        "values or deeper nesting than are accepted there. The message says how many are.",
        wrong="a `reference_id` of 256 characters; 10,001 findings in one request",
        right="a `reference_id` of at most 255 characters; at most 10,000 findings in one request",
    ),
    FaultKind.REPEATED_MEMBER: _fault(
        1109,
        "Member repeated",
        message="send each member once",
        explanation="An object has two members of one name. Which of them counts would be a guess; send it once.",
        wrong='`{"active": true, "active": false, "tenant_url": "https://example.okta.com"}`',
        right='`{"active": false, "tenant_url": "https://example.okta.com"}`',
    ),
    FaultKind.CANNOT_BE_HELD: _fault(
        1110,
        "Cannot be held",
        message="send a number that 64 bits can hold, or send it as text; send text without half of a surrogate pair",
        explanation="The JSON is well-formed, but holds what programs read in different ways: a number beyond 64-bit "
        "integers and "
        "doubles, or half of a surrogate pair. Send such a number as text. This is so in members that are not known, "
        "too.",
        wrong='`{"details": {"serial": 18446744073709551616}}`',
        right='`{"details": {"serial": "18446744073709551616"}}`',
    ),
    FaultKind.REFERENCE_TAKEN: _fault(
        1105,
        "Reference id taken",
        message="another integration of the account has this reference_id; choose another one, or update that "
        "integration",
        explanation="Another integration of the account has this `reference_id`; the message names it. Choose "
        "another one, or "
        "update that integration. A create that can be a retry is answered with the stored record instead: the type, "
        "`tenant_url` and `active` are the same, and `X-Stainless-Retry-Count` is 1 or more; without that header, the "
        "record is younger than ten minutes. With Terraform's `create_before_destroy`, change the `reference_id` along "
        "with the rest.",
        wrong='`{"reference_id": "okta", "tenant_url": "https://second.okta.com", …}` when `okta` stands for another '
        "tenant",
        right='`{"reference_id": "okta-second", "tenant_url": "https://second.okta.com", …}`',
    ),
    FaultKind.UNKNOWN_BEHAVIOR: _fault(
        1106,
        "Unknown behavior",
        message="send one of the behaviors that GET …/behaviors lists",
        explanation="No behavior has this id. Send one that `GET …/behaviors` lists.",
        wrong='`{"behavior": "dlp", "user": {"email": "kai@example.com"}}`',
        right='`{"behavior": "high_dlp", "user": {"email": "kai@example.com"}}`',
    ),
    FaultKind.ID_REUSED: _fault(
        1107,
        "Id used before",
        message="an id names one thing for ever; send a new one, or the same body",
        explanation="A finding or an activity with this `id` but another body was sent before, and an `id` names one "
        "of them for ever. Give the new one an id of its own.",
        wrong='two different findings with `"id": "edr-17"`',
        right='the same finding twice with `"id": "edr-17"`: it is stored once, the repeat counts as a duplicate',
    ),
    FaultKind.USER_MISMATCH: _fault(
        1108,
        "User id and e-mail differ",
        message="leave user_id out, or send the one of the user with this e-mail",
        explanation="`user_id` and `email` belong to different users. Leave `user_id` out, or send the one that "
        "belongs to the e-mail.",
        wrong='`{"email": "kai@example.com", "user_id": "…of another user…"}`',
        right='`{"email": "kai@example.com"}`',
    ),
    FaultKind.EVENT_REUSED: _fault(
        1120,
        "Security event id used before",
        message="an id names one security event for ever; send a new one, or the same body",
        explanation="A security event with this `id` but another body was sent before, and an `id` names one event "
        "for ever. Give the new event an id of its own.",
        wrong='two different events with `"id": "incident-17"`',
        right='the same event twice with `"id": "incident-17"`: it is queued once, the repeat is answered alike',
    ),
    FaultKind.QUOTA_REACHED: _fault(
        1121,
        "Quota reached",
        message="there are as many as the quota allows; delete those that are no longer used",
        explanation="The account, or the integration, has as many of these things as its quota allows. The message "
        "says how many. "
        "Delete what is no longer used. The operator of the service can raise the quota with a setting.",
        wrong="the 1,001st token of an account",
        right="revoke a token that is no longer used, then create the new one",
    ),
}

MORE_FAULTS = _fault(
    1119,
    "More faults",
    message="fix the faults that are named, and send the request again to see the others",
    explanation="The request has more faults than one answer names: 100 are named, the others counted.",
    wrong="10,000 findings of which each has a misspelled `behavior`",
    right="fix what the named faults have in common, then send the request again",
)
UNKNOWN_MEMBER = Problem(
    code=1200,
    status=200,
    title="Unknown member ignored",
    message="this member is not known and was ignored; check its spelling",
    explanation="The request was accepted, but it has a member that is not known here, and which was ignored. This "
    "is no error: "
    "it stands in `messages`, and `source.pointer` says where the member is. Check its spelling; a finding's evidence "
    "has its place in `details`, where any member is kept. An answer names 100 of them and counts the others.",
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
"""Every code once, for the pages."""

ROWS: tuple[Problem, ...] = (*PROBLEMS, FORBIDDEN)
"""Every code with each status it comes with."""
