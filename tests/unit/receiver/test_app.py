"""The receiver as an application, over a real socket, with a transmitter that serves real documents."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from riskrelay.bench.processes import free_port
from riskrelay.receiver import Misbehaviour, SecurityEventToken, Transmitter, TransmitterUnavailable, receiver_app
from riskrelay.web.server.admission import Admission
from riskrelay.web.server.limits import Limits
from riskrelay.web.server.serving import HttpServer
from unit.receiver.transmitter_stand_in import AUDIENCE, NEXT_RSA, RSA, StandIn

TYPE = {"Content-Type": "application/secevent+jwt"}


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    await stand_in.stop()


class Handler:
    """Keeps what it was given; fails as often as told."""

    def __init__(self) -> None:
        self.seen: list[SecurityEventToken] = []
        self.failures = 0
        self.slow = asyncio.Event()
        self.slow.set()

    async def __call__(self, token: SecurityEventToken) -> None:
        await self.slow.wait()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the handler fails")
        self.seen.append(token)


@asynccontextmanager
async def running(well_known: str, handler: Handler, **options: Any) -> AsyncIterator[Callable[..., Any]]:
    """A receiver on a port of this machine.

    Yields: a function that posts to it and returns status, headers and body.
    """
    port = free_port()
    app = receiver_app(well_known_url=well_known, audience=AUDIENCE, on_event=handler, **options)
    server = HttpServer(app, Admission(Limits()))

    async with app.router.lifespan_context(app), aiohttp.ClientSession() as session:
        await server.start("127.0.0.1", port)

        async def post(body: bytes, headers: dict[str, str] = TYPE) -> tuple[int, Any, bytes]:
            url = f"http://127.0.0.1:{port}/security/api/v1/security-events"
            async with session.post(url, data=body, headers=headers) as response:
                return response.status, response.headers, await response.read()

        try:
            yield post
        finally:
            await server.stop(1)


async def test_a_set_is_handed_over_and_acknowledged(stand_in: StandIn) -> None:
    """202 without a body (RFC 8935 §2.2)."""
    handler = Handler()
    async with running(await stand_in.start(), handler) as post:
        status, _, body = await post(stand_in.fresh())
    assert (status, body) == (202, b"")
    assert [token.jti for token in handler.seen] == ["jti-1"]


async def test_a_copy_is_acknowledged_and_not_handed_over_again(stand_in: StandIn) -> None:
    """Also when it comes while the first one is being handled."""
    handler = Handler()
    async with running(await stand_in.start(), handler) as post:
        await post(stand_in.fresh("warm-up"))
        handler.slow.clear()
        both = [asyncio.create_task(post(stand_in.fresh())) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in both)
        handler.slow.set()
        assert [(await task)[0] for task in both] == [202, 202]
        assert (await post(stand_in.fresh()))[0] == 202
    assert [token.jti for token in handler.seen] == ["warm-up", "jti-1"]


async def test_what_the_handler_did_not_take_is_not_acknowledged(stand_in: StandIn) -> None:
    """500, and the next copy is handed over."""
    handler = Handler()
    handler.failures = 1
    async with running(await stand_in.start(), handler) as post:
        assert (await post(stand_in.fresh()))[0] == 500
        assert (await post(stand_in.fresh()))[0] == 202
    assert len(handler.seen) == 1


async def test_refusals_are_rfc_8935_documents(stand_in: StandIn) -> None:
    """A wrong media type, a wrong authorization and a large body get a 400 with `err` and `description`."""
    handler = Handler()
    async with running(await stand_in.start(), handler, authorization="Bearer secret") as post:
        status, headers, body = await post(stand_in.fresh())
        assert (status, headers["Content-Language"]) == (400, "en")
        assert b'"err": "authentication_failed"' in body
        good = {**TYPE, "Authorization": "Bearer secret"}
        assert b'"err": "invalid_request"' in (await post(stand_in.fresh(), {**good, "Content-Type": "text/plain"}))[2]
        assert b'"err": "invalid_request"' in (await post(b"x" * 70_000, good))[2]
        assert (await post(stand_in.fresh(), good))[0] == 202
    assert len(handler.seen) == 1


async def test_an_unknown_key_fetches_the_keys_again(stand_in: StandIn) -> None:
    """After a rotation the first SET with the new key is believed; invented kids do not hammer the transmitter."""
    handler = Handler()
    moment = [0.0]
    async with aiohttp.ClientSession() as session:
        transmitter = Transmitter(await stand_in.start(), session, lambda: moment[0])
        assert set(await transmitter.keys("rsa-1")) == {"rsa-1", "ec-1"}
        stand_in.keys = [NEXT_RSA, RSA]
        moment[0] = 10
        assert "rsa-2" in await transmitter.keys("rsa-2")
        await asyncio.gather(*(transmitter.keys(f"invented-{n}") for n in range(20)))
        assert stand_in.fetches == 2
        moment[0] = 3_700
        await asyncio.gather(*(transmitter.keys("rsa-2") for _ in range(20)))
        assert stand_in.fetches == 3
    assert handler.seen == []


async def test_short_keys_are_not_used(stand_in: StandIn) -> None:
    """IOP 1.0 §2.6: RSA keys have 2,048 bits or more; a shorter one is as good as none."""
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1_024, {"kid": "short"})
    stand_in.keys = [short, RSA]
    async with aiohttp.ClientSession() as session:
        transmitter = Transmitter(await stand_in.start(), session, lambda: 0.0)
        assert set(await transmitter.keys("rsa-1")) == {"rsa-1"}


async def test_old_keys_stay_good_while_the_transmitter_is_down(stand_in: StandIn) -> None:
    """A failed refresh is no reason to believe less than before."""
    moment = [0.0]
    async with aiohttp.ClientSession() as session:
        transmitter = Transmitter(await stand_in.start(), session, lambda: moment[0])
        await transmitter.keys("rsa-1")
        stand_in.status = 500
        moment[0] = 3_700
        assert "rsa-1" in await transmitter.keys("rsa-1")


async def test_without_keys_the_set_is_asked_for_again_later(stand_in: StandIn) -> None:
    """503 with Retry-After, so that the transmitter sends it again; the message names the URL."""
    handler = Handler()
    well_known = await stand_in.start()
    stand_in.status = 500
    async with running(well_known, handler) as post:
        status, headers, body = await post(stand_in.fresh())
        assert (status, headers["Retry-After"]) == (503, "5")
        assert well_known.encode() in body
        stand_in.status = 200
        assert (await post(stand_in.fresh()))[0] == 202
    assert len(handler.seen) == 1


async def test_metadata_that_is_none_is_named(stand_in: StandIn) -> None:
    """The URL and what is missing."""
    well_known = await stand_in.start()
    stand_in.metadata = {"issuer": stand_in.issuer}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(TransmitterUnavailable, match="jwks_uri"):
            await Transmitter(well_known, session, lambda: 0.0).keys("rsa-1")
        with pytest.raises(TransmitterUnavailable, match="cannot be fetched"):
            await Transmitter(f"http://127.0.0.1:{free_port()}", session, lambda: 0.0).keys("rsa-1")


@pytest.mark.parametrize("other", ["https://other.example/182bd5e5", "{origin}", "{origin}/182bd5e5/more", ""])
async def test_metadata_of_another_issuer_is_not_used(stand_in: StandIn, other: str) -> None:
    """SSF 1.0 §7.2.4: whoever serves metadata for an issuer that lives elsewhere is not believed; a final slash is no
    difference."""
    well_known = await stand_in.start()
    origin = stand_in.issuer.removesuffix("/182bd5e5")
    async with aiohttp.ClientSession() as session:
        stand_in.metadata["issuer"] = other.format(origin=origin)
        with pytest.raises(TransmitterUnavailable, match="whose metadata are elsewhere"):
            await Transmitter(well_known, session, lambda: 0.0).keys("rsa-1")
        stand_in.metadata["issuer"] = stand_in.issuer
        for url in (well_known, well_known + "/", well_known.replace("ssf-", "sse-")):
            assert (await Transmitter(url, session, lambda: 0.0).metadata()).issuer == stand_in.issuer
        with pytest.raises(TransmitterUnavailable, match="well-known URL"):
            await Transmitter(well_known.replace("ssf-", "risc-"), session, lambda: 0.0).metadata()


async def test_the_whole_subject_is_handed_over(stand_in: StandIn) -> None:
    """SSF 1.0 §3.6: every member of a subject of whatever format reaches the application, as do unknown fields."""
    handler = Handler()
    whole = {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "kai"},
        "tenant": {"format": "opaque", "id": "1"},
        "a_member_of_tomorrow": {"format": "email", "email": "kai@example.com"},
    }
    async with running(await stand_in.start(), handler) as post:
        for number, subject in enumerate([whole, *(member for member in whole.values() if isinstance(member, dict))]):
            token = stand_in.signed_now({"jti": str(number), "sub_id": subject, "a_claim_of_tomorrow": True})
            assert (await post(token))[0] == 202
    assert [token.sub_id for token in handler.seen] == [
        whole,
        whole["user"],
        whole["tenant"],
        whole["a_member_of_tomorrow"],
    ]
    assert handler.seen[0].claims["a_claim_of_tomorrow"] is True


async def test_large_documents_are_read_whole(stand_in: StandIn) -> None:
    """A document that arrives in many chunks is read as one. A document without an end is rejected."""
    well_known = await stand_in.start()
    async with aiohttp.ClientSession() as session:
        stand_in.metadata["padding"] = "x" * 700_000
        assert "rsa-1" in await Transmitter(well_known, session, lambda: 0.0).keys("rsa-1")
        stand_in.metadata["padding"] = "x" * 1_100_000
        with pytest.raises(TransmitterUnavailable, match="cannot be fetched"):
            await Transmitter(well_known, session, lambda: 0.0).keys("rsa-1")


async def test_a_receiver_misbehaves_on_request(stand_in: StandIn) -> None:
    """Whatever status, without looking at the SET."""
    handler = Handler()
    misbehaviour = Misbehaviour(418, timedelta(milliseconds=5))
    async with running(await stand_in.start(), handler, misbehaviour=misbehaviour) as post:
        assert (await post(b"anything"))[0] == 418
    assert handler.seen == []
