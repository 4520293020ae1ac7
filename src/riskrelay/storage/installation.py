"""Data that belong to no single account, and transactions over the whole installation."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.survey import Survey
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.ssf.streams import Stream, StreamId
from riskrelay.ports import (
    AccountDeletions,
    Accounts,
    AilingRule,
    Audit,
    Coalescing,
    DatabaseClock,
    DatabaseFacts,
    DueLevels,
    DueNotifications,
    DueReset,
    EngineCare,
    Keys,
    Lanes,
    Nodes,
    Purging,
    Receivers,
    Replays,
    Retention,
    Sessions,
    ShadowedUser,
    Tokens,
)
from riskrelay.storage.accounts.audit import AuditRows
from riskrelay.storage.accounts.credentials import AccountRows, TokenRows
from riskrelay.storage.accounts.deletions import AccountDeletionRows
from riskrelay.storage.accounts.integrations import find_integration
from riskrelay.storage.accounts.keys import KeyRows
from riskrelay.storage.accounts.notifications import DueNotificationRows
from riskrelay.storage.accounts.receivers import ReceiverRows
from riskrelay.storage.accounts.sessions import SessionRows
from riskrelay.storage.delivery.clock import ClockRows, cutoff
from riskrelay.storage.delivery.coalescing import CoalescingRows
from riskrelay.storage.delivery.lanes import LaneRows
from riskrelay.storage.delivery.ledgers import count_ledgers
from riskrelay.storage.delivery.replays import ReplayRows
from riskrelay.storage.delivery.retention import RetentionRows
from riskrelay.storage.delivery.stream_rows import select_streams, stream_from
from riskrelay.storage.delivery.streams import is_idle, undelivered_lanes
from riskrelay.storage.delivery.surveying import database_facts, take_survey
from riskrelay.storage.engines.engine_care import EngineCareRows
from riskrelay.storage.nodes import NodeRows
from riskrelay.storage.purging import PurgingRows
from riskrelay.storage.risk.bulk_resets import running_resets
from riskrelay.storage.risk.due_levels import DueLevelRows
from riskrelay.storage.risk.erasures import running_erasures
from riskrelay.storage.risk.large_writes import accounts_with_abandoned_writes
from riskrelay.storage.risk.policy_rules import find_ailing_rules
from riskrelay.storage.risk.shadowed_users import find_shadowed_users
from riskrelay.storage.tables import integrations


class InstallationTransaction:
    """Implements ports.Installation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.accounts: Accounts = AccountRows(connection)
        self.account_deletions: AccountDeletions = AccountDeletionRows(connection)
        self.tokens: Tokens = TokenRows(connection)
        self.sessions: Sessions = SessionRows(connection)
        self.keys: Keys = KeyRows(connection)
        self.receivers: Receivers = ReceiverRows(connection)
        self.lanes: Lanes = LaneRows(connection)
        self.coalescing: Coalescing = CoalescingRows(connection)
        self.retention: Retention = RetentionRows(connection)
        self.purging: Purging = PurgingRows(connection)
        self.due_levels: DueLevels = DueLevelRows(connection)
        self.notifications: DueNotifications = DueNotificationRows(connection)
        self.nodes: Nodes = NodeRows(connection)
        self.clock: DatabaseClock = ClockRows(connection)
        self.engine: EngineCare = EngineCareRows(connection)

    def audit_of(self, owner: AccountId | None) -> Audit:
        return AuditRows(self._connection, owner)

    def replays_of(self, account_id: AccountId) -> Replays:
        return ReplayRows(self._connection, account_id, locking=True)

    def integration(self, integration_id: IntegrationId) -> Integration | None:
        return find_integration(self._connection, integration_id)

    def undelivered(self, streams: Sequence[tuple[AccountId, StreamId]]) -> list[LaneKey]:
        return undelivered_lanes(self._connection, streams)

    def idle_streams(self, timeout: timedelta, limit: int) -> list[Stream]:
        query = select_streams().where(
            is_idle(cutoff(self._connection, timeout)),
            integrations.c.active,
            integrations.c.paused_at.is_(None),
            integrations.c.deleted_at.is_(None),
        )
        return [stream_from(row) for row in self._connection.execute(query.limit(limit))]

    def abandoned_writes(self, limit: int) -> list[AccountId]:
        return accounts_with_abandoned_writes(self._connection, limit)

    def running_erasures(self, limit: int) -> list[tuple[AccountId, UserId]]:
        return running_erasures(self._connection, limit)

    def running_bulk_resets(self, pause: timedelta, limit: int) -> list[DueReset]:
        return running_resets(self._connection, pause, limit)

    def ledgers(self) -> list[Ledger]:
        return count_ledgers(self._connection)

    def ailing_rules(self, limit: int) -> list[AilingRule]:
        return find_ailing_rules(self._connection, limit)

    def shadowed_users(self, limit: int) -> list[ShadowedUser]:
        return find_shadowed_users(self._connection, limit)

    def database(self) -> DatabaseFacts:
        return database_facts(self._connection)

    def survey(self) -> Survey:
        return take_survey(self._connection)
