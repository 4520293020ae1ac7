"""The screens follow the table of receiver products."""

import html
import re
from collections.abc import Iterator

import pytest

from riskrelay.core.keys import Algorithm
from riskrelay.core.products import PRODUCTS
from riskrelay.core.products.rows import Product
from riskrelay.web.console.setup_steps import pieces
from support.service import Service
from support.visitor import Visitor

LIST = "/console/accounts/acme/integrations"


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A person who has signed in to a service of their own."""
    service = Service(tmp_path_factory.mktemp("products"))
    service.start()
    visitor = Visitor(service)
    visitor.sign_in()
    yield visitor
    service.stop()


def text_of(page: str) -> str:
    """What a person reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda row: row.integration_type.value)
def test_the_wizard_follows_the_row(visitor: Visitor, product: Product) -> None:
    """The product is offered with its hint, and what is to be done at the receiver is what its row says; settings offer
    its algorithms only."""
    new = visitor.ask("GET", f"{LIST}/new")
    assert f'value="{product.integration_type}"' in new.text
    assert f"{product.label}: {product.tenant_url_hint}." in text_of(new.text)
    tenant = f"https://{product.integration_type.lower()}.example"
    fields = {"csrf": new.csrf, "integration_type": product.integration_type.value, "tenant_url": tenant}
    made = visitor.ask("POST", LIST, {**fields, "reference_id": product.integration_type.value})
    setup = visitor.ask("GET", made.headers["Location"])
    for step in product.setup_steps:
        for piece in pieces(step):
            assert piece.text in html.unescape(setup.text)
            assert not piece.tag or f"<{piece.tag}>{piece.text or tenant}</{piece.tag}>" in html.unescape(setup.text)
    assert setup.text.count("<li>") >= len(product.setup_steps)
    assert "**" not in text_of(setup.text)
    settings = visitor.ask("GET", made.headers["Location"].replace("/setup", "/settings"))
    offered = [one for one in Algorithm if f'name="signing_algorithm" value="{one}"' in settings.text]
    assert offered == [one for one in Algorithm if one in product.algorithms]
