"""The search over everything: users, integrations, sources, deliveries, screens and documentation."""

import re

from starlette.responses import Response

from riskrelay.core.credentials import Scope
from riskrelay.core.sources.kinds import kind_name
from riskrelay.ports import Services, Transaction
from riskrelay.web.console.lists import search_of
from riskrelay.web.console.navigation import account_path, delivery_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.palette import SCREENS, Found, documents, places_for
from riskrelay.web.console.user_search import search_users
from riskrelay.web.console.visits import Visit

_EACH = 6  # chosen: all groups fit on one screen
_NEWEST = 200  # guessed: a few milliseconds; older deliveries are found on the integration's page
_ID_START = re.compile(r"[0-9a-f]{6}[0-9a-f-]{0,30}", re.IGNORECASE)

Groups = list[tuple[str, list[Found]]]


class SearchScreens:
    """The handler of the search. Users are found with pii-read only."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Return the results as a part of a page."""
        search = search_of(visit)[:320]
        groups: Groups = []
        if search:
            groups = await self._services.store.read(visit.account, lambda tx: _stored(tx, visit, search))
        base = account_path(visit.account)
        screens = [
            Found(title=one.title, note="", href=base + one.path) for one in places_for(search, SCREENS, visit.may)
        ]
        pages = [Found(title=one.title, note="", href=one.path) for one in places_for(search, documents(), visit.may)]
        groups += [("Screens", screens[: 2 * _EACH]), ("Documentation", pages[:_EACH])]
        return self._pages.page(
            visit, "search.html", groups=[(title, found) for title, found in groups if found], search=search
        )


def _stored(tx: Transaction, visit: Visit, search: str) -> Groups:
    word = search.casefold()
    integrations = [
        Found(
            title=one.reference_id,
            note=one.tenant_url,
            href=account_path(visit.account, "integrations", one.integration_id),
        )
        for one in tx.integrations.all()
        if word in one.reference_id.casefold() or word in one.tenant_url.casefold() or one.integration_id == word
    ]
    sources = [
        Found(title=one.name, note=kind_name(one.kind), href=account_path(visit.account, "sources", one.source_id))
        for one in tx.sources.all()
        if word in one.name.casefold() or one.source_id == word
    ]
    return [
        ("Users", _users(tx, visit, search)),
        ("Integrations", integrations[:_EACH]),
        ("Sources", sources[:_EACH]),
        ("Deliveries", _deliveries(tx, visit, word)),
    ]


def _users(tx: Transaction, visit: Visit, search: str) -> list[Found]:
    if not visit.may(Scope.PII_READ):
        return []
    return [
        Found(title=user.email, note=user.name or "", href=account_path(visit.account, "users", user.user_id))
        for user in search_users(tx, search, None, _EACH + 1)[0]
    ]


def _deliveries(tx: Transaction, visit: Visit, word: str) -> list[Found]:
    """Return the newest deliveries whose id begins with *word*."""
    if not _ID_START.fullmatch(word):
        return []
    found = [one for one in tx.delivery_views.latest(None, None, _NEWEST) if one.delivery.jti.startswith(word)]
    return [
        Found(
            title=f"Delivery to {one.stream.integration.reference_id}",
            note=f"{one.delivery.state.value}, {one.delivery.jti}",
            href=delivery_path(visit.account, one.stream.integration.integration_id, one.delivery),
        )
        for one in found[:_EACH]
    ]
