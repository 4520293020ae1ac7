"""The configuration endpoint (SSF 1.0 §8.1.1), over both engines."""

from typing import Any

import pytest

from riskrelay.actions.streams import MAX_STREAMS
from riskrelay.core.ssf.access import ReceiverScope
from support.receiver_world import ENDPOINT, POLL, PUSH, RISK, ReceiverWorld, receiver_world
from support.world import OTHER

ABSENT = "00000000-0000-4000-8000-999999999999"


async def test_a_stream_is_made_read_changed_replaced_and_deleted(world: ReceiverWorld) -> None:
    """The whole life: 201, 200, 200, 200, 204, and then 404."""
    made = await world.push_stream()
    stream_id = made["stream_id"]
    assert (made["iss"], made["aud"]) == (world.integration.issuer, "https://receiver.example.com")
    assert made["events_delivered"] == [RISK]
    read = await world.call("GET", "/streams", stream_id=stream_id)
    assert (read.status_code, read.json(), read.headers["cache-control"]) == (200, made, "no-store")
    changed = await world.call("PATCH", "/streams", {"stream_id": stream_id, "description": "mine"})
    assert changed.json() == {**made, "description": "mine"}
    replaced = await world.call("PUT", "/streams", {"stream_id": stream_id, "events_requested": [RISK]})
    assert "description" not in replaced.json()
    assert replaced.json()["delivery"]["method"] == POLL
    deleted = await world.call("DELETE", "/streams", stream_id=stream_id)
    assert (deleted.status_code, deleted.content, deleted.headers["cache-control"]) == (204, b"", "no-store")
    for method in ("GET", "DELETE"):
        assert (await world.call(method, "/streams", stream_id=stream_id)).status_code == 404
    for method in ("PATCH", "PUT"):
        assert (await world.call(method, "/streams", {"stream_id": stream_id})).status_code == 404


async def test_all_streams_are_listed_oldest_first_without_the_implicit_ones(world: ReceiverWorld) -> None:
    """§8.1.1.2: an empty array when there is none; an Okta integration's own stream is nobody's to manage."""
    assert (await world.call("GET", "/streams")).json() == []
    made = [await world.create(description=str(n)) for n in range(3)]
    assert (await world.call("GET", "/streams")).json() == made
    streams = await world.services.store.read(world.integration.account_id, lambda tx: tx.streams.taking_events())
    (implicit,) = [stream for stream in streams if stream.is_implicit]
    assert (await world.call("GET", "/streams", stream_id=implicit.stream_id)).status_code == 404
    assert (await world.call("DELETE", "/streams", stream_id=implicit.stream_id)).status_code == 404


async def test_a_second_identical_create_makes_a_second_stream(world: ReceiverWorld) -> None:
    """§8.1.1.1: a transmitter that supports several streams answers a new stream_id."""
    one, two = await world.push_stream(), await world.push_stream()
    assert one["stream_id"] != two["stream_id"]


async def test_there_are_only_so_many_streams(world: ReceiverWorld) -> None:
    """403 says so; deleted ones do not count."""
    made = [await world.create() for _ in range(MAX_STREAMS)]
    refused = await world.call("POST", "/streams", {})
    assert refused.status_code == 403
    assert str(MAX_STREAMS) in refused.json()["error_description"]
    await world.call("DELETE", "/streams", stream_id=made[0]["stream_id"])
    assert (await world.call("POST", "/streams", {})).status_code == 201


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("POST", b""),
        ("POST", b"{"),
        ("POST", b"[]"),
        ("POST", b'{"delivery": 1, "delivery": 2}'),
        ("POST", {"delivery": {"method": PUSH}}),
        ("POST", {"delivery": {"method": PUSH, "endpoint_url": "http://receiver.example.com"}}),
        ("POST", {"delivery": {"method": PUSH, "endpoint_url": "https://127.0.0.1/events"}}),
        ("POST", {"delivery": {"method": PUSH, "endpoint_url": "https://[::1]/events"}}),
        ("POST", {"delivery": {"method": PUSH, "endpoint_url": "https://2130706433/events"}}),
        ("POST", {"delivery": {"method": PUSH, "endpoint_url": "https://user:secret@receiver.example.com"}}),
        ("POST", {"aud": "https://elsewhere.example.com"}),
        ("PATCH", b"{"),
        ("PATCH", {}),
        ("PATCH", {"stream_id": 5}),
        ("PUT", {"description": "no stream_id"}),
        ("DELETE", None),
    ],
)
async def test_what_cannot_be_understood_is_a_400_that_says_what_to_do(
    world: ReceiverWorld, method: str, body: Any
) -> None:
    """The error has the form of RFC 6749 §5.2, and no stream is created."""
    answer = await world.call(method, "/streams", body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert answer.json()["error_description"]
    assert (await world.call("GET", "/streams")).json() == []


async def test_a_wrong_transmitter_supplied_member_changes_nothing(world: ReceiverWorld) -> None:
    """§8.1.1.3, §8.1.1.4."""
    made = await world.push_stream()
    for method in ("PATCH", "PUT"):
        body = {**made, "aud": "https://elsewhere.example.com", "description": "changed"}
        answer = await world.call(method, "/streams", body)
        assert (answer.status_code, answer.json()["error_description"].startswith("aud: ")) == (400, True)
    assert (await world.call("GET", "/streams", stream_id=made["stream_id"])).json() == made


CALLS = [
    ("POST", "/streams", {}, False),
    ("GET", "/streams", None, True),
    ("PATCH", "/streams", {"stream_id": ABSENT}, False),
    ("PUT", "/streams", {"stream_id": ABSENT}, False),
    ("DELETE", f"/streams?stream_id={ABSENT}", None, False),
    ("GET", f"/streams?stream_id={ABSENT}", None, True),
    ("GET", f"/status?stream_id={ABSENT}", None, True),
    ("POST", "/status", {"stream_id": ABSENT, "status": "enabled"}, False),
    ("POST", "/subjects:add", {"stream_id": ABSENT, "subject": {"format": "opaque", "id": "1"}}, False),
    ("POST", "/subjects:remove", {"stream_id": ABSENT, "subject": {"format": "opaque", "id": "1"}}, False),
    ("POST", "/verify", {"stream_id": ABSENT}, False),
    ("POST", f"/poll/{ABSENT}", {}, False),
]


@pytest.mark.parametrize(("method", "path", "body", "reads"), CALLS)
async def test_no_token_a_wrong_one_and_too_little_scope(
    world: ReceiverWorld, method: str, path: str, body: Any, reads: bool
) -> None:
    """401, 401, and 403 where ssf.read is not enough; an unknown stream is a 404."""
    assert (await world.call(method, path, body, token="unknown")).status_code == 401
    reader = await world.new_token(ReceiverScope.READ)
    assert (await world.call(method, path, body, token=reader)).status_code == (
        403 if not reads else 404 if "=" in path else 200
    )
    if ABSENT in f"{path} {body}":
        unknown = await world.call(method, path, body)
        assert unknown.status_code == 404
        assert unknown.json()["error"] == "not_found"


async def test_a_receiver_sees_its_own_integrations_streams_only(world: ReceiverWorld) -> None:
    """With another integration's token 401 on every endpoint; another integration's stream is a 404 like none."""
    made = await world.create()
    async with receiver_world(world.services, OTHER) as other:
        for method, path, body, _ in CALLS:
            named = {**body, "stream_id": made["stream_id"]} if body and "stream_id" in body else body
            asked = path.replace(ABSENT, made["stream_id"])
            assert (await world.call(method, asked, named, token=other.token)).status_code == 401
            answer = await other.call(method, asked, named)
            if made["stream_id"] in f"{asked} {named}":
                assert answer.status_code == 404, (method, path)
    assert (await world.call("GET", "/streams")).json() == [made]


async def test_the_read_scope_does_not_show_the_authorization_header(world: ReceiverWorld) -> None:
    """`ssf.read` sees the stream without the secret, alone and in the list; `ssf.manage` sees it."""
    made = await world.push_stream(authorization_header="Bearer hush-hush")
    reader = await world.new_token(ReceiverScope.READ)
    for query in ({"stream_id": made["stream_id"]}, {}):
        answer = await world.call("GET", "/streams", token=reader, **query)
        assert answer.status_code == 200
        shown = answer.json() if query else answer.json()[0]
        assert shown["delivery"] == {"method": PUSH, "endpoint_url": ENDPOINT}
        assert "hush" not in answer.text
    manager = await world.call("GET", "/streams", stream_id=made["stream_id"])
    assert manager.json()["delivery"] == made["delivery"]


async def test_an_authorization_header_is_shown_to_its_receiver_only(world: ReceiverWorld) -> None:
    """In full to the receiver that set it; nowhere in the account API."""
    made = await world.push_stream(authorization_header="Bearer hush-hush")
    assert made["delivery"] == {"method": PUSH, "endpoint_url": ENDPOINT, "authorization_header": "Bearer hush-hush"}
    body = {"stream_id": made["stream_id"], "delivery": {"method": PUSH, "endpoint_url": ENDPOINT}}
    changed = await world.call("PATCH", "/streams", body)
    assert changed.json()["delivery"] == {"method": PUSH, "endpoint_url": ENDPOINT}


async def test_the_metadata_names_every_endpoint(world: ReceiverWorld) -> None:
    """SSF 1.0 §7.1: all are below the issuer's origin, and each answers a receiver."""
    issuer = world.integration.integration_id
    for path in (f"/.well-known/ssf-configuration/{issuer}", f"/.well-known/ssf-configuration/{issuer}/"):
        answer = await world.client.get(path)
        assert answer.status_code == 200
    metadata = answer.json()
    assert metadata["delivery_methods_supported"] == [PUSH, POLL]
    assert all(value not in ([], "", None) for value in metadata.values())
    for name in ("configuration", "status", "add_subject", "remove_subject", "verification"):
        url = metadata[f"{name}_endpoint"]
        headers = {"Authorization": f"Bearer {world.token}"}
        refused = await world.client.post(url, content=b"{", headers=headers)
        assert refused.status_code == 400


async def test_a_receiver_is_answered_in_the_form_in_which_it_writes(world: ReceiverWorld) -> None:
    """An `aud` in an array and RISC's older delivery, as Apple Business Manager and duo-labs' receiver send them, come
    back so from every endpoint; an empty stream_id is ignored."""
    audience = world.integration.tenant_url
    delivery = {"method": "https://schemas.openid.net/secevent/risc/delivery-method/push", "url": ENDPOINT}
    made = await world.create(stream_id="", aud=[audience], delivery=delivery)
    changed = await world.call("PATCH", "/streams", {"stream_id": made["stream_id"], "description": "x"})
    (listed,) = (await world.call("GET", "/streams")).json()
    for shown in (made, changed.json(), listed):
        assert (shown["aud"], shown["delivery"]) == ([audience], delivery)
    polled = {"delivery_method": "https://schemas.openid.net/secevent/risc/delivery-method/poll", "url": None}
    body = {"stream_id": made["stream_id"], "aud": audience, "delivery": polled}
    shown = (await world.call("PUT", "/streams", body)).json()
    assert (shown["aud"], shown["delivery"]["delivery_method"]) == (audience, polled["delivery_method"])
    assert (await world.call("GET", "/streams", stream_id=made["stream_id"])).json() == shown
    assert (
        await world.call(
            "POST",
            shown["delivery"]["url"].partition(f"{world.integration.integration_id}")[2],
            {"returnImmediately": True},
        )
    ).status_code == 200
