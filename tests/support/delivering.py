"""A worker that does one thing at a time, and the receiver it pushes to."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import cast

import msgspec

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.delivery.lanes import BATCH_EVENTS, LaneLease
from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import Integration, OpenedTls
from riskrelay.core.keys import Algorithm
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.engine.deliver import Delivered, deliver
from riskrelay.engine.pushing import Delivering, SigningAhead
from riskrelay.ports import Services, Store
from riskrelay.signing.sealing import MasterKey, new_master_key
from riskrelay.storage.installation import InstallationTransaction
from support.ledger_checks import STATES, Checked, Received, Responses, check_rows
from support.ledger_rows import rows_in
from support.services import HandClock, services_of
from support.unchecked import UNCHECKED
from support.world import ACCOUNT, account_with_integration

LEASE = timedelta(minutes=1)
VAULT = MasterKey([new_master_key()])
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
FAILED = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)


_HEADER = b"eyJraWQiOiJwbGFpbiJ9."  # {"kid":"plain"}


class Plain:
    """Implements ports.Signer: signs nothing, so that a test can read what is pushed behind the header."""

    def __init__(self) -> None:
        self.broken = False
        self.signed = 0
        self.before_signing: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)

    async def sign(self, payloads: Sequence[bytes], algorithm: Algorithm) -> list[bytes]:
        if self.broken:
            raise Unavailable("no key")
        self.signed += len(payloads)
        await self.before_signing()
        return [_HEADER + payload for payload in payloads]


class Receiver:
    """Implements ports.Pusher: answers each e-mail as the test says, and keeps what it accepted, in order."""

    def __init__(self) -> None:
        self.answers: Callable[[str], Outcome] = lambda email: ACCEPTED
        self.accepted: list[tuple[str, str]] = []
        self.audiences: Counter[str] = Counter()
        self.seen: list[Received] = []
        self.pushes = 0
        self.busy = 0
        self.most_at_once = 0
        self.before_answer: Callable[[], None] = lambda: None

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        claims = msgspec.json.decode(token.removeprefix(_HEADER))
        self.audiences[claims["aud"]] += 1
        email = claims["sub_id"]["email"]
        (event,) = claims["events"].values()
        self.pushes += 1
        self.busy += 1
        self.most_at_once = max(self.most_at_once, self.busy)
        await asyncio.sleep(0)
        self.busy -= 1
        self.before_answer()
        outcome = self.answers(email)
        self.seen.append(Received(claims, outcome.kind is OutcomeKind.ACCEPTED))
        if outcome.kind is OutcomeKind.ACCEPTED:
            self.accepted.append((email, event["current_level"]))
        return outcome


class World:
    """A store with an integration, a receiver, and what delivery needs."""

    def __init__(self, services: Services, clock: HandClock, integration: Integration) -> None:
        self.services, self.clock, self.integration = services, clock, integration
        self.receiver, self.signer = Receiver(), Plain()
        self.signing = SigningAhead(self.signer)
        self.delivering = Delivering(
            signer=self.signer,
            pusher=self.receiver,
            vault=VAULT,
            lease=LEASE,
            push_for=timedelta(seconds=28),
            concurrency=8,
            retention=timedelta(days=36_500),
        )

    async def claim(self) -> LaneLease:
        (lease,) = await self.services.store.write_installation(lambda tx: tx.lanes.claim(5, LEASE))
        return lease

    async def deliver(self, lease: LaneLease, limit: int = BATCH_EVENTS) -> Delivered:
        UNCHECKED.add(str(self.services.store))
        return await deliver(self.services, self.delivering, self.signing, lease, self.clock.monotonic(), limit)

    async def ledger(self) -> Ledger:
        (ledger,) = await self.services.store.read_installation(lambda tx: tx.ledgers())
        assert ledger.imbalance == 0
        return ledger

    async def check(self, *, at_most_copies: int = 0) -> Checked:
        """The six checks of a test of a fault, as far as there is no client, signature or address."""
        read = self.services.store.read_installation
        rows = await read(lambda tx: rows_in(cast(InstallationTransaction, tx)._connection))
        ledgers = await read(lambda tx: tx.ledgers())
        shown = {name: sum(getattr(one, name) for one in ledgers) for name in (*STATES, "imbalance")}
        checked = check_rows(rows, shown, self.receiver.seen, ACCOUNT, Responses(), at_most_copies)
        UNCHECKED.discard(str(self.services.store))
        return checked

    async def status(self) -> StreamStatus:
        streams = await self.services.store.read(ACCOUNT, lambda tx: tx.streams.taking_events())
        return streams[0].status if streams else StreamStatus.DISABLED

    async def deliver_once(self, limit: int) -> Delivered:
        """Claim the lane that is due, deliver one batch, and give it back."""
        lease = await self.claim()
        delivered = await self.deliver(lease, limit)
        await self.services.store.write_installation(lambda tx: tx.lanes.release(lease))
        return delivered


async def world_of(store: Store, clock: HandClock) -> World:
    """A world with an account of its own."""
    services = services_of(store, clock)
    return World(services, clock, await account_with_integration(services))
