"""Streams as rows: their query, and the conversions in both directions."""

from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Row, Select, select

from riskrelay.core.ssf.metadata import DELIVERY_POLL, DELIVERY_PUSH
from riskrelay.core.ssf.streams import (
    STANDARD_SPELLING,
    Configuration,
    Party,
    Poll,
    Push,
    Spelling,
    Stream,
    StreamStatus,
)
from riskrelay.storage.accounts.integrations import INTEGRATION_COLUMNS, integration_from
from riskrelay.storage.tables import integrations, streams

_COLUMNS = (
    streams.c.stream_id,
    streams.c.status,
    streams.c.lanes,
    streams.c.status_reason,
    streams.c.status_set_by,
    streams.c.audience,
    streams.c.delivery_method,
    streams.c.endpoint_url,
    streams.c.sealed_authorization,
    streams.c.events_requested,
    streams.c.description,
    streams.c.spelling,
    streams.c.has_statements,
)

IS_POLLED = streams.c.endpoint_url.is_(None) | (streams.c.delivery_method == DELIVERY_POLL)
"""The condition of a receiver's streams that it polls."""


def select_streams() -> Select[*tuple[Any, ...]]:
    """Build the query of streams joined with their integrations. Its rows are for `stream_from`."""
    joined = streams.join(
        integrations,
        (streams.c.account_id == integrations.c.account_id)
        & (streams.c.integration_id == integrations.c.integration_id),
    )
    return select(*INTEGRATION_COLUMNS, *_COLUMNS).select_from(joined)


@lru_cache(maxsize=256)  # each transaction reads the same few; a row is compared by its values
def stream_from(row: Row[*tuple[Any, ...]]) -> Stream:
    """Build a stream from a row of `select_streams`, without its receiver's statements about subjects."""
    return Stream(
        stream_id=row.stream_id,
        integration=integration_from(row),
        status=StreamStatus(row.status),
        lanes=row.lanes,
        configuration=_configuration(row),
        status_reason=row.status_reason,
        status_set_by=Party(row.status_set_by),
    )


def _configuration(row: Row[*tuple[Any, ...]]) -> Configuration | None:
    if row.audience is None:
        return None
    is_polled = row.endpoint_url is None or row.delivery_method == DELIVERY_POLL
    requested, spelling = row.events_requested, row.spelling
    return Configuration(
        audience=row.audience,
        delivery=Poll() if is_polled else Push(row.endpoint_url, row.sealed_authorization),
        events_requested=None if requested is None else msgspec.json.decode(requested, type=tuple[str, ...]),
        description=row.description,
        spelling=STANDARD_SPELLING if spelling is None else msgspec.json.decode(spelling, type=Spelling),
    )


def configuration_columns(configuration: Configuration | None) -> dict[str, object]:
    """Return the columns of a configuration; empty for an implicit stream."""
    if configuration is None:
        return {}
    delivery = configuration.delivery
    wanted, spelling = configuration.events_requested, configuration.spelling
    return {
        "audience": configuration.audience,
        "delivery_method": DELIVERY_PUSH if isinstance(delivery, Push) else DELIVERY_POLL,
        "endpoint_url": delivery.endpoint_url if isinstance(delivery, Push) else None,
        "sealed_authorization": delivery.sealed_authorization if isinstance(delivery, Push) else None,
        "events_requested": None if wanted is None else msgspec.json.encode(wanted).decode(),
        "description": configuration.description,
        "spelling": None if spelling == STANDARD_SPELLING else msgspec.json.encode(spelling).decode(),
    }
