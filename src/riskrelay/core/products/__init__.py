"""The receiver products: one table, PRODUCTS, with a row for each integration type.

A new product is a member of `IntegrationType` and a row here. A new kind of event is also a new event type
(`ssf.event_types`).
"""

from collections.abc import Mapping

from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import IntegrationType
from riskrelay.core.keys import Algorithm
from riskrelay.core.products.okta import OKTA
from riskrelay.core.products.rows import ImplicitStream, Product
from riskrelay.core.products.ssf import SSF

_ROWS = (OKTA, SSF)

PRODUCTS: Mapping[IntegrationType, Product] = {row.integration_type: row for row in _ROWS}
"""By integration type, in the order in which people are offered them; the first one is the default."""

DEFAULT_PRODUCT = _ROWS[0]


def implicit_stream_of(integration_type: IntegrationType) -> ImplicitStream:
    """Return the fixed configuration of the implicit stream of this integration type.

    Raises: LookupError: the type has no implicit stream; its receivers create streams.
    """
    found = PRODUCTS[integration_type].implicit_stream
    if found is None:
        raise LookupError(f"an integration of type {integration_type} has no implicit stream")
    return found


def require_algorithm(integration_type: IntegrationType, algorithm: Algorithm) -> None:
    """Refuse an algorithm that the receiver product does not support.

    Raises: Invalid.
    """
    product = PRODUCTS[integration_type]
    if algorithm not in product.algorithms:
        message = f"must be {' or '.join(product.algorithms)}; {product.name} does not support other algorithms"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "/signing_algorithm", message)])
