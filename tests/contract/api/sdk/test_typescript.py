"""Every risk-scoring method of the official TypeScript SDK: the program in `../typescript` reports, this file expects.

The program fits the published types (or it does not compile) and checks at run time that the answers do too.
"""

import json

import pytest

from riskrelay.core.credentials import Scope
from support.node import NodeProject
from support.sdk_world import TENANT, USER, make_world
from support.service import Service

METHODS = [
    "behaviours.get",
    "behaviours.update",
    "get",
    "integrations.create",
    "integrations.create with all parameters",
    "integrations.delete",
    "integrations.get",
    "integrations.list",
    "integrations.references.get",
    "integrations.update",
    "integrations.update with all parameters",
    "reset",
    "summary.get",
    "user.tokens.verify",
]
WAYS = ["plain", "asResponse", "withResponse", "one request", "email and key"]
FACTS = [
    *(f"{method}: {way}" for method in METHODS for way in WAYS),
    "the table holds every method of the SDK",
    "integrations.list: for await",
    "integrations.list: one page and no next one",
    "integrations.list: by the tree-shakable client",
    "NotFoundError: get",
    "NotFoundError: reset",
    "NotFoundError: integrations.get",
    "NotFoundError: integrations.update",
    "NotFoundError: integrations.delete",
    "NotFoundError: integrations.references.get",
    "BadRequestError: integration_type in lower case",
    "BadRequestError: tenant_url that is none",
    "BadRequestError: a token of impossible form",
    "AuthenticationError: a token that nobody has",
    "PermissionDeniedError: a token of another account",
    "PermissionDeniedError: a token that only reads",
]


@pytest.fixture(scope="module")
def reported(shared_service: Service, typescript: NodeProject) -> dict[str, str | None]:
    """What the program found: of each fact, why it does not hold, or None."""
    world = make_world(shared_service)
    given = {
        "base_url": f"{shared_service.url}/client/v4",
        "account_id": world.account_id,
        "token": shared_service.token,
        "token_that_only_reads": shared_service.new_token(world.account_id, Scope.READ),
        "token_of_another_account": shared_service.new_token("another"),
        "user_id": world.user_id,
        "email": USER["email"],
        "tenant_url": TENANT,
        "integration": world.integration,
    }
    lines = [json.loads(line) for line in typescript.run("facts", json.dumps(given)).splitlines()]
    return {line["fact"]: line["failure"] for line in lines}


def test_the_program_reports_these_facts_and_no_others(reported: dict[str, str | None]) -> None:
    """A fact that is not run is not proven."""
    assert sorted(reported) == sorted(FACTS)


@pytest.mark.parametrize("fact", FACTS)
def test_the_typescript_sdk_finds(reported: dict[str, str | None], fact: str) -> None:
    """One fact of the program."""
    assert reported[fact] is None, reported[fact]
