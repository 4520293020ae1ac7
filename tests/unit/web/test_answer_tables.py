"""Every error of the domain has an answer that somebody chose, on every surface."""

from collections.abc import Collection

import pytest

from riskrelay.core.errors import Invalid, RiskrelayError
from riskrelay.web.account_api import problems
from riskrelay.web.console import failures
from riskrelay.web.transmitter import refusals

TABLES: dict[str, Collection[type[Exception]]] = {
    "account API": {*problems._BY_ERROR, Invalid},  # each fault of an Invalid has a row of its own
    "receivers' endpoints": refusals._BY_ERROR,
    "console": failures._BY_ERROR,
}


def below(kind: type[RiskrelayError]) -> list[type[RiskrelayError]]:
    """Return every error class of the product below *kind*."""
    children = [child for child in kind.__subclasses__() if child.__module__.startswith("riskrelay.")]
    return [*children, *(grandchild for child in children for grandchild in below(child))]


@pytest.mark.parametrize("kind", below(RiskrelayError), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("surface", TABLES)
def test_every_error_class_has_a_row_of_its_own(surface: str, kind: type[RiskrelayError]) -> None:
    """A class that is added to the tree needs a row in all three tables; inheriting one is not enough."""
    assert kind in TABLES[surface]
