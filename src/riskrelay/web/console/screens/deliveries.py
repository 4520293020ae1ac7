"""One delivery of an integration, with all that was tried."""

from typing import Any

import msgspec
from starlette.responses import Response

from riskrelay.actions.deliveries import retry_delivery
from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.reasons import remedy_of
from riskrelay.core.errors import NotFound, Unavailable
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.sets import complete_claims
from riskrelay.ports import EventPlace, Proof, Proofs, Sent, Services, Transaction
from riskrelay.web.console.bars import pieces
from riskrelay.web.console.event_words import event_subject, event_words
from riskrelay.web.console.named import find_integration, integration_id_of, place_in_path
from riskrelay.web.console.navigation import delivery_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit


class DeliveryScreens:
    """The handlers of a delivery's own page."""

    def __init__(self, services: Services, pages: Pages, proofs: Proofs) -> None:
        self._services = services
        self._pages = pages
        self._proofs = proofs

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
