"""Deliveries of an integration, and one of them with all that was tried."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from riskrelay.actions.deliveries import retry_delivery
from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.reasons import remedy_of
from riskrelay.core.errors import NotFound, Unavailable
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.ssf.sets import complete_claims
from riskrelay.ports import DeliveryPage, EventPlace, Proof, Proofs, Sent, Services, Transaction
from riskrelay.web.console.bars import pieces
from riskrelay.web.console.csv_files import csv_response
from riskrelay.web.console.event_words import event_subject, event_words
from riskrelay.web.console.lists import Choice, page_of, wants_csv
from riskrelay.web.console.named import find_integration, integration_id_of, place_in_path, state_in_query
from riskrelay.web.console.navigation import delivery_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import PAGE, place_of, read_place
from riskrelay.web.console.visits import Visit

_Number = Annotated[int, Meta(ge=0, lt=2**62)]


class DeliveryScreens:
    """The handlers of deliveries."""

    def __init__(self, services: Services, pages: Pages, proofs: Proofs) -> None:
        self._services = services
        self._pages = pages
        self._proofs = proofs

    async def list_page(self, visit: Visit) -> Response:
        """Show deliveries of one state or of all, the newest first."""
        integration_id, state = integration_id_of(visit), state_in_query(visit)
        place = read_place(visit.query.get("after"), tuple[dict[str, _Number]])
        behind = {} if place is None else place[0]

        def read(tx: Transaction) -> tuple[Integration, DeliveryPage, list[Sent]]:
            integration = find_integration(tx, integration_id)
            found = tx.delivery_views.page(integration_id, state, behind, PAGE)
            return integration, found, tx.delivery_views.with_claims(found.deliveries)

        integration, found, sent = await self._services.store.read(visit.account, read)
        older = None if found.older is None else place_of(found.older)
        if wants_csv(visit):
            return csv_response("deliveries", _columns(visit), sent)
        view = page_of(visit, sent, older, choices=[_STATE])
        return self._pages.page(visit, "deliveries.html", integration=integration, view=view, older=older)

    async def show(self, visit: Visit) -> Response:
        """Show one delivery."""
        integration_id, place = integration_id_of(visit), place_in_path(visit)
        sent = await self._services.store.read(visit.account, lambda tx: _sent(tx, integration_id, place))
        payload = complete_claims(sent.fixed_claims, sent.stream.integration.issuer, sent.stream.audience)
        claims = msgspec.json.format(payload, indent=2).decode() if visit.may(Scope.PII_READ) else None
        return self._pages.page(
            visit,
            "delivery.html",
            integration=sent.stream.integration,
            delivery=sent.delivery,
            stream=sent.stream,
            claims=claims,
            is_erased="sub_id" not in sent.claims,
            words=event_words(sent.claims),
            subject=event_subject(sent.claims),
            remedy_of=remedy_of,
            event_type=next(iter(sent.claims["events"])),
            proof=await self._proof(payload, sent),
            attempts=[(attempt, pieces(attempt)) for attempt in sent.delivery.attempts],
        )

    async def retry(self, visit: Visit) -> Response:
        """Make a delivery due now."""
        integration_id, place = integration_id_of(visit), place_in_path(visit)
        sent = await self._services.store.read(visit.account, lambda tx: _sent(tx, integration_id, place))
        await retry_delivery(self._services, visit.account, visit.actor, integration_id, jti=sent.delivery.jti)
        return self._pages.see(delivery_path(visit.account, integration_id, place), done="retried")

    async def _proof(self, payload: bytes, sent: Sent) -> Proof:
        try:
            return await self._proofs.prove(payload, sent.stream.integration.signing_algorithm)
        except Unavailable:
            return Proof(_NO_HEADER, "No signing key can be decrypted.")


_STATE = Choice(name="state", label="State", words={"": "any state", **{one.value: one.value for one in DeliveryState}})


def _columns(visit: Visit) -> Mapping[str, Callable[[Sent], object]]:
    """Return the columns of the file: one page of the log, with users only for tokens that may see them."""
    user: Mapping[str, Callable[[Sent], object]] = {"User": lambda sent: event_subject(sent.claims)}
    return {
        "Event": lambda sent: event_words(sent.claims),
        **(user if visit.may_see_subjects else {}),
        "State": lambda sent: sent.delivery.state.value,
        "Reason": lambda sent: sent.delivery.reason,
        "Attempts": lambda sent: len(sent.delivery.attempts),
        "Queued": lambda sent: sent.delivery.queued_at,
        "Event ID": lambda sent: sent.delivery.jti,
    }


_NO_HEADER: dict[str, Any] = {}


def _sent(tx: Transaction, integration_id: IntegrationId, place: EventPlace) -> Sent:
    """Return the delivery at a position.

    Raises: NotFound: the integration has no such delivery, or its stream was deleted.
    """
    find_integration(tx, integration_id)
    sent = tx.delivery_views.at(integration_id, place)
    if sent is None:
        raise NotFound
    return sent
