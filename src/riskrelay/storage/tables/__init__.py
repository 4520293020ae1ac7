"""The tables. The schema that users have is the sum of the migrations; a test holds the two together.

Every key of an account's data starts with the account, so that a cluster can be distributed by it. Times are integers
(see `times`).
"""

from riskrelay.storage.tables.accounts import (
    INSTALLATION,
    access_tokens,
    accounts,
    audit_entries,
    integrations,
    receiver_credentials,
    refused_requests,
    signing_keys,
    tokens,
)
from riskrelay.storage.tables.base import metadata
from riskrelay.storage.tables.bulk_resets import bulk_reset_users, bulk_resets
from riskrelay.storage.tables.console import console_sessions, finding_counts, level_counts, stocks
from riskrelay.storage.tables.delivery import (
    HAS_SHORT_SUBJECT,
    IS_CLOSED,
    IS_DEAD,
    IS_OF_OTHER_SUBJECT,
    IS_PENDING,
    attempts,
    clock_readings,
    event_requests,
    events,
    held_events,
    lanes,
    streams,
    subject_statements,
)
from riskrelay.storage.tables.directory import directory_entries, missed_names
from riskrelay.storage.tables.erasures import deleted_accounts, erasures
from riskrelay.storage.tables.exceptions import exceptions
from riskrelay.storage.tables.history import level_changes
from riskrelay.storage.tables.nodes import nodes
from riskrelay.storage.tables.notifications import notification_channels, notified_problems
from riskrelay.storage.tables.replays import replay_places, replay_users, replays
from riskrelay.storage.tables.risk import (
    activity,
    behavior_settings,
    detection_limits,
    findings,
    known_places,
    large_write_parts,
    large_writes,
    level_pace,
    level_times,
    trusted_networks,
    users,
)
from riskrelay.storage.tables.rules import rule_work, rules
from riskrelay.storage.tables.sources import source_counts, source_credentials, source_samples, sources

__all__ = [
    "HAS_SHORT_SUBJECT",
    "INSTALLATION",
    "IS_CLOSED",
    "IS_DEAD",
    "IS_OF_OTHER_SUBJECT",
    "IS_PENDING",
    "access_tokens",
    "accounts",
    "activity",
    "attempts",
    "audit_entries",
    "behavior_settings",
    "bulk_reset_users",
    "bulk_resets",
    "clock_readings",
    "console_sessions",
    "deleted_accounts",
    "detection_limits",
    "directory_entries",
    "erasures",
    "event_requests",
    "events",
    "exceptions",
    "finding_counts",
    "findings",
    "held_events",
    "integrations",
    "known_places",
    "lanes",
    "large_write_parts",
    "large_writes",
    "level_changes",
    "level_counts",
    "level_pace",
    "level_times",
    "metadata",
    "missed_names",
    "nodes",
    "notification_channels",
    "notified_problems",
    "receiver_credentials",
    "refused_requests",
    "replay_places",
    "replay_users",
    "replays",
    "rule_work",
    "rules",
    "signing_keys",
    "source_counts",
    "source_credentials",
    "source_samples",
    "sources",
    "stocks",
    "streams",
    "subject_statements",
    "tokens",
    "trusted_networks",
    "users",
]
