"""Read the ids and filters in a page's URL."""

import re
from uuid import UUID

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import EventPlace, Transaction
from riskrelay.web.console.visits import Visit

_PLACE = re.compile(r"([0-9a-f-]{36})\.(-?[0-9]{1,5})\.([0-9]{1,18})")


def integration_id_of(visit: Visit) -> IntegrationId:
    """Return the id of the integration in the path.

    Raises: NotFound: it is not an id.
    """
    return IntegrationId(id_of(visit, "integration_id"))


def id_of(visit: Visit, name: str) -> str:
    """Return the id in the path.

    Raises: NotFound: it is not an id.
    """
    try:
        return str(UUID(visit.request.path_params[name]))
    except ValueError:
        raise NotFound from None


def find_integration(tx: Transaction, integration_id: IntegrationId) -> Integration:
    """Return the integration with that id.

    Raises: NotFound: the account has no such integration.
    """
    found = tx.integrations.get(integration_id)
    if found is None:
        raise NotFound
    return found


def place_in_path(visit: Visit) -> EventPlace:
    """Return the position of the delivery in the path.

    Raises: NotFound: it is not a position.
    """
    parts = _PLACE.fullmatch(visit.request.path_params["place"])
    if parts is None:
        raise NotFound
    return EventPlace(StreamId(parts[1]), int(parts[2]), int(parts[3]))


def state_in_query(visit: Visit) -> DeliveryState | None:
    """Return the state of the filter; None if it is not a state."""
    word = visit.query.get("state", "")
    return DeliveryState(word) if word in list(DeliveryState) else None
