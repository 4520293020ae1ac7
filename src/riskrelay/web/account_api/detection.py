"""The account's limits of possible travel, and its trusted networks."""

from typing import Annotated, Any, Self

import msgspec
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, model_validator
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.behaviors import set_detection, set_networks
from riskrelay.core.credentials import Scope
from riskrelay.core.risk.activity import MAX_LATENESS_HOURS
from riskrelay.core.risk.known_places import MAX_KNOWN_PLACES_DAYS
from riskrelay.core.risk.networks import (
    MAX_NETWORK_NAME_CHARACTERS,
    MAX_NETWORKS,
    TrustedNetwork,
    canonical_network,
)
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.ports import Services
from riskrelay.web.account_api.activity import MAX_ASN
from riskrelay.web.account_api.bodies import PlainText, WholeNumber, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of

_ABSENT: Any = None  # the value of an absent member; the types refuse null itself

Distance = Annotated[WholeNumber, Field(ge=1, le=20_000)]


class TravelLimitsBody(BaseModel):
    """The account's limits of possible travel. Absent optional members do not change; null is no value."""

    max_km_per_h: Annotated[WholeNumber, Field(ge=100, le=10_000)]
    min_km: Distance
    ipv4_ipv6_min_km: Distance = _ABSENT
    exempt_same_ip: bool = _ABSENT
    exempt_trusted_networks: bool = _ABSENT
    exempt_anonymous: bool = _ABSENT
    exempt_centroids: bool = _ABSENT
    session_refreshes: bool = _ABSENT
    known_places_days: Annotated[WholeNumber, Field(ge=0, le=MAX_KNOWN_PLACES_DAYS)] = _ABSENT
    cities_in_reason: bool = _ABSENT


class DetectionBody(BaseModel):
    """The limits of impossible travel, and how late activity of any kind may be."""

    imp_travel: TravelLimitsBody
    lateness_hours: Annotated[WholeNumber, Field(ge=1, le=MAX_LATENESS_HOURS)] = _ABSENT

    def over(self, limits: TravelLimits) -> TravelLimits:
        """Return *limits* with the members of the body."""
        given = self.model_dump(exclude_unset=True)
        return msgspec.structs.replace(limits, **given.pop("imp_travel"), **given)


class NetworkBody(BaseModel):
    """A trusted network: addresses, or an autonomous system."""

    name: Annotated[PlainText, Field(min_length=1, max_length=MAX_NETWORK_NAME_CHARACTERS)]
    cidr: Annotated[str, Field(max_length=64), AfterValidator(canonical_network)] = _ABSENT
    asn: Annotated[WholeNumber, Field(ge=1, le=MAX_ASN)] = _ABSENT

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if len(self.model_fields_set & {"cidr", "asn"}) != 1:
            raise ValueError("must have either cidr or asn")
        return self

    def network(self) -> TrustedNetwork:
        """Return the same network as a record of the domain."""
        return TrustedNetwork(name=self.name, cidr=self.cidr, asn=self.asn)


class NetworksBody(BaseModel):
    """All trusted networks of the account."""

    networks: Annotated[list[NetworkBody], Field(max_length=MAX_NETWORKS)]


DETECTION = TypeAdapter(DetectionBody)
NETWORKS = TypeAdapter(NetworksBody)


class DetectionRoutes:
    """The handlers of the limits and of the trusted networks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        return success(
            rendered_limits(await self._services.store.read(caller.account_id, lambda tx: tx.detection.limits()))
        )

    async def update(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, DetectionBody)
        before = await self._services.store.read(caller.account_id, lambda tx: tx.detection.limits())
        limits = body.over(before)
        await set_detection(self._services, caller.account_id, caller.actor, limits)
        return success(rendered_limits(limits))

    async def networks(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        found = await self._services.store.read(caller.account_id, lambda tx: tx.detection.networks())
        return success({"networks": msgspec.to_builtins(found)})

    async def set_networks(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, NetworksBody)
        networks = tuple(dict.fromkeys(one.network() for one in body.networks))
        await set_networks(self._services, caller.account_id, caller.actor, networks)
        return success({"networks": msgspec.to_builtins(networks)})


def rendered_limits(limits: TravelLimits) -> dict[str, Any]:
    """Return the settings as a response of the API."""
    members = msgspec.structs.asdict(limits)
    lateness = members.pop("lateness_hours")
    return {"imp_travel": members, "lateness_hours": lateness}
