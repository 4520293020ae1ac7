"""What a refused request of a receiver leaves behind, over both engines."""

import re
from typing import Any

from structlog.testing import capture_logs

from riskrelay.actions.tokens import create_token
from riskrelay.core.credentials import COMMAND_LINE, Scope
from support.receiver_world import ReceiverWorld, receiver_world
from support.world import ACCOUNT, OTHER

BAD = {"delivery": {"method": "carrier pigeon"}}


async def refused_requests(world: ReceiverWorld) -> list[dict[str, Any]]:
    """What the health of the receiver's integration shows."""
    integration = world.integration
    found = await world.services.store.read(
        integration.account_id, lambda tx: tx.refused_requests.by_integration(integration.integration_id)
    )
    return [
        {"operation": one.operation.value, "status": one.status, "error": one.error, "message": one.message}
        for one in found.get(integration.integration_id, ())
    ]


async def counts(world: ReceiverWorld) -> dict[tuple[str, str], float]:
    text = await world.services.metrics.exposition(None, world.services.store.load(), writable=True)
    found = re.findall(rb'riskrelay_receiver_refusals_total\{error="(\w+)",operation="(\w+)"\} (\S+)', text)
    return {(operation.decode(), error.decode()): float(count) for error, operation, count in found}


async def test_a_refused_create_is_counted_logged_and_shown_until_one_succeeds(world: ReceiverWorld) -> None:
    """The log names integration, operation and error, and nothing of what the receiver sent."""
    with capture_logs() as lines:
        for _ in range(2):
            assert (await world.call("POST", "/streams", BAD)).status_code == 400
    assert await counts(world) == {("create", "invalid_request"): 2}
    logged = [line for line in lines if line["event"] == "receiver_refused"]
    assert [(line["log_level"], line["integration_id"], line["operation"], line["error"]) for line in logged] == [
        ("info", world.integration.integration_id, "create", "invalid_request")
    ] * 2
    assert "pigeon" not in str(lines)
    (shown,) = await refused_requests(world)
    assert (shown["operation"], shown["status"], shown["error"]) == ("create", 400, "invalid_request")
    assert "delivery.method" in shown["message"]
    await world.create()
    assert await refused_requests(world) == []


async def test_each_operation_has_its_last_refusal(world: ReceiverWorld) -> None:
    """A bad token, an unknown stream, a wrong poll, a path that does not exist, a client that is unknown."""
    stream_id = (await world.create())["stream_id"]
    await world.call("GET", "/streams", token="wrong")
    await world.call("PATCH", "/streams", {"stream_id": "unknown"})
    await world.call("POST", f"/poll/{stream_id}", {"maxEvents": -1})
    await world.call("POST", "/stream", {})
    await world.call("POST", "/token", b"grant_type=client_credentials")
    shown = {one["operation"]: (one["status"], one["error"]) for one in await refused_requests(world)}
    assert shown == {
        "read": (401, "invalid_token"),
        "update": (404, "not_found"),
        "poll": (400, "invalid_request"),
        "other": (404, "not_found"),
        "token": (400, "invalid_request"),
    }
    await world.poll(stream_id)
    assert "poll" not in {one["operation"] for one in await refused_requests(world)}


async def test_few_are_logged_and_stored_and_all_are_counted(world: ReceiverWorld) -> None:
    """Sixty a minute; strangers do not use up what receivers have."""
    with capture_logs() as lines:
        for _ in range(70):
            await world.call("GET", "/streams", token="wrong")
        await world.call("POST", "/streams", BAD)
    logged = [line["operation"] for line in lines if line["event"] == "receiver_refused"]
    assert logged == ["read"] * 60 + ["create"]
    assert await counts(world) == {("read", "invalid_token"): 70, ("create", "invalid_request"): 1}


async def test_an_unknown_integration_is_counted_and_not_stored(world: ReceiverWorld) -> None:
    """Nor does an id that nothing can have fail."""
    for named in ("unknown", "x" * 300, "%00", "%FF"):
        answer = await world.client.post(f"/ssf/{named}/streams", json={})
        assert answer.status_code in (401, 404), answer
    assert await refused_requests(world) == []


async def test_accounts_see_their_own(world: ReceiverWorld) -> None:
    """Health of all integrations lists only the account's."""
    await world.call("POST", "/streams", BAD)
    async with receiver_world(world.services, OTHER) as other:
        assert await refused_requests(other) == []


async def test_health_says_it_in_a_sentence(world: ReceiverWorld) -> None:
    """GET …/health has the operation, the time, and a sentence for people."""
    await world.call("POST", "/streams", BAD)
    token, _ = await create_token(world.services, ACCOUNT, COMMAND_LINE, "t", frozenset({Scope.READ}))
    base = f"/accounts/{ACCOUNT}/zt_risk_scoring"
    headers = {"Authorization": f"Bearer {token}"}
    for path in (f"/integrations/{world.integration.integration_id}/health", "/health"):
        result = (await world.client.get(base + path, headers=headers)).json()["result"]
        health = next(
            one
            for one in (result if isinstance(result, list) else [result])
            if one["integration_id"] == world.integration.integration_id
        )
        (refused,) = health["refused_requests"]
        assert refused["message"].startswith("The receiver's last create was rejected (400, ")
