"""The steps that the state machines of delivery share: an account, its workers, crashes and pauses."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.streams import create_stream
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Delivery
from riskrelay.core.delivery.lanes import LaneLease
from riskrelay.core.errors import LeaseLost
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.access import CredentialId, Receiver
from riskrelay.core.ssf.stream_documents import PushRules
from riskrelay.engine.deliver import PushedBatch, push_batch, settle_batch
from riskrelay.engine.pushing import Delivering, SigningAhead
from riskrelay.ports import Pusher
from riskrelay.storage.engines.sqlite import SqliteStore
from support.delivering import Plain
from support.machines import DIRECTORY, template
from support.receiver_world import ssf_integration
from support.services import HandClock, services_of
from support.transmitting import VAULT
from support.world import ACCOUNT, account_with_integration

T = TypeVar("T")

LEASE = timedelta(minutes=1)
USERS = ("ana@example.com", "ben@example.com", "kai@example.com")
BEHAVIORS = ("high_risk_domain", "imp_travel", "high_dlp")


class DeliveryMachine(RuleBasedStateMachine):
    """One account with an Okta integration that is pushed, and an SSF integration whose stream is polled.

    Args:
        pusher: the receiver of the pushes.
        events_requested: the event types of the polled stream.
    """

    def __init__(self, pusher: Pusher, retention: timedelta, events_requested: Sequence[str]) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(dir=DIRECTORY))
        shutil.copy(template(), self.directory / "riskrelay.db")
        self.store = SqliteStore(self.directory / "riskrelay.db")
        self.clock = HandClock(datetime.now(UTC))  # as the database, whose clock measures ages; it stands still
        self.services = services_of(self.store, self.clock)
        self.okta = self.run(account_with_integration(self.services)).integration_id
        self.ssf: IntegrationId = self.run(ssf_integration(self.services)).integration_id
        self.receiver = Receiver(
            account_id=ACCOUNT, integration_id=self.ssf, credential_id=CredentialId("c"), scopes=frozenset()
        )
        rules = PushRules(lambda url: None, lambda secret: VAULT.seal(secret, "a row"))
        body = {"events_requested": [*events_requested]}
        self.stream = self.run(create_stream(self.services, self.receiver, body, rules))
        self.delivering = Delivering(
            signer=Plain(),
            pusher=pusher,
            vault=VAULT,
            lease=LEASE,
            push_for=LEASE / 2,
            concurrency=8,
            retention=retention,
        )
        self.pushed: PushedBatch | None = None
        self.paused = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        shutil.rmtree(self.directory)

    def claim(self) -> LaneLease | None:
        """Claim a lane, if one is due."""
        leases = self.run(self.store.write_installation(lambda tx: tx.lanes.claim(1, LEASE)))
        return leases[0] if leases else None

    async def push(self, lease: LaneLease, limit: int) -> PushedBatch | None:
        """Push a batch as the worker does. Release the lane if there is nothing to push."""
        async with aclosing(SigningAhead(self.delivering.signer)) as signing:
            leased_at = self.clock.monotonic()
            pushed = await push_batch(self.services, self.delivering, signing, lease, leased_at, limit)
        if isinstance(pushed, PushedBatch):
            return pushed
        await self.store.write_installation(lambda tx: tx.lanes.release(lease))
        return None

    async def settle_and_release(self, pushed: PushedBatch) -> None:
        """Write the outcomes of a batch, unless the lane has another owner."""
        try:
            await settle_batch(self.services, pushed, is_retry=False)
            await self.store.write_installation(lambda tx: tx.lanes.release(pushed.lease))
        except LeaseLost:
            return

    def deliveries(self, integration_id: IntegrationId) -> list[Delivery]:
        return self.run(self.store.read(ACCOUNT, lambda tx: tx.events.deliveries(integration_id, None, None, 1_000)))

    @precondition(lambda self: self.pushed is not None)
    @rule()
    def settle(self) -> None:
        pushed, self.pushed = self.pushed, None
        assert pushed is not None
        self.run(self.settle_and_release(pushed))

    @rule()
    def crash(self) -> None:
        """What was pushed and not settled is pushed again. The next start releases the lanes of the dead process."""
        self.pushed = None
        self.run(self.store.write_installation(lambda tx: tx.lanes.release_all()))

    @rule()
    def pause_or_resume(self) -> None:
        place = (self.services, ACCOUNT, COMMAND_LINE, self.okta)
        self.run(resume_integration(*place) if self.paused else pause_integration(*place, None))
        self.paused = not self.paused

    @invariant()
    def every_ledger_balances(self) -> None:
        ledgers = self.run(self.store.read_installation(lambda tx: tx.ledgers()))
        assert [ledger.imbalance for ledger in ledgers] == [0] * len(ledgers)
