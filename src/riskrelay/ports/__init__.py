"""What the core and the actions need from outside, as small Protocols.

A transaction is a plain function over a `Transaction`: it cannot await, so no remote call can ever happen inside one
(ADR 0002). `storage` implements these for SQLite and PostgreSQL; one suite holds both to the same behaviour.
"""

from riskrelay.ports.account import (
    Audit,
    AuditPlace,
    Behaviors,
    EventRequests,
    Events,
    Findings,
    Integrations,
    ReceiverCredentials,
    ReceiverStreams,
    RecordedFinding,
    Streams,
    Transaction,
    UserProfile,
    Users,
)
from riskrelay.ports.installation import Accounts, Installation, Keys, Lanes, Polls, Receivers, Tokens
from riskrelay.ports.outside import Bell, Clock, Ids, Metrics, Outside, Pusher, Signer, Store, Targets, Vault, Wake

__all__ = [
    "Accounts",
    "Audit",
    "AuditPlace",
    "Behaviors",
    "Bell",
    "Clock",
    "EventRequests",
    "Events",
    "Findings",
    "Ids",
    "Installation",
    "Integrations",
    "Keys",
    "Lanes",
    "Metrics",
    "Outside",
    "Polls",
    "Pusher",
    "ReceiverCredentials",
    "ReceiverStreams",
    "Receivers",
    "RecordedFinding",
    "Signer",
    "Store",
    "Streams",
    "Targets",
    "Tokens",
    "Transaction",
    "UserProfile",
    "Users",
    "Vault",
    "Wake",
]
