"""What pausing, resuming and updating an integration do to its streams, inside their transaction."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import Integration
from riskrelay.core.signals import Signal, stream_updated
from riskrelay.core.ssf.streams import Party, Stream, StreamStatus
from riskrelay.ports import Transaction


def follow(
    tx: Transaction, before: Integration, told: str, at: datetime, new_id: Callable[[], str], *, mend: bool
) -> list[LaneKey]:
    """Let every stream of an integration follow a change of it that is stored already, and tell its receivers.

    Args:
        before: the integration as it was.
        told: why, in the word that receivers get where the new status gives none.
        mend: enable again what we stopped ourselves, because somebody has perhaps mended it, and forget every wait.

    Returns: lanes that have something to send.
    Rule: SSF 1.0 §8.1.5. What a receiver stopped, only the receiver starts again.
    """
    ready: list[LaneKey] = []
    for stream in tx.streams.of_integration(before.integration_id):
        is_ours = mend and stream.status_set_by is Party.TRANSMITTER
        now = replace(stream, status=StreamStatus.ENABLED, status_reason=None) if is_ours else stream
        tx.streams.set_status(now.stream_id, now.status, now.status_reason, now.status_set_by)
        ready += tx.streams.refresh_lanes(now, is_mended=mend)
        ready += tx.events.queue(_notices(replace(stream, integration=before), now, told, at, new_id=new_id))
    return ready


def _notices(before: Stream, now: Stream, told: str, at: datetime, new_id: Callable[[], str]) -> list[Signal]:
    """What the receiver is told: nothing when it cannot be, or when nothing changed for it."""
    (old, _), (new, reason) = before.effective_status, now.effective_status
    if now.is_implicit or old is new or now.status is not StreamStatus.ENABLED:
        return []
    return [stream_updated(now, new, reason or told, at, new_id=new_id)]
