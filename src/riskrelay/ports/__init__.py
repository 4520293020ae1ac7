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
    Polls,
    ReceiverCredentials,
    ReceiverStreams,
    RecordedFinding,
    Streams,
    Transaction,
    UserProfile,
    Users,
)
from riskrelay.ports.activity import Activities, Detection, RecordedActivity
from riskrelay.ports.console import Sessions
from riskrelay.ports.installation import Accounts, Installation, Keys, Lanes, Receivers, Tokens
from riskrelay.ports.operating import DeliveryHealth, Replays, Retention
from riskrelay.ports.outside import (
    Bell,
    Clock,
    Ids,
    Listening,
    Metrics,
    Outside,
    Pusher,
    RateLimits,
    Signer,
    Store,
    Targets,
    TokenUses,
    Vault,
    Wake,
)

__all__ = [
    "Accounts",
    "Activities",
    "Audit",
    "AuditPlace",
    "Behaviors",
    "Bell",
    "Clock",
    "DeliveryHealth",
    "Detection",
    "EventRequests",
    "Events",
    "Findings",
    "Ids",
    "Installation",
    "Integrations",
    "Keys",
    "Lanes",
    "Listening",
    "Metrics",
    "Outside",
    "Polls",
    "Pusher",
    "RateLimits",
    "ReceiverCredentials",
    "ReceiverStreams",
    "Receivers",
    "RecordedActivity",
    "RecordedFinding",
    "Replays",
    "Retention",
    "Sessions",
    "Signer",
    "Store",
    "Streams",
    "Targets",
    "TokenUses",
    "Tokens",
    "Transaction",
    "UserProfile",
    "Users",
    "Vault",
    "Wake",
]
