"""Stop a stream because of its receiver's response."""

from sqlalchemy import Connection, bindparam, select, update

from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.delivery.lanes import CANCELLED_AT_ONCE, LaneKey
from riskrelay.core.ssf.streams import CONTROL_LANE, STREAM_DISABLED, Party, StreamStatus
from riskrelay.ports import StreamStop
from riskrelay.storage.delivery.backlog import cancel_lane
from riskrelay.storage.delivery.events import EventRows
from riskrelay.storage.delivery.newest import lane_parameters
from riskrelay.storage.tables import lanes, streams
from riskrelay.storage.times import database_now

_THIS_STREAM = (streams.c.account_id == bindparam("account")) & (streams.c.stream_id == bindparam("stream"))
_ITS_LANES = (
    (lanes.c.account_id == bindparam("account"))
    & (lanes.c.stream_id == bindparam("stream"))
    & (lanes.c.lane != CONTROL_LANE)
)
_STOP_STREAM = (
    update(streams)
    .where(_THIS_STREAM, streams.c.status == StreamStatus.ENABLED.value)
    .values(
        status=bindparam("new_status"),
        status_reason=bindparam("why"),
        status_set_by=Party.TRANSMITTER.value,
        status_at=database_now(),
    )
)
_STOP_LANES = update(lanes).where(_ITS_LANES).values(stopped=True)
_BACKLOG = select(lanes.c.lane).where(_ITS_LANES).order_by(lanes.c.lane).with_for_update()


def stop_stream(connection: Connection, key: LaneKey, stop: StreamStop) -> list[WokenLane]:
    """Pause or disable the stream of a lane, in a transaction that has locked it.

    Returns: the lanes in which the notice was queued.
    """
    parameters = {**lane_parameters(key), "new_status": stop.status.value, "why": stop.reason}
    stopped = connection.execute(_STOP_STREAM, parameters).rowcount
    connection.execute(_STOP_LANES, parameters)
    if not stopped:  # the receiver has set another status in the meantime, which takes precedence
        return []
    if stop.cancels_backlog:
        left = CANCELLED_AT_ONCE
        for row in connection.execute(_BACKLOG, parameters).all():
            lane = LaneKey(key.account_id, key.stream_id, row.lane)
            left -= cancel_lane(connection, lane, STREAM_DISABLED, left)
    return [] if stop.notice is None else EventRows(connection, key.account_id).queue([stop.notice])
