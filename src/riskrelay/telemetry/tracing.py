"""Traces by OpenTelemetry, where an exporter is configured: the only user of its library, imported only then.

One trace shows one cause: its acceptance, the wait of each event, each attempt. Its id is derived from the `txn`, so
that other processes, and this one after a restart, continue it without any stored state. A request has a trace of its
own, or the client's if it sent one; the acceptance links to it. ADR 0015 gives the reasons.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from typing import Any, TypeVar

import structlog
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import Events, Store, Transaction
from riskrelay.telemetry.attempt_log import kid_of, phases_of, transaction_of

T = TypeVar("T")

_log = structlog.get_logger()

_SCOPE = InstrumentationScope("riskrelay")
_CLOSING_SECONDS = 2.0  # chosen: what the exporter cannot take in that time is lost, not waited for
_QUIET = ("/healthz", "/readyz", "/metrics")


class Traces:
    """Creates spans and hands them to the exporter's thread, which drops those that it has no room for.

    The standard variables configure the destination, the sampling and the name (`OTEL_EXPORTER_OTLP_…`,
    `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`, `OTEL_SERVICE_NAME`).
    """

    def __init__(self) -> None:
        self._resource = Resource({SERVICE_NAME: "riskrelay", SERVICE_VERSION: version("riskrelay")}).merge(
            OTELResourceDetector().detect()
        )
        self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self._provider.add_span_processor(self._processor)
        self.tracer = self._provider.get_tracer("riskrelay")

    def queued(self, signals: Sequence[Signal], until: datetime) -> None:
        """Create one span for each cause, from its acceptance until its events are durable."""
        caller = trace.get_current_span().get_span_context()
        links = [Link(caller)] if caller.is_valid else []
        by_txn: dict[str, list[Signal]] = {}
        for signal in signals:
            by_txn.setdefault(signal.event.txn, []).append(signal)
        for txn, together in by_txn.items():
            said = {
                "riskrelay.txn": txn,
                "riskrelay.account": together[0].stream.integration.account_id,
                "riskrelay.deliveries": len(together),
            }
            context = _root(txn)
            self._emit("accept", context, None, together[0].event.issued_at, ended=until, said=said, links=links)

    def attempted(self, lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
        """Create one span for each attempt and, before the first of an event, one for its wait."""
        for attempt in attempts:
            root = _root(transaction_of(attempt))
            said = {
                "riskrelay.account": lane.account_id,
                "riskrelay.integration": stream.integration.integration_id,
                "riskrelay.stream": lane.stream_id,
                "riskrelay.lane": lane.lane,
                "riskrelay.jti": attempt.jti,
            }
            if attempt.number == 1:
                context = _child(root, f"queue {attempt.jti}")
                self._emit("queue", context, root, attempt.queued_at, ended=attempt.started_at, said=said)
            context = _child(root, f"attempt {attempt.jti} {attempt.number} {attempt.started_at.isoformat()}")
            ended = attempt.started_at + attempt.duration
            said |= _about(attempt)
            accepted = attempt.outcome.kind is OutcomeKind.ACCEPTED
            status = Status(StatusCode.OK) if accepted else Status(StatusCode.ERROR, attempt.outcome.reason)
            self._emit(
                "attempt",
                context,
                root,
                attempt.started_at,
                ended=ended,
                said=said,
                kind=SpanKind.CLIENT,
                status=status,
            )

    def over(self, store: Store) -> Store:
        """Return *store* with a span for each cause that becomes durable."""
        return TracedStore(store, self)

    def attend(self, app: Starlette) -> None:
        """Return the app with a span for each request."""
        app.add_middleware(RequestSpans, traces=self)

    def close(self) -> None:
        """Export the remaining spans, within a short time limit."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSING_SECONDS)

    def _emit(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        began: datetime,
        ended: datetime,
        said: Mapping[str, Any],
        kind: SpanKind = SpanKind.INTERNAL,
        status: Status = Status(StatusCode.UNSET),  # noqa: B008  never changed
        links: Sequence[Link] = (),
    ) -> None:
        """Hand over a finished span. It is built as a whole, because its ids and both its times are given."""
        if (
            self._provider.sampler.should_sample(None, context.trace_id, name).decision
            is not Decision.RECORD_AND_SAMPLE
        ):
            return
        self._processor.on_end(
            ReadableSpan(
                name,
                context=context,
                parent=parent,
                resource=self._resource,
                attributes=said,
                links=links,
                kind=kind,
                status=status,
                start_time=_nanoseconds(began),
                end_time=_nanoseconds(max(began, ended)),
                instrumentation_scope=_SCOPE,
            )
        )


class TracedStore:
    """Implements ports.Store over another one, and creates spans when a transaction is durable."""

    def __init__(self, store: Store, traces: Traces) -> None:
        self._store = store
        self._traces = traces
        self.read, self.read_installation = store.read, store.read_installation
        self.write_installation, self.load = store.write_installation, store.load

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        made: list[Signal] = []

        def watched(tx: Transaction) -> T:
            made.clear()  # it may run again after a conflict
            tx.events = _WatchedEvents(tx.events, made)
            return work(tx)

        result = await self._store.write(account_id, watched)
        try:
            self._traces.queued(made, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001  it is committed, whatever is wrong here
            _log.error("not_traced", exc_info=error)
        return result

    async def require_writable(self, *, thorough: bool = False) -> None:
        """As the store does, without a span: a health check is not a request."""
        await self._store.require_writable(thorough=thorough)

    async def close(self) -> None:
        await self._store.close()
        self._traces.close()


class _WatchedEvents:
    """Implements ports.Events over another one, and remembers what is queued."""

    def __init__(self, events: Events, made: list[Signal]) -> None:
        self._events = events
        self._made = made
        self.deliveries, self.delivery = events.deliveries, events.delivery

    def queue(self, signals: Sequence[Signal], *, hand_over: bool = False) -> list[WokenLane]:
        self._made += signals
        return self._events.queue(signals, hand_over=hand_over)


class RequestSpans:
    """ASGI middleware: one span for each request, named by its route. It continues the client's trace."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._tracer = traces.tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        context = propagate.extract(headers)
        with self._tracer.start_as_current_span(scope["method"], context, SpanKind.SERVER) as span:

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, answer)
            route = getattr(scope.get("route"), "path", "unknown")  # never the path: it can name a user
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.route", route)


def _about(attempt: Attempt) -> dict[str, Any]:
    outcome = attempt.outcome
    said: dict[str, Any] = {
        "riskrelay.attempt": attempt.number,
        "riskrelay.outcome": outcome.kind.value,
        "riskrelay.reason": outcome.reason,
        "riskrelay.kid": kid_of(attempt.token),
        "riskrelay.bytes": len(attempt.token),
        **{f"riskrelay.{name}_ms": took / timedelta(milliseconds=1) for name, took in phases_of(attempt)},
    }
    if outcome.status is not None:
        said["http.response.status_code"] = outcome.status
    return said


def _root(txn: str) -> SpanContext:
    """Return the context of an acceptance's span, derived from the txn.

    It is a hash, because samplers use the bits of trace ids, and not all bits of a UUID are random. The spans have the
    txn as an attribute, too.
    """
    digest = sha256(txn.encode()).digest()
    return _context(int.from_bytes(digest[:16]), digest[16:24])


def _child(root: SpanContext, name: str) -> SpanContext:
    return _context(root.trace_id, sha256(name.encode()).digest()[:8])


def _context(trace_id: int, span_id: bytes) -> SpanContext:
    return SpanContext(trace_id, int.from_bytes(span_id), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
