"""Adding and removing subjects (SSF 1.0 §8.1.3), over both engines."""

from typing import Any

import pytest

from riskrelay.core.signals import for_changes
from support.receiver_world import VERIFICATION, ReceiverWorld, event_of
from support.world import ACCOUNT, finding, record

KAI = {"format": "email", "email": "kai@example.com"}
ANA = {"format": "email", "email": "ana@example.com"}


async def say(world: ReceiverWorld, verb: str, stream_id: str, subject: Any, **more: Any) -> int:
    answer = await world.call("POST", f"/subjects:{verb}", {"stream_id": stream_id, "subject": subject, **more})
    assert answer.status_code >= 400 or answer.content == b""
    return answer.status_code


async def heard(world: ReceiverWorld, stream_id: str) -> list[str]:
    """About whom events came since the last call."""
    sets = await world.drain(stream_id)
    return [claims["sub_id"]["email"] for claims in sets if event_of(claims)[0] != VERIFICATION]


async def test_everybody_is_heard_until_removed_and_again_when_added(world: ReceiverWorld) -> None:
    """default_subjects ALL: 204 for removing, 200 for adding, both as often as one likes."""
    stream_id = (await world.create())["stream_id"]
    await record(world.services, finding("kai@example.com"), finding("ana@example.com"))
    assert await heard(world, stream_id) == ["kai@example.com", "ana@example.com"]
    assert [await say(world, "remove", stream_id, KAI) for _ in range(2)] == [204, 204]
    await record(world.services, finding("kai@example.com", "imp_travel"), finding("ana@example.com", "imp_travel"))
    assert await heard(world, stream_id) == ["ana@example.com"]
    assert [await say(world, "add", stream_id, KAI, verified=True) for _ in range(2)] == [200, 200]
    await record(world.services, finding("kai@example.com", "high_dlp"))
    assert await heard(world, stream_id) == ["kai@example.com"]


async def test_known_and_unknown_subjects_are_answered_alike(world: ReceiverWorld) -> None:
    """§9.1: nobody learns whom we know."""
    stream_id = (await world.create())["stream_id"]
    await record(world.services, finding("kai@example.com"))
    for subject in (KAI, ANA, {"format": "opaque", "id": "nobody"}, {"format": "complex", "tenant": KAI}):
        assert await say(world, "add", stream_id, subject) == 200
        assert await say(world, "remove", stream_id, subject) == 204


async def test_a_removal_is_of_one_stream_only(world: ReceiverWorld) -> None:
    """Other streams of the same receiver, and the Okta integration's, go on."""
    one, two = (await world.create())["stream_id"], (await world.create())["stream_id"]
    await say(world, "remove", one, KAI)
    await record(world.services, finding("kai@example.com"))
    assert (await heard(world, one), await heard(world, two)) == ([], ["kai@example.com"])


async def test_a_streams_own_subject_cannot_be_removed(world: ReceiverWorld) -> None:
    """§8.1.4.1: it is always on the stream; removing it is answered like any other and changes nothing."""
    stream_id = (await world.create())["stream_id"]
    await world.drain(stream_id)
    assert await say(world, "remove", stream_id, {"format": "opaque", "id": stream_id}) == 204
    assert (await world.call("POST", "/verify", {"stream_id": stream_id})).status_code == 204
    assert [event_of(claims)[0] for claims in await world.drain(stream_id)] == [VERIFICATION]


async def test_one_is_added_out_of_a_wider_removal(world: ReceiverWorld) -> None:
    """A tenant is removed, and one of its users added again: the later word counts."""
    stream_id = (await world.create())["stream_id"]
    tenant = {"format": "opaque", "id": "t"}
    await say(world, "remove", stream_id, {"format": "complex", "tenant": tenant})
    await say(world, "add", stream_id, {"format": "complex", "tenant": tenant, "user": KAI})
    (stream,) = [
        stream
        for stream in await world.services.store.read(ACCOUNT, lambda tx: tx.streams.taking_events())
        if stream.stream_id == stream_id
    ]
    assert stream.subjects.accepts({"format": "complex", "tenant": tenant, "user": KAI})
    assert not stream.subjects.accepts({"format": "complex", "tenant": tenant, "user": ANA})
    assert stream.subjects.accepts(KAI)
    assert for_changes([], [stream], world.services.ids.uuid) == []


@pytest.mark.parametrize(
    "subject",
    [None, "kai@example.com", {}, {"format": "email"}, {"format": "telepathy", "id": "1"}, {"format": "complex"}],
)
async def test_an_invalid_subject_is_a_400(world: ReceiverWorld, subject: Any) -> None:
    """Each invalid subject of RFC 9493 gets a 400 that names the fault."""
    stream_id = (await world.create())["stream_id"]
    for verb in ("add", "remove"):
        assert await say(world, verb, stream_id, subject) == 400
        assert (await world.call("POST", f"/subjects:{verb}", {"stream_id": stream_id})).status_code == 400
