"""What a row of the table of receiver products says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from riskrelay.core.integrations import NO_LIMITS, DeliveryLimits, IntegrationType
from riskrelay.core.keys import Algorithm
from riskrelay.core.risk.assessment import LevelChange

Members = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImplicitStream:
    """The stream that every integration of a product has from the start, for receivers that create none.

    Attributes:
        events_path: added to the tenant URL; SETs are pushed there.
        event_type: the URI of the one event type that the stream carries.
        level_change: the members of that event for a level change of a subject.
        verification: the members of that event when an operator tests the connection, for a subject, at a time.
    """

    events_path: str
    event_type: str
    level_change: Callable[[LevelChange, Mapping[str, Any]], Members]
    verification: Callable[[Mapping[str, Any], datetime], Members]

    def endpoint_url(self, tenant_url: str) -> str:
        """Return where the SETs of an integration are pushed.

        A final slash of the tenant URL does not double: the tenant is echoed byte for byte, the path is ours.
        """
        return tenant_url.rstrip("/") + self.events_path


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginAudience:
    """The rule of a product whose receivers expect the origin of their URL, in its usual spelling, as the audience.

    Attributes:
        tenant: what the tenant URL belongs to, such as "an Okta org".
    """

    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A receiver product: one row of PRODUCTS.

    Attributes:
        name: in sentences.
        label: where it is one of several to choose from.
        summary: what the command line says about the type.
        tenant_url_hint: what the tenant URL of such an integration is.
        algorithms: with which its SETs can be signed; the first one is that of a new integration.
        implicit_stream: None: its receivers create streams.
        audience: None: its receivers may expect any audience.
        limits: of delivery to a new integration.
        delivered_note: what "delivered" does not mean for it, a sentence; empty when there is nothing to say.
        setup_steps: what to do at the receiver, in order. `**…**` is strong and `*…*` emphasized; `{tenant_url}`,
            `{well_known_url}` and `{credentials}` (a link to the page) are filled in.
    """

    integration_type: IntegrationType
    name: str
    label: str
    summary: str
    tenant_url_hint: str
    algorithms: tuple[Algorithm, ...]
    setup_steps: Sequence[str]
    implicit_stream: ImplicitStream | None = None
    audience: OriginAudience | None = None
    limits: DeliveryLimits = NO_LIMITS
    delivered_note: str = ""
