"""The row type of the table of receiver products."""

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
        """Return the URL to which the SETs of an integration are pushed.

        A final slash of the tenant URL is not doubled.
        """
        return tenant_url.rstrip("/") + self.events_path


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginAudience:
    """The rule of a product whose receivers expect the origin of their URL, in its usual spelling, as the audience.

    Attributes:
        tenant: the owner of the tenant URL, such as "an Okta org".
    """

    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A receiver product: one row of PRODUCTS.

    Attributes:
        name: the name in sentences.
        label: the name in a list of choices.
        summary: the description of the type in the command line.
        tenant_url_hint: the description of the tenant URL of such an integration.
        algorithms: the algorithms that can sign its SETs; the first one is that of a new integration.
        implicit_stream: None: its receivers create streams.
        audience: None: its receivers may expect any audience.
        limits: the limits of delivery to a new integration.
        delivered_note: a sentence on the limits of "delivered" for this product; empty: no limits.
        setup_steps: the steps at the receiver, in order. `**…**` is strong and `*…*` emphasized; `{tenant_url}`,
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
