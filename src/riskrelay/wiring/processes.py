"""Assembly of the processes that serve or deliver."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from starlette.applications import Starlette
from yarl import URL

from riskrelay.actions.examine_installation import Examining, examine_installation
from riskrelay.actions.poll_stream import Polling
from riskrelay.actions.record_signals import Signals
from riskrelay.actions.signing_keys import complete_signing_keys
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.keys import Keyring, SealedKey
from riskrelay.engine.chores import Chores, Retention
from riskrelay.engine.poll_sweep import PollSweep
from riskrelay.engine.pushing import Delivering
from riskrelay.engine.worker import Worker
from riskrelay.local.announcing import announced
from riskrelay.local.clock import SystemClock
from riskrelay.local.finding_counts import PendingFindingCounts
from riskrelay.local.geolocation import GeolocationFiles
from riskrelay.local.missed_names import PendingMissedNames
from riskrelay.local.token_uses import PendingTokenUses
from riskrelay.mapping.mapping_pool import MappingPool
from riskrelay.mapping.rule_pool import RulePool
from riskrelay.ports import Services, Wake
from riskrelay.push.probing import NetworkProbe
from riskrelay.push.targets import PushTargets
from riskrelay.push.tls_materials import PemMaterials
from riskrelay.settings import Settings
from riskrelay.signing.sealing import MasterKey
from riskrelay.signing.signer import KeySigner
from riskrelay.telemetry.log_sink import LogSink
from riskrelay.telemetry.metrics import PrometheusMetrics
from riskrelay.telemetry.observing import ProcessWatch, new_observers, show_certificate
from riskrelay.telemetry.siblings import Siblings
from riskrelay.web.app import create_app, create_worker_app
from riskrelay.web.failed_authentication import FailedAuthentication
from riskrelay.web.transmitter.bell import StreamBell
from riskrelay.web.transmitter.streams import Transmitting
from riskrelay.wiring.foresight import Foresight
from riskrelay.wiring.gauges import show_connections, show_geolocation, show_worker
from riskrelay.wiring.installation import build_keyring, check_files, read_master_key, services_of
from riskrelay.wiring.outgoing import PUSH_DEADLINE, build_notifying, build_sender, push_client, target_rules

CONCURRENCY = 32  # guessed: concurrent pushes per lane; few enough for a receiver, enough to hide its round trips
IDLE_HOLD_EMBEDDED = timedelta(seconds=10)
IDLE_HOLD_SHARED = timedelta(seconds=1)  # as long as the worker's sweep: a lost notice delays delivery by no more


def build_app(settings: Settings, log: LogSink, *, deliver: bool = True, siblings: Siblings | None = None) -> Starlette:
    """Build the ASGI application. Its lifespan opens the database and runs delivery.

    Args:
        deliver: False: accept and queue only; another process delivers. SETs that receivers poll are signed here.
        siblings: processes that share the port.
    Raises: Misconfigured: there is no master key.
    """
    master_key = read_master_key(settings)
    keyring = build_keyring(settings, master_key)
    bell, woken, wakes = StreamBell(), _Relay(), _Relay()
    woken.targets.append(bell.ring)
    wakes.targets.append(woken.wake)
    noted = token_uses, finding_counts, missed_names = PendingTokenUses(), PendingFindingCounts(), PendingMissedNames()
    observers = new_observers(siblings)
    geolocation = GeolocationFiles(settings.geoip)
    rule_pool = RulePool()
    foresight = Foresight()
    services = services_of(
        settings,
        wakes.wake,
        noted,
        observers,
        rule_evaluator=rule_pool,
        geolocator=geolocation,
        foresee=foresight.foresee,
    )
    process = ProcessWatch(observers.metrics, log, services.clock)
    if settings.geoip:
        show_geolocation(observers.metrics, geolocation, services.clock)
    if settings.tls_cert is not None:
        show_certificate(observers.metrics, settings.tls_cert)
    signer = _build_signer(services, master_key, keyring)
    polling = Polling(signer=signer, bell=bell, retention=timedelta(days=settings.retention_days))
    materials = PemMaterials(master_key, services.clock)
    mapper = MappingPool(services.clock)
    transmitting = Transmitting(
        polling=polling,
        vault=master_key,
        targets=PushTargets(target_rules(settings)),
        keyring=keyring,
        materials=materials,
        proofs=signer,
        signals=Signals(mapper, master_key),
        notifying=build_notifying(settings, master_key),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            async with (
                process.running(),
                geolocation.running(),
                _counted(siblings, services, observers.metrics),
                token_uses.recording(services.store),
                finding_counts.recording(services.store),
                missed_names.recording(services.store),
                _ready(signer, services, keyring),
                _other_nodes(settings, wakes, woken),
                _poll_sweep(settings, services, bell),
                announced(services, "serve", settings.public),
            ):
                if deliver:
                    async with _delivery(settings, services, signer, master_key) as worker:
                        woken.targets.append(worker.wake)
                        foresight.attach(worker)
                        show_worker(observers.metrics, worker)
                        yield
                else:
                    async with _chores(settings, services, master_key):
                        yield
        finally:
            mapper.close()
            rule_pool.close()
            await services.store.close()

    app = create_app(services, transmitting, settings.public_url, lifespan)
    observers.attend(app)
    app.state.examine = partial(examine_installation, services, build_examining(settings, master_key))
    app.state.trusted_proxies = settings.trusted_proxies
    app.state.failed_authentication = FailedAuthentication(services.clock, settings.failed_authentication_limit)
    app.state.before_stop = [bell.close]
    app.state.show_connections = partial(show_connections, observers.metrics)
    app.state.operations = create_worker_app(services, _no_lifespan)  # the application's own lifespan covers it
    return app


@asynccontextmanager
async def _no_lifespan(app: Starlette) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _counted(siblings: Siblings | None, services: Services, metrics: PrometheusMetrics) -> AsyncIterator[None]:
    """Answer the siblings' requests for the counters of this process, if it has siblings."""
    if siblings is None:
        yield
    else:
        async with siblings.answering(lambda: metrics.own_exposition(services.store.load())):
            yield


def build_worker_app(settings: Settings, log: LogSink) -> Starlette:
    """Build the monitoring application of a process that only delivers.

    Its lifespan opens the database and runs delivery.

    Raises: Misconfigured: there is no master key.
    """
    woken, wakes = _Relay(), _Relay()
    wakes.targets.append(woken.wake)
    observers, rule_pool = new_observers(), RulePool()
    noted = PendingTokenUses(), PendingFindingCounts(), PendingMissedNames()
    services = services_of(settings, wakes.wake, noted, observers, rule_evaluator=rule_pool)
    process = ProcessWatch(observers.metrics, log, services.clock)
    master_key = read_master_key(settings)
    keyring = build_keyring(settings, master_key)
    signer = _build_signer(services, master_key, keyring)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            async with (
                process.running(),
                _ready(signer, services, keyring),
                _other_nodes(settings, wakes, woken),
                announced(services, "worker", settings.public),
                _delivery(settings, services, signer, master_key) as worker,
            ):
                woken.targets.append(worker.wake)
                show_worker(observers.metrics, worker)
                yield
        finally:
            rule_pool.close()
            await services.store.close()

    return create_worker_app(services, lifespan)


def build_examining(settings: Settings, master_key: MasterKey, *, whole: bool = False) -> Examining:
    """Build the dependencies of an examination of this installation.

    Args:
        whole: also read the whole SQLite file.
    """
    probe = NetworkProbe(lambda: push_client(settings))
    materials = PemMaterials(master_key, SystemClock())
    port = settings.metrics_port
    worker_url = None if port is None else str(URL.build(scheme="http", host=settings.host, port=port))
    return Examining(
        loosened=settings.loosened,
        check_files=partial(check_files, settings, whole=whole),
        probe=probe,
        vault=master_key,
        materials=materials,
        public_url=settings.public_url,
        worker_url=worker_url,
        knows_proxy=not settings.has_hidden_proxy,
        notifier=build_sender(settings),
        sends_email=bool(settings.smtp_url),
    )


class _Relay:
    """Passes wakes to the worker after its start. Before that, the worker's first scan finds all due lanes."""

    def __init__(self) -> None:
        self.targets: list[Wake] = []

    def wake(self, lanes: Sequence[WokenLane]) -> None:
        if lanes:
            for wake in self.targets:
                wake(lanes)


@asynccontextmanager
async def _other_nodes(settings: Settings, wakes: _Relay, woken: _Relay) -> AsyncIterator[None]:
    """Send this node's wakes to the other nodes, and their wakes to this node's worker and polls."""
    if settings.sqlite_path is not None:
        yield
        return
    from riskrelay.storage.engines.notices import Notices  # imports the driver of PostgreSQL

    notices = Notices(settings.database_url, woken.wake)
    wakes.targets.append(notices.notify)
    running = asyncio.create_task(notices.run())
    try:
        yield
    finally:
        notices.stop()
        await running


@asynccontextmanager
async def _poll_sweep(settings: Settings, services: Services, bell: StreamBell) -> AsyncIterator[None]:
    """Scan for events that other nodes queued for the streams that receivers poll here. SQLite has one node."""
    if settings.sqlite_path is not None:
        yield
        return
    sweep = PollSweep(services, bell)
    running = asyncio.create_task(sweep.run())
    try:
        yield
    finally:
        sweep.stop()
        await running


@asynccontextmanager
async def _delivery(
    settings: Settings, services: Services, signer: KeySigner, master_key: MasterKey
) -> AsyncIterator[Worker]:
    """Run a worker. At the end, wait until its pushes in flight are settled."""
    embedded = settings.sqlite_path is not None
    if embedded:  # this is the only process, so existing leases are from before a crash
        await services.store.write_installation(lambda tx: tx.lanes.release_all())
    pusher = push_client(settings)
    retention = timedelta(days=settings.retention_days)
    lease = timedelta(seconds=settings.lease_seconds)
    push_for = lease * 0.8 - PUSH_DEADLINE  # design 3: every push has ended at 80 % of the lease
    delivering = Delivering(
        signer=signer,
        pusher=pusher,
        vault=master_key,
        lease=lease,
        push_for=push_for,
        concurrency=CONCURRENCY,
        retention=retention,
    )
    worker = Worker(services, delivering, IDLE_HOLD_EMBEDDED if embedded else IDLE_HOLD_SHARED)
    running = asyncio.create_task(worker.run())
    try:
        async with _chores(settings, services, master_key):
            yield worker
    finally:
        worker.stop()
        await running
        await pusher.close()


@asynccontextmanager
async def _chores(settings: Settings, services: Services, master_key: MasterKey) -> AsyncIterator[None]:
    """Run the chores. Every node runs them, because a node that only accepts fills tables too."""
    retention = Retention(
        undelivered=timedelta(days=settings.retention_days),
        settled=timedelta(days=settings.history_days),
        audit=timedelta(days=settings.audit_days),
        findings=timedelta(days=settings.findings_days),
    )
    notifying = build_notifying(settings, master_key)
    chores = Chores(services, retention, settings.level_changes_per_second, notifying)
    running = asyncio.create_task(chores.run())
    try:
        yield
    finally:
        chores.stop()
        await running


def _build_signer(services: Services, master_key: MasterKey, keyring: Keyring) -> KeySigner:
    async def read_keys() -> list[SealedKey]:
        return await services.store.read_installation(lambda tx: tx.keys.all())

    return KeySigner(read_keys, master_key, services.clock, keyring.horizon)


@asynccontextmanager
async def _ready(signer: KeySigner, services: Services, keyring: Keyring) -> AsyncIterator[None]:
    """Require signing keys that can be opened. An installation of an older version gets its next keys now."""
    await complete_signing_keys(services, COMMAND_LINE, keyring.make)
    await signer.require_keys()
    try:
        yield
    finally:
        signer.close()
