"""What the SDKs repeat by themselves takes effect once, and they wait as long as they are told.

A proxy between SDK and service loses answers that the service has given already: the client cannot know that it did.
"""

from typing import Any

import pytest
from starlette.responses import Response

from riskrelay.core.errors import Unavailable
from riskrelay.web.account_api import envelope, problem_table
from riskrelay.web.account_api.problem_table import Problem
from support.proxy import Answer, Exchange, Loss, Proxy
from support.retrying import RETRIES, Outcome, Sdk, call, calls
from support.sdk_world import World
from support.service import Service

also_async = pytest.mark.parametrize("sdk", ["python", "python_async", "typescript"], indirect=True)


def equal_requests(exchanges: list[Exchange]) -> bool:
    return len({(exchange.method, exchange.path, exchange.body) for exchange in exchanges}) == 1


def integrations(service: Service) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = service.result("GET", "/integrations")
    return listed


@also_async
@pytest.mark.parametrize("loss", [Loss.RESET, Loss.CLOSED])
def test_a_repeated_create_makes_one_record(service: Service, proxy: Proxy, sdk: Sdk, loss: Loss) -> None:
    """Contract 8: the SDK marks its second try, which has the same body, so it gets the record of the first."""
    proxy.misbehave(loss)
    outcome = call(sdk, "create", proxy, service)
    assert proxy.statuses() == [200, 200]
    assert equal_requests(proxy.exchanges)
    assert integrations(service) == [outcome.result]
    assert outcome.result["reference_id"] == "once"


@also_async
def test_a_second_create_is_not_answered_with_the_record_of_the_first(service: Service, proxy: Proxy, sdk: Sdk) -> None:
    """Terraform's create_before_destroy: a new call with the same body is refused, so it deletes nothing."""
    (first, second) = calls(sdk, ["create", "create"], proxy, service)
    assert proxy.statuses() == [200, 400]
    assert second == Outcome(None, "BadRequestError")
    assert integrations(service) == [first.result]


def test_a_create_without_reference_id_that_is_repeated_makes_two(service: Service, proxy: Proxy, sdk: Sdk) -> None:
    """A repeat cannot be told from a second integration of the same tenant (docs/choices.md): both are listed."""
    proxy.misbehave(Loss.RESET)
    outcome = call(sdk, "create_without_reference", proxy, service)
    assert proxy.statuses() == [200, 200]
    first, second = integrations(service)
    assert second == outcome.result
    assert first["tenant_url"] == second["tenant_url"]


def test_the_sdks_mark_a_repeat_but_do_not_say_of_what(service: Service, proxy: Proxy, sdk: Sdk) -> None:
    """The retry count is all there is: no idempotency key, no id of the request (docs/choices.md)."""
    proxy.misbehave(Loss.RESET)
    call(sdk, "create", proxy, service)
    first, second = (exchange.headers for exchange in proxy.exchanges)
    assert (first["x-stainless-retry-count"], second["x-stainless-retry-count"]) == ("0", "1")
    assert {name for name, value in second.items() if first.get(name) != value} == {"x-stainless-retry-count"}
    assert not any("idempotency" in name for name in first)


def test_a_repeated_update_is_one_update(service: Service, world: World, proxy: Proxy, sdk: Sdk) -> None:
    """The second PUT finds what the first one wrote, and writes the same."""
    proxy.misbehave(Loss.RESET)
    outcome = call(sdk, "update", proxy, service, world.integration["id"])
    assert proxy.statuses() == [200, 200]
    assert integrations(service) == [outcome.result]
    assert outcome.result == {**world.integration, "active": False, "tenant_url": "https://new.example"}


def test_a_repeated_delete_finds_nothing_left(service: Service, world: World, proxy: Proxy, sdk: Sdk) -> None:
    """A retried DELETE gets a 404, so the SDK raises NotFoundError although its first attempt succeeded (contract
    10)."""
    proxy.misbehave(Loss.RESET)
    outcome = call(sdk, "delete", proxy, service, world.integration["id"])
    assert proxy.statuses() == [200, 404]
    assert outcome == Outcome(None, "NotFoundError")
    assert integrations(service) == []


def test_a_repeated_reset_is_one_reset(service: Service, world: World, proxy: Proxy, sdk: Sdk) -> None:
    """Contract 21: a user who has no risk can be reset again; there is one change of level."""
    proxy.misbehave(Loss.RESET)
    assert call(sdk, "reset", proxy, service, world.user_id) == Outcome({}, None)
    assert proxy.statuses() == [200, 200]
    assert service.result("GET", "/summary")["users"] == []


def test_a_repeated_change_of_behaviors_is_one_change(service: Service, proxy: Proxy, sdk: Sdk) -> None:
    """The second PUT merges the same."""
    proxy.misbehave(Loss.RESET)
    outcome = call(sdk, "set_behaviors", proxy, service)
    assert proxy.statuses() == [200, 200]
    assert outcome.result == service.result("GET", "/behaviors")


def test_a_repeated_finding_with_an_id_counts_once(service: Service, world: World, proxy: Proxy, sdk: Sdk) -> None:
    """The second POST is a duplicate."""
    proxy.misbehave(Loss.RESET)
    outcome = call(sdk, "record_finding", proxy, service)
    assert proxy.statuses() == [200, 200]
    assert (outcome.result["result"]["accepted"], outcome.result["result"]["duplicates"]) == (0, 1)
    assert event_count(service) == 1


def test_a_repeated_finding_without_id_counts_twice(service: Service, world: World, proxy: Proxy, sdk: Sdk) -> None:
    """Two findings of one kind about one user are no mistake; an id makes a repeat harmless (docs/choices.md)."""
    proxy.misbehave(Loss.RESET)
    outcome = call(sdk, "record_finding_without_id", proxy, service)
    assert (outcome.result["result"]["accepted"], event_count(service)) == (1, 2)


def event_count(service: Service) -> int:
    """How many findings count for the user whom the calls are about."""
    users = service.result("GET", "/summary")["users"]
    (count,) = [user["event_count"] for user in users if user["email"] == "retried@example.com"]
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("sdk", ["python", "python_async"], indirect=True)
def test_an_answer_that_is_cut_off_is_asked_for_again(service: Service, proxy: Proxy, sdk: Sdk) -> None:
    """By the Python SDK; the TypeScript SDK gives up in the middle of a body, and its user repeats."""
    proxy.misbehave(Loss.CUT)
    outcome = call(sdk, "create", proxy, service)
    assert proxy.statuses() == [200, 200]
    assert integrations(service) == [outcome.result]


@pytest.fixture
def unavailable(service: Service) -> Answer:
    """The very answer that the service gives while its database cannot be reached."""
    return answer_of(envelope.failure(Unavailable(), service.url, {}))


def answer_of(response: Response) -> Answer:
    return Answer(response.status_code, dict(response.headers), bytes(response.body))


@also_async
def test_an_unavailable_service_is_asked_again_when_it_said(
    service: Service, proxy: Proxy, sdk: Sdk, unavailable: Answer
) -> None:
    """503 with `Retry-After`: the SDK waits that long, and succeeds."""
    proxy.misbehave(unavailable)
    outcome = call(sdk, "create", proxy, service)
    assert proxy.statuses() == [503, 200]
    assert integrations(service) == [outcome.result]
    first, second = proxy.exchanges
    assert second.at - first.answered_at >= float(unavailable.headers["retry-after"])


def refusals() -> list[Problem]:
    """A row of the table of codes for each status that is the client's fault: the same request would fail again."""
    rows = [*problem_table.FAULTS.values(), *(row for row in vars(problem_table).values() if isinstance(row, Problem))]
    by_status = {row.status: row for row in rows if 400 <= row.status < 500 and row.status != 429}
    return list(by_status.values())


def test_no_refusal_is_repeated(service: Service, proxy: Proxy, sdk: Sdk) -> None:
    """Contract 5: the SDKs repeat a 408 and a 409 without `x-should-retry: false`. Each refusal comes up once."""
    rows = refusals()
    assert len(rows) >= 7
    proxy.misbehave(*(answer_of(envelope.failure_of(row, service.url)) for row in rows))
    outcomes = calls(sdk, ["list"] * len(rows), proxy, service)
    assert proxy.statuses() == [row.status for row in rows]
    assert all(outcome.error is not None for outcome in outcomes)


def test_a_failure_is_repeated_as_often_as_the_client_wants_and_then_raised(
    service: Service, proxy: Proxy, sdk: Sdk
) -> None:
    """500: whether it took effect is not known, so a repeat is right; it ends."""
    failure = answer_of(envelope.failure_of(problem_table.INTERNAL, service.url))
    proxy.misbehave(failure, failure, failure)
    assert call(sdk, "list", proxy, service) == Outcome(None, "InternalServerError")
    assert proxy.statuses() == [500] * (1 + RETRIES)
