"""Any other receiver with OpenID Shared Signals. It creates its own streams."""

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
        "Create a credential for the receiver: {credentials}.",
        "Configure the receiver with this transmitter's configuration URL: {well_known_url}",
        "Configure the receiver with the credential. It then creates its own stream, with push or poll delivery.",
        "Return to this page and send a test event.",
    ),
)
