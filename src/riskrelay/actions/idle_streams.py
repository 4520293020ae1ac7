"""Pause streams whose receivers have been inactive for too long."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.signals import stream_updated
from riskrelay.core.ssf.stream_documents import INACTIVITY_TIMEOUT
from riskrelay.core.ssf.streams import INACTIVITY, Party, Stream, StreamStatus
from riskrelay.ports import Services, Transaction

_AT_ONCE = 100  # guessed: streams that one call pauses; the next call pauses the rest


async def pause_idle_streams(services: Services, timeout: timedelta = INACTIVITY_TIMEOUT) -> int:
    """Pause enabled streams whose receivers sent no request and took no event for *timeout*, and notify the receivers.

    Returns: the number of paused streams. Their events are held until they are enabled or their retention ends.
    Rule: SSF 1.0 §8.1.1 inactivity_timeout, §8.1.5.
    """
    idle = await services.store.read_installation(lambda tx: tx.idle_streams(timeout, _AT_ONCE))
    paused = 0
    for stream in idle:
        work = partial(_pause, services=services, stream=stream, timeout=timeout)
        ready = await services.store.write(stream.integration.account_id, work)
        paused += ready is not None
        services.wake(ready or [])
    return paused


def _pause(tx: Transaction, services: Services, stream: Stream, timeout: timedelta) -> list[WokenLane] | None:
    """Pause one stream.

    Returns: the lanes in which the notice was queued; None if the receiver has been active in the meantime.
    """
    if not tx.streams.pause_if_idle(stream.stream_id, timeout, INACTIVITY):
        return None
    paused = replace(stream, status=StreamStatus.PAUSED, status_reason=INACTIVITY, status_set_by=Party.TRANSMITTER)
    tx.streams.refresh_lanes(paused, is_fixed=False)
    notice = stream_updated(paused, StreamStatus.PAUSED, INACTIVITY, services.clock.now(), new_id=services.ids.uuid)
    return tx.events.queue([notice])
