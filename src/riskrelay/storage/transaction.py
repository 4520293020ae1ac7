"""A transaction bound to one account."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.util import await_only

from riskrelay.core.integrations import AccountId
from riskrelay.ports import (
    AccountTokens,
    Activities,
    Audit,
    Behaviors,
    BulkResets,
    Channels,
    DeliveryHealth,
    DeliveryViews,
    Detection,
    Directory,
    Erasures,
    EventRequests,
    Events,
    Findings,
    Integrations,
    LargeWrites,
    LevelHistory,
    Levels,
    MissedNames,
    Polls,
    ReceiverCredentials,
    ReceiverStreams,
    RefusedRequests,
    Replays,
    RiskExceptions,
    Rules,
    RuleUsers,
    RuleWork,
    Sources,
    Stocks,
    Streams,
    Trials,
    UserExports,
    Users,
    UserViews,
)
from riskrelay.storage.accounts.audit import AuditRows
from riskrelay.storage.accounts.credentials import AccountTokenRows
from riskrelay.storage.accounts.integrations import IntegrationRows
from riskrelay.storage.accounts.notifications import ChannelRows
from riskrelay.storage.accounts.receivers import ReceiverCredentialRows
from riskrelay.storage.accounts.refused_requests import RefusedRequestRows
from riskrelay.storage.accounts.sources import SourceRows
from riskrelay.storage.accounts.stocks import StockRows
from riskrelay.storage.delivery.event_requests import EventRequestRows
from riskrelay.storage.delivery.events import EventRows
from riskrelay.storage.delivery.health import HealthRows
from riskrelay.storage.delivery.lanes import LaneRows
from riskrelay.storage.delivery.receiver_streams import ReceiverStreamRows
from riskrelay.storage.delivery.replays import ReplayRows
from riskrelay.storage.delivery.streams import StreamRows
from riskrelay.storage.delivery.views import DeliveryViewRows
from riskrelay.storage.risk.activity import ActivityRows
from riskrelay.storage.risk.behaviors import BehaviorRows
from riskrelay.storage.risk.bulk_resets import BulkResetRows
from riskrelay.storage.risk.detection import DetectionRows
from riskrelay.storage.risk.directory import DirectoryRows, MissedNameRows
from riskrelay.storage.risk.erasures import ErasureRows
from riskrelay.storage.risk.exceptions import RiskExceptionRows
from riskrelay.storage.risk.findings import FindingRows
from riskrelay.storage.risk.large_writes import LargeWriteRows
from riskrelay.storage.risk.level_history import LevelHistoryRows
from riskrelay.storage.risk.level_rules import LevelRows
from riskrelay.storage.risk.policy_rules import PolicyRuleRows
from riskrelay.storage.risk.rule_users import RuleUserRows
from riskrelay.storage.risk.rule_work import RuleWorkRows
from riskrelay.storage.risk.trials import TrialRows
from riskrelay.storage.risk.user_exports import UserExportRows
from riskrelay.storage.risk.user_views import UserViewRows
from riskrelay.storage.risk.users import UserRows

T = TypeVar("T")


class AccountTransaction:
    """Implements ports.Transaction: it reads and writes one account only.

    Args:
        locking: whether the transaction writes, so that the rows that it reads are locked.
    """

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self.integrations: Integrations = IntegrationRows(connection, account_id, locking=locking)
        self.streams: Streams = StreamRows(connection, account_id)
        self.receiver_credentials: ReceiverCredentials = ReceiverCredentialRows(connection, account_id, locking=locking)
        self.polls: Polls = LaneRows(connection)
        self.receiver_streams: ReceiverStreams = ReceiverStreamRows(connection, account_id, locking=locking)
        self.refused_requests: RefusedRequests = RefusedRequestRows(connection, account_id)
        self.erasures: Erasures = ErasureRows(connection, account_id)
        self.user_exports: UserExports = UserExportRows(connection, account_id)
        self.tokens: AccountTokens = AccountTokenRows(connection, account_id, locking=locking)
        self.users: Users = UserRows(connection, account_id, locking=locking)
        self.findings: Findings = FindingRows(connection, account_id)
        self.level_history: LevelHistory = LevelHistoryRows(connection, account_id)
        self.bulk_resets: BulkResets = BulkResetRows(connection, account_id, locking=locking)
        self.behaviors: Behaviors = BehaviorRows(connection, account_id)
        self.levels: Levels = LevelRows(connection, account_id)
        self.exceptions: RiskExceptions = RiskExceptionRows(connection, account_id, locking=locking)
        self.rules: Rules = PolicyRuleRows(connection, account_id, locking=locking)
        self.rule_work: RuleWork = RuleWorkRows(connection, account_id)
        self.rule_users: RuleUsers = RuleUserRows(connection, account_id)
        self.activities: Activities = ActivityRows(connection, account_id)
        self.large_writes: LargeWrites = LargeWriteRows(connection, account_id, locking=locking)
        self.detection: Detection = DetectionRows(connection, account_id)
        self.directory: Directory = DirectoryRows(connection, account_id)
        self.missed_names: MissedNames = MissedNameRows(connection, account_id)
        self.events: Events = EventRows(connection, account_id)
        self.event_requests: EventRequests = EventRequestRows(connection, account_id)
        self.replays: Replays = ReplayRows(connection, account_id, locking=locking)
        self.health: DeliveryHealth = HealthRows(connection, account_id)
        self.delivery_views: DeliveryViews = DeliveryViewRows(connection, account_id)
        self.user_views: UserViews = UserViewRows(connection, account_id)
        self.sources: Sources = SourceRows(connection, account_id, locking=locking)
        self.channels: Channels = ChannelRows(connection, account_id, locking=locking)
        self.stocks: Stocks = StockRows(connection, account_id)
        self.trials: Trials = TrialRows(connection, account_id)
        self.audit: Audit = AuditRows(connection, account_id)

    def compute(self, work: Callable[[], T]) -> T:
        # The embedded store runs transactions on a thread of their own; PostgreSQL's run on the event loop.
        if self._connection.dialect.name == "sqlite":
            return work()
        return await_only(asyncio.to_thread(work))
