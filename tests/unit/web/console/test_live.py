"""The live page groups deliveries by the change that caused them."""

from dataclasses import dataclass
from typing import Any, cast

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.ssf.level_changes import TEST_USER
from riskrelay.ports import Sent
from riskrelay.web.console.screens.live import grouped

LEVELS = "https://schemas.okta.com/secevent/okta/event-type/user-risk-change"


@dataclass(frozen=True)
class _Delivery:
    jti: str
    state: DeliveryState


@dataclass(frozen=True)
class _Sent:
    delivery: _Delivery
    claims: dict[str, Any]


def sent(jti: str, state: DeliveryState, claims: dict[str, Any]) -> Sent:
    return cast(Sent, _Sent(_Delivery(jti, state), claims))


def change(txn: str, email: str | None) -> dict[str, Any]:
    subject = {} if email is None else {"sub_id": {"format": "email", "email": email}}
    return {"txn": txn, "events": {LEVELS: {"previous_level": "LOW", "current_level": "HIGH"}}, **subject}


def test_deliveries_of_one_change_are_one_row() -> None:
    """In the order of the newest; the row counts those that were delivered."""
    found = grouped(
        [
            sent("a", DeliveryState.PENDING, change("1", "kai@example.com")),
            sent("b", DeliveryState.DELIVERED, change("2", None)),
            sent("c", DeliveryState.DELIVERED, change("1", "kai@example.com")),
        ]
    )
    assert [(one.words, one.subject, one.delivered, len(one.sent)) for one in found] == [
        ("low → high", "kai@example.com", 1, 2),
        ("low → high", "", 1, 1),
    ]


def test_an_event_without_a_change_says_what_it_is() -> None:
    """A test event names no level; other events are named by their type."""
    events = {"https://schemas.openid.net/secevent/ssf/event-type/stream-updated": {"status": "enabled"}}
    (updated, test) = grouped(
        [
            sent("a", DeliveryState.PENDING, {"events": events}),
            sent("b", DeliveryState.PENDING, change("1", TEST_USER)),
        ]
    )
    assert (updated.words, test.words) == ("Stream updated", "Test event")
