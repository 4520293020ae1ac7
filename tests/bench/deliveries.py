"""Lanes with a past: events, attempts and exceptions that balance, as functions of a lane and a number."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

PENDING_SHARE = 0.1  # of a lane that fails or is stopped: what came since
_WORDS = ("none", "low", "medium", "high")


class Exceptional(NamedTuple):
    """What became of an event that was not delivered."""

    state: str
    reason: str
    attempts: int


# One in so many events below the cursor; the first that fits counts.
_EXCEPTIONS = {
    211: Exceptional("dead", "invalid_issuer", 1),
    499: Exceptional("dead", "access_denied", 3),
    1_009: Exceptional("expired", "http_503", 5),
    2_003: Exceptional("cancelled", "stream_disabled", 0),
}


@dataclass(frozen=True)
class Lane:
    """The lane of a stream, with what became of its events.

    Attributes:
        events: how many were queued, at even distances from *first_at* to *last_at* (microseconds).
        is_stopped: nothing is sent, and what came lately waits.
        is_failing: its receiver is down, and what came lately waits.
    """

    account_id: str
    stream_id: str
    events: int
    first_at: int
    last_at: int
    is_stopped: bool = False
    is_failing: bool = False

    @property
    def cursor(self) -> int:
        """Up to here everything is settled."""
        waiting = self.is_stopped or self.is_failing
        return self.events - int(self.events * PENDING_SHARE) if waiting else self.events

    def queued_at(self, seq: int) -> int:
        """When event *seq*, from 1, was queued."""
        return self.first_at + (self.last_at - self.first_at) * seq // max(self.events, 1)

    def exception(self, seq: int) -> Exceptional | None:
        """What became of event *seq* if it was not delivered; None: it was, or it waits."""
        if seq > self.cursor:
            return None
        return next((found for every, found in _EXCEPTIONS.items() if seq % every == 0), None)

    def exceptions(self) -> Iterator[tuple[int, Exceptional]]:
        """All of them, in order."""
        for seq in sorted({seq for every in _EXCEPTIONS for seq in range(every, self.cursor + 1, every)}):
            found = self.exception(seq)
            if found is not None:
                yield seq, found


def lane_row(lane: Lane) -> dict[str, Any]:
    """The lane's own row."""
    waits = lane.cursor < lane.events
    return {
        "account_id": lane.account_id,
        "stream_id": lane.stream_id,
        "lane": 0,
        "last_seq": lane.events,
        "cursor": lane.cursor,
        "delivered": lane.cursor - sum(1 for _ in lane.exceptions()),
        "failures": 4 if lane.is_failing else 0,
        "epoch": 1,
        "lease_until": 0,
        "blocked_until": lane.last_at + 900_000_000 if lane.is_failing else 0,
        "due_at": lane.last_at + 900_000_000 if waits else None,
        "stopped": lane.is_stopped,
        "delivered_at": lane.queued_at(lane.cursor) if lane.events else 0,
        "replayed": 0,
        "attempted_at": lane.last_at if lane.events else 0,
        "last_outcome": "transient" if lane.is_failing else "accepted",
        "last_reason": "http_503" if lane.is_failing else "http_202",
    }


def event_rows(lanes: Iterable[Lane], email: Callable[[int], str], seed: int) -> Iterator[dict[str, Any]]:
    """The log: every event of every lane, each about the next user.

    Args:
        email: a user's address, by any number from 0.
    """
    bits = random.Random(seed).getrandbits
    user = 0
    for lane in lanes:
        for seq in range(1, lane.events + 1):
            user += 1
            address = email(user)
            jti, txn, queued_at = _uuid(bits(128)), _uuid(bits(128)), lane.queued_at(seq)
            yield {
                "account_id": lane.account_id,
                "stream_id": lane.stream_id,
                "lane": 0,
                "seq": seq,
                "jti": jti,
                "subject_key": f'{{"email":"{address}","format":"email"}}',
                "claims": _claims(jti, txn, address, queued_at // 1_000_000, _WORDS[seq % 3], _WORDS[seq % 3 + 1]),
                "queued_at": queued_at,
            }


def change_rows(lanes: Iterable[Lane], user_id: Callable[[int], str], seed: int) -> Iterator[dict[str, Any]]:
    """The level change of every event that `event_rows` makes with the same lanes and seed.

    Args:
        user_id: a user's id, by any number from 0.
    """
    bits = random.Random(seed).getrandbits
    user = 0
    for lane in lanes:
        for seq in range(1, lane.events + 1):
            user += 1
            _jti, txn = bits(128), _uuid(bits(128))
            yield {
                "account_id": lane.account_id,
                "user_id": user_id(user),
                "changed_at": lane.queued_at(seq),
                "change_id": txn,
                "previous": seq % 3 or None,
                "current": seq % 3 + 1,
                "kind": "finding",
                "behaviors": "high_dlp",
                "reason": "High Number of DLP Policies Triggered",
                "findings": None,
            }


def attempt_rows(lanes: Iterable[Lane]) -> Iterator[dict[str, Any]]:
    """One attempt for what was delivered, as many as it took for the rest."""
    for lane in lanes:
        for seq in range(1, lane.cursor + 1):
            found = lane.exception(seq)
            for number in range(1, (1 if found is None else found.attempts) + 1):
                refused = found is not None
                yield {
                    "account_id": lane.account_id,
                    "stream_id": lane.stream_id,
                    "lane": 0,
                    "seq": seq,
                    "number": number,
                    "started_at": lane.queued_at(seq) + number * 1_500,
                    "duration_us": 1_000 + seq % 997,
                    "outcome": "rejected" if refused else "accepted",
                    "reason": found.reason if found is not None else "http_202",
                    "http_status": 400 if refused else 202,
                    "detail": "",
                    "first_byte_us": 700,
                }


def held_rows(lanes: Iterable[Lane]) -> Iterator[dict[str, Any]]:
    """The rows of the exceptions."""
    for lane in lanes:
        for seq, found in lane.exceptions():
            yield {
                "account_id": lane.account_id,
                "stream_id": lane.stream_id,
                "lane": 0,
                "seq": seq,
                "state": found.state,
                "attempts": found.attempts,
                "due_at": 0,
                "reason": found.reason,
            }


def _claims(jti: str, txn: str, email: str, at: int, before: str, after: str) -> bytes:
    """What `ssf.sets.fixed_claims` makes of a level change for Okta."""
    subject = f'{{"format":"email","email":"{email}"}}'
    change = f'"current_level":"{after}","previous_level":"{before}","event_timestamp":{at}'
    return (
        f'{{"jti":"{jti}","iat":{at},"txn":"{txn}","sub_id":{subject},"events":'
        f'{{"https://schemas.okta.com/secevent/okta/event-type/user-risk-change":{{"subject":{{"user":{subject}}},{change},'
        f'"initiating_entity":"policy","reason_admin":{{"en":"Impossible Travel"}}}}}}}}'
    ).encode()


def _uuid(bits: int) -> str:
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
