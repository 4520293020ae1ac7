"""Any other receiver that speaks OpenID Shared Signals: it creates its own streams."""

from riskrelay.core.integrations import IntegrationType
from riskrelay.core.keys import Algorithm
from riskrelay.core.products.rows import Product

SSF = Product(
    integration_type=IntegrationType.SSF,
    name="A Shared Signals receiver",
    label="Another Shared Signals receiver",
    summary="a Shared Signals receiver that creates its own streams",
    tenant_url_hint="its base URL",
    algorithms=(Algorithm.RS256, Algorithm.ES256),
    setup_steps=(
        "Issue the receiver a credential: {credentials}.",
        "Give the receiver this transmitter's configuration URL: {well_known_url}",
        "Give it the credential. It makes its stream by itself, by push or by poll.",
        "Come back here and send a test event.",
    ),
)
