"""Detection: the account's limits of possible travel, and its trusted networks."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from riskrelay.actions.behaviors import set_detection, set_networks
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid
from riskrelay.core.risk.networks import MAX_NETWORKS, TrustedNetwork
from riskrelay.ports import Services
from riskrelay.web.account_api.detection import DetectionBody, NetworkBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

NUMBERS = {
    "max_km_per_h": ("Speed (km/h)", "Two logins are impossible travel only if it requires a higher speed."),
    "min_km": ("Distance (km)", "They must also be farther apart than this, less both accuracy radii."),
    "ipv4_ipv6_min_km": ("Distance between IPv4 and IPv6 (km)", "One device has both; their places often differ."),
    "known_places_days": (
        "Known places (days)",
        "Travel between the places of the user's logins of this many days is possible. 0 disables this.",
    ),
    "lateness_hours": ("Late activity (hours)", "Activity that arrives later than this is not used. At most 168."),
}
FLAGS = {
    "exempt_same_ip": "Ignore travel between equal addresses",
    "exempt_trusted_networks": "Ignore logins from trusted networks",
    "exempt_anonymous": "Ignore logins through a VPN, a proxy, a relay or Tor",
    "exempt_centroids": "Ignore places that are only the middle of a country",
    "session_refreshes": "Count refreshed sessions like logins",
    "cities_in_reason": "Name cities in the reason that receivers get (personal data)",
}


class DetectionScreens:
    """The handlers of detection."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the settings and the trusted networks."""
        return await self._page(visit)

    async def save(self, visit: Visit) -> Response:
        """Overwrite the settings."""
        fields = {name: visit.form.get(name, "").strip() for name in NUMBERS}
        members: dict[str, object] = {name: _number_of(text) for name, text in fields.items() if text}
        lateness = members.pop("lateness_hours", "")
        members |= {name: name in visit.form for name in FLAGS}
        try:
            body = read_fields(DetectionBody, {"imp_travel": members, "lateness_hours": lateness})
        except Invalid as error:
            return await self._page(visit, 400, fields=fields, problems=problems_of(error))
        before = await self._services.store.read(visit.account, lambda tx: tx.detection.limits())
        await set_detection(self._services, visit.account, visit.actor, body.over(before))
        return self._saved(visit)

    async def add_network(self, visit: Visit) -> Response:
        """Trust one more network."""
        fields = {name: visit.form.get(name, "").strip() for name in ("network", "name")}
        number = fields["network"].upper().removeprefix("AS")
        member: dict[str, object] = {"asn": int(number)} if number.isdecimal() and len(number) <= 10 else {}
        try:
            added = read_fields(
                NetworkBody, {"name": fields["name"], **(member or {"cidr": fields["network"]})}
            ).network()
        except Invalid as error:
            problems = problems_of(error)
            wrong = problems.get("cidr") or problems.get("asn") or problems.get("")
            shown = problems if wrong is None else {**problems, "network": wrong}
            return await self._page(visit, 400, fields=fields, problems=shown)
        networks = await self._networks(visit)
        others = [one for one in networks if (one.cidr, one.asn) != (added.cidr, added.asn)]
        if len(others) >= MAX_NETWORKS:
            problem = {"network": f"An account has at most {MAX_NETWORKS:,} trusted networks."}
            return await self._page(visit, 400, fields=fields, problems=problem)
        await set_networks(self._services, visit.account, visit.actor, [*others, added])
        return self._saved(visit)

    async def remove_network(self, visit: Visit) -> Response:
        """Remove a trusted network."""
        named = visit.form.get("network", "")
        others = [one for one in await self._networks(visit) if _shown(one) != named]
        await set_networks(self._services, visit.account, visit.actor, others)
        return self._saved(visit)

    async def _networks(self, visit: Visit) -> tuple[TrustedNetwork, ...]:
        return await self._services.store.read(visit.account, lambda tx: tx.detection.networks())

    async def _page(
        self,
        visit: Visit,
        status: int = 200,
        fields: Mapping[str, str] | None = None,
        problems: Mapping[str, str] | None = None,
    ) -> Response:
        limits, networks = await self._services.store.read(
            visit.account, lambda tx: (tx.detection.limits(), tx.detection.networks())
        )
        return self._pages.page(
            visit,
            "detection.html",
            status,
            values=msgspec.structs.asdict(limits),
            numbers=NUMBERS,
            flags=FLAGS,
            networks=[(_shown(one), one.name) for one in networks],
            fields=fields or {},
            problems=problems or {},
            may_change=visit.may(Scope.WRITE),
        )

    def _saved(self, visit: Visit) -> Response:
        return self._pages.see(account_path(visit.account, "detection"), done="saved")


def _shown(network: TrustedNetwork) -> str:
    return network.cidr or f"AS{network.asn}"


def _number_of(text: str) -> int | str:
    """Return the number of a form's field as a JSON value."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 8 else text
