"""The live tail: the latest changes, each with its deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.ports import Sent, Services, Transaction
from riskrelay.web.console.event_words import event_subject, event_words
from riskrelay.web.console.named import state_in_query
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_ROWS = 30  # guessed: a few screens; the integration's page has older ones


class LiveScreens:
    """The handler of the tail."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the newest deliveries, of one integration or of all, of one state or of any."""
        state, named = state_in_query(visit), _named(visit.query.get("integration", ""))

        def read(tx: Transaction) -> tuple[Integration | None, list[Sent]]:
            integration = None if named is None else tx.integrations.get(named)
            return integration, tx.delivery_views.latest(named, state, _ROWS)

        integration, newest = await self._services.store.read(visit.account, read)
        return self._pages.page(
            visit,
            "live.html",
            changes=grouped(newest),
            integration=integration,
            state="" if state is None else state.value,
            states=[one.value for one in DeliveryState],
            is_paused=visit.query.get("paused") == "1",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveChange:
    """One change, or one event without a change, with its deliveries.

    Attributes:
        words: what happened, such as "low → high" or "verification".
        subject: the user; empty: the event names none, or the user was erased.
    """

    words: str
    subject: str
    sent: Sequence[Sent]

    @property
    def delivered(self) -> int:
        """The number of deliveries that receivers have accepted."""
        return sum(one.delivery.state is DeliveryState.DELIVERED for one in self.sent)


def grouped(newest: Sequence[Sent]) -> list[LiveChange]:
    """Return deliveries by the change that caused them (`txn`), in their order."""
    found: dict[str, list[Sent]] = {}
    for one in newest:
        found.setdefault(str(one.claims.get("txn", one.delivery.jti)), []).append(one)
    return [
        LiveChange(words=event_words(sent[0].claims), subject=event_subject(sent[0].claims), sent=sent)
        for sent in found.values()
    ]


def _named(text: str) -> IntegrationId | None:
    """Return the integration of the filter; None if it is not an id."""
    try:
        return IntegrationId(str(UUID(text)))
    except ValueError:
        return None
