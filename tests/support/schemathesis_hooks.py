"""What schemathesis must be told about this service; it loads this module by its name (SCHEMATHESIS_HOOKS)."""

import json
import os
import re
from collections import Counter
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.generation.meta import TestPhase

# Of the coverage phase's wrong requests of an operation, which are the same in every run.
ONE_IN = int(os.environ.get("WRONG_REQUESTS_ONE_IN", "1"))

# A request that fits the contract is refused with 400 only for what a schema cannot say:
MEANT_OTHERWISE = {
    1105,  # another integration has the reference id
    1106,  # the account has no behavior of its own with this id
    1107,  # an id was sent before with another body
    1108,  # the user id belongs to another e-mail
    1110,  # the number is beyond 64 bits
    1119,  # how many more faults there are than the hundred that are named
    1120,  # an event's id was sent before with another body
    1121,  # the account has as many as it may have
}
NO_SCHEMA_SAYS = (
    "must have a domain name behind the @",  # lengths of a domain and its labels, UTS 46
    "must have a name before the @",
    "must not have spaces, quotes, brackets",  # which characters of which category an address may have
    "must be an e-mail address",
    "must be one e-mail address",
    "cursor: must be the cursor in result_info",
    "must be in the future",
    "is required for delivered events",
    "this replay is ",
    "the next keys are not yet published",
    "must not be more than 5 minutes in the future",
    "must be between the years 1 and 9999 in UTC",
    "bytes as compact JSON",
    "send ca, or certificate and key",
    "printable characters",
    "the account has a behavior ",
    "must be a network such as",
    "send kind and name of the entry to delete",  # or all, but not both
    "must name a level, a behavior, a time or users",  # one that is not null
)
OF_RECEIVERS = (
    "does not fit in 64 bits",
    "subject",  # each format has its own members
    "is set by the transmitter",  # a member of the transmitter must have its current value
    "delivery.endpoint_url: must",  # an address that may be pushed to
    "delivery.authorization_header: must",  # what a header can hold
    "must not contain control characters",
    "this stream is disabled",
)
OWN_RULES = {
    "createSource": ("/kind", "/mapping"),  # the kinds of this version, and the language of mappings
    "updateSource": ("/mapping",),
    "queueSecurityEvent": ("/event", "/subject"),  # each event type has its own members
    # As addException and addRule, and ids of stored exceptions and rules.
    "tryRules": ("/add_exceptions", "/remove_exceptions", "/add_rules", "/remove_rules"),
    "addRule": ("/when", "/level", "/name"),  # JSONata, an effect at all, and no quotes
    "changeRule": ("/when", "/level", "/name"),
    "tryExpression": ("/when",),
    "addException": ("/pattern",),  # how many stars, and what else there must be
    "changeException": ("/pattern",),
    # Addresses of each kind, the setting of the mail server, and printable characters.
    "addNotificationChannel": ("/target", "/name"),
    "changeNotificationChannel": ("/target", "/name"),
    "setIntegrationTls": ("/ca", "/certificate", "/key"),  # PEM, and what belongs together
}


@schemathesis.check
def what_fits_is_refused_for_a_reason(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: "schemathesis.Case[Any]"
) -> None:
    """Stricter than positive_data_acceptance with 400 allowed: every error must be one that no schema can say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    if case.media_type == "application/x-ndjson":
        return  # the contract can only say that it is text
    if any(why in response.json().get("error_description", "") for why in OF_RECEIVERS):
        return
    errors = response.json().get("errors", [])
    own_rules = OWN_RULES.get(case.operation.definition.raw.get("operationId", ""), ())
    unexplained = [
        error
        for error in errors
        if not _explained(error) and not (own_rules and _in_item(error["source"]["pointer"]).startswith(own_rules))
    ]
    if unexplained or not errors:
        raise Failure(
            operation=case.operation.label, title="What fits the contract was refused", message=response.text[:2_000]
        )


def _in_item(pointer: str) -> str:
    """Return a pointer without the place in an array."""
    return re.sub(r"^/[0-9]+(?=/)", "", pointer)


def _explained(error: dict[str, Any]) -> bool:
    return error["code"] in MEANT_OTHERWISE or any(words in error["message"] for words in NO_SCHEMA_SAYS)


_wrong_requests: Counter[str] = Counter()


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: "schemathesis.Case[Any]") -> bool:
    """Choose the requests that are sent: of the coverage phase's wrong ones, the first and each `ONE_IN`th after it."""
    if case.meta is None or case.meta.phase.name != TestPhase.COVERAGE or case.meta.generation.mode.is_positive:
        return True
    _wrong_requests[case.operation.label] += 1
    return _wrong_requests[case.operation.label] % ONE_IN == 1 % ONE_IN


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx: schemathesis.SerializationContext, value: Any) -> bytes:
    """The contract describes NDJSON as text; what is generated may be anything."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
