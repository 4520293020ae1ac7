"""Why an event of a source became neither a finding nor activity. One table: every reason with its sentence."""

from enum import StrEnum

from riskrelay.core.risk.exemptions import Exemption
from riskrelay.core.risk.exemptions import sentence as exemption_sentence


class Reason(StrEnum):
    """A reason why an event is not used. Those in `IGNORED` need no action; the others need a change."""

    # Ignored: the sender needs no change.
    NOT_MAPPED = "not_mapped"
    NOT_A_SIGNAL = "not_a_signal"
    FAILED_LOGIN = "failed_login"
    LOGOFF = "logoff"
    NOT_A_PERSON = "not_a_person"
    RESOLVED = "resolved"
    LOW_SEVERITY = "low_severity"
    TEST_UPLOAD = "test_upload"
    SOURCE_INACTIVE = "source_inactive"
    BEHAVIOR_DISABLED = "behavior_disabled"
    NO_PLACE = "no_place"
    TOO_OLD = "too_old"
    TRUSTED_NETWORK = "trusted_network"
    ANONYMOUS = "anonymous"
    CENTROID = "centroid"
    SESSION_REFRESH = "session_refresh"

    # Refused: the event, the mapping or a setting needs a change.
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NO_TIME = "no_time"
    BAD_TIME = "bad_time"
    NO_USER = "no_user"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_BEHAVIOR = "unknown_behavior"
    IN_THE_FUTURE = "in_the_future"
    TOO_MANY_USERS = "too_many_users"
    EXPRESSION_FAILED = "expression_failed"
    TOO_LARGE = "too_large"
    MAPPING_INVALID = "mapping_invalid"
    MAPPING_TOO_SLOW = "mapping_too_slow"
    MAPPING_TOO_LARGE = "mapping_too_large"
    MAPPING_UNAVAILABLE = "mapping_unavailable"


IGNORED = frozenset(
    {
        Reason.NOT_MAPPED,
        Reason.NOT_A_SIGNAL,
        Reason.FAILED_LOGIN,
        Reason.LOGOFF,
        Reason.NOT_A_PERSON,
        Reason.RESOLVED,
        Reason.LOW_SEVERITY,
        Reason.TEST_UPLOAD,
        Reason.SOURCE_INACTIVE,
        Reason.BEHAVIOR_DISABLED,
        Reason.NO_PLACE,
        Reason.NO_TIME,
        Reason.TOO_OLD,
        Reason.TRUSTED_NETWORK,
        Reason.ANONYMOUS,
        Reason.CENTROID,
        Reason.SESSION_REFRESH,
    }
)

_SENTENCES = {
    Reason.NOT_MAPPED: "No rule of the mapping applies to this event.",
    Reason.NOT_A_SIGNAL: "The mapping ignores this kind of event.",
    Reason.FAILED_LOGIN: "The login failed: only successful logins are activity.",
    Reason.LOGOFF: "The event is a logoff.",
    Reason.NOT_A_PERSON: "The event names a service or a machine, not a person.",
    Reason.RESOLVED: "The finding is resolved, suppressed or deleted.",
    Reason.LOW_SEVERITY: "The severity is below the minimum of the mapping.",
    Reason.TEST_UPLOAD: "The sender tests the connection, and it works.",
    Reason.SOURCE_INACTIVE: "The source is not active.",
    Reason.BEHAVIOR_DISABLED: "The behavior is disabled in this account.",
    **{Reason(exemption.value): exemption_sentence(exemption) for exemption in Exemption},
    Reason.TOO_OLD: "The activity is older than this account accepts.",
    Reason.NOT_JSON: "This part of the body is not JSON.",
    Reason.NOT_AN_OBJECT: "The event is not a JSON object.",
    Reason.BAD_TIME: "The event's time cannot be read.",
    Reason.NO_USER: "The event names no user by an e-mail address, and no name to look up in the directory.",
    Reason.UNKNOWN_USER: "The directory knows none of the names of the event's user.",
    Reason.UNKNOWN_BEHAVIOR: "The account has no behavior with the id that the mapping gives.",
    Reason.IN_THE_FUTURE: "The event's time is more than five minutes in the future.",
    Reason.TOO_MANY_USERS: "The user is new, and the account has as many users as it may have.",
    Reason.EXPRESSION_FAILED: "An expression of the mapping failed for this event.",
    Reason.TOO_LARGE: "The event is too large.",
    Reason.MAPPING_INVALID: "The mapping is not valid.",
    Reason.MAPPING_TOO_SLOW: "The mapping took too long. It is refused for ten minutes or until it is changed.",
    Reason.MAPPING_TOO_LARGE: "The mapping used too much memory. It is refused for ten minutes or until it is changed.",
    Reason.MAPPING_UNAVAILABLE: "The process that evaluates mappings did not answer. Send the event again.",
}


def sentence(reason: Reason) -> str:
    """Return the meaning of a reason as a sentence.

    >>> sentence(Reason.BAD_TIME)
    "The event's time cannot be read."
    """
    return _SENTENCES[reason]
