"""How long each phase of a push took, as both push clients measure it."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from socket import EAI_NONAME, gaierror

from msgspec import structs

from riskrelay.bench.processes import free_port
from riskrelay.core.ssf.outcomes import NO_PHASES, Phases
from support.certificates import new_authority
from support.receivers import OK, TOKEN, answer, push_client, receiver

ZERO = timedelta(0)


def had(phases: Phases) -> set[str]:
    """The phases that there were; each took some time."""
    found = {name: duration for name, duration in phases._asdict().items() if duration is not None}
    assert all(duration > ZERO for duration in found.values())
    return set(found)


async def test_a_kept_connection_has_none_but_the_first_byte(tmp_path: Path) -> None:
    """The first push over TLS has all four, the next one only waits for the answer."""
    authority = new_authority(tmp_path)
    async with (
        receiver(tls=authority.server("receiver.test")) as it,
        push_client(deadline=20, trust_ca=authority.path, resolve=lambda _: ["127.0.0.1"]) as client,
    ):
        first, second = [await client.push(f"https://receiver.test:{it.port}/", TOKEN) for _ in range(2)]
    assert had(first.phases) == {"dns", "connect", "tls", "first_byte"}
    assert had(second.phases) == {"first_byte"}
    # What became of it does not depend on how long it took.
    assert structs.replace(first, phases=NO_PHASES) == structs.replace(second, phases=NO_PHASES)


async def test_plain_http_to_an_address_has_neither_dns_nor_tls() -> None:
    """There is nothing to look up and no handshake."""
    async with receiver() as it, push_client() as client:
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert had(outcome.phases) == {"connect", "first_byte"}


async def test_the_first_byte_is_measured_before_the_rest() -> None:
    """Of interim answers the first counts; a refusal has its phases too."""
    raw = b"HTTP/1.1 103 Hints\r\n\r\n" + answer("500 Oops", b"x")
    async with receiver(answer=raw) as it, push_client() as client:
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert outcome.status == 500
    assert had(outcome.phases) == {"connect", "first_byte"}


async def test_what_did_not_end_is_absent() -> None:
    """No name: nothing. Nobody listens: the lookup. No answer: no first byte; half of one: a first byte."""

    def resolve(host: str) -> Sequence[str]:
        if host == "nowhere.example":
            raise gaierror(EAI_NONAME, "no such name")
        return ["127.0.0.1"]

    async with push_client(deadline=0.3, resolve=resolve) as client:
        nowhere = await client.push("http://nowhere.example/", TOKEN)
        refused = await client.push(f"http://a.example:{free_port()}/", TOKEN)
        async with receiver(answer=b"", then="hang") as it:
            silent = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        async with receiver(answer=OK[:9], then="hang") as it:
            half = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert had(nowhere.phases) == set()
    assert had(refused.phases) == {"dns"}
    assert (silent.reason, had(silent.phases)) == ("timeout", {"connect"})
    assert (half.reason, had(half.phases)) == ("timeout", {"connect", "first_byte"})


async def test_the_phases_are_those_of_the_retry_on_a_new_connection() -> None:
    """If a kept connection was closing, the push is retried on a new one, and its phases are reported."""
    async with receiver(answers_per_connection=1) as it, push_client() as client:
        outcomes = [await client.push(f"http://127.0.0.1:{it.port}/", TOKEN) for _ in range(2)]
    assert it.connections == 2
    assert had(outcomes[1].phases) == {"connect", "first_byte"}
