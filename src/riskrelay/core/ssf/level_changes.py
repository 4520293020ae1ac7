"""The event types that report a change of a user's risk level."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from riskrelay.core.products import PRODUCTS
from riskrelay.core.risk.assessment import Cause, LevelChange
from riskrelay.core.risk.change_members import change_members
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE, CAEP_SESSION_REVOKED

TEST_USER = "verification@riskrelay.invalid"
"""A user that cannot exist: no address below `.invalid` is ever registered (RFC 2606 §2)."""


def caep_risk_level_change(change: LevelChange, _subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of CAEP's risk-level-change event for *change*.

    CAEP has no value for no risk, so a user without a level counts as LOW. The events of a first low finding and of the
    reset of a user at low risk contain LOW to LOW (docs/choices.md). After a reset `risk_reason` is absent, because no
    behavior caused the change.

    Rule: CAEP 1.0 §3.8, §2.
    """
    return {
        "principal": "USER",
        "current_level": _caep_level(change.current),
        "previous_level": _caep_level(change.previous),
        **({"risk_reason": change.reason} if change.reason else {}),
        **change_members(change),
    }


def session_revoked(change: LevelChange, _subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of CAEP's session-revoked event for all sessions of the user, because rules say so.

    Rule: CAEP 1.0 §3.1, §2; IOP 1.0 §3.1 (reason_admin is required).
    """
    names = ", ".join(f'"{rule.name}"' for rule in change.revoking)
    word = "Rule" if len(change.revoking) == 1 else "Rules"
    return {
        **change_members(change),
        "initiating_entity": Cause.POLICY.value,
        "reason_admin": {"en": f"{word} {names}"},
    }


LEVEL_CHANGE_EVENTS: Mapping[str, Callable[[LevelChange, Mapping[str, Any]], dict[str, Any]]] = {
    **{stream.event_type: stream.level_change for row in PRODUCTS.values() if (stream := row.implicit_stream)},
    CAEP_RISK_LEVEL_CHANGE: caep_risk_level_change,
}
"""The event types that report a level change, by URI, each with the function that renders its members."""


REVOCATION: Mapping[str, Callable[[LevelChange, Mapping[str, Any]], dict[str, Any]]] = {
    CAEP_SESSION_REVOKED: session_revoked
}
"""The event type that follows if a rule revokes the user's sessions, with the function that renders its members."""


NO_LEVELS = frozenset({"none", "LOW"})
"""How SETs say that a user has no level: Okta's, and CAEP's, which has no word for it."""


class _Levels(msgspec.Struct):
    previous_level: str
    current_level: str


class _LevelClaims(msgspec.Struct):
    events: dict[str, _Levels]


_read_levels = msgspec.json.Decoder(_LevelClaims).decode


def levels_in(claims: bytes) -> tuple[str, str] | None:
    """Return the previous and the current level of a level change, as its claims say them; None: it says none.

    >>> levels_in(b'{"events": {"uri": {"previous_level": "none", "current_level": "high"}}}')
    ('none', 'high')
    """
    try:
        (levels,) = _read_levels(claims).events.values()
    except (msgspec.DecodeError, ValueError):
        return None
    return levels.previous_level, levels.current_level


def with_previous_level(claims: bytes, level: str) -> bytes:
    """Return the claims of a level change with another previous level.

    >>> with_previous_level(b'{"events":{"uri":{"previous_level":"low","current_level":"high"}}}', "none")
    b'{"events":{"uri":{"previous_level":"none","current_level":"high"}}}'
    """
    changed = msgspec.json.decode(claims)
    for members in changed["events"].values():
        members["previous_level"] = level
    return msgspec.json.encode(changed)


def _caep_level(level: RiskLevel | None) -> str:
    return (level or RiskLevel.LOW).name
