"""Raw bytes against every route of a running service: random ones, and requests that were right before they mutated.

`make soak` sends 10,000. A failing run prints its seed; RISKRELAY_SEED repeats it.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

import psutil
import pytest
from starlette.routing import Route

from riskrelay.ports import Store
from riskrelay.web.app import create_app
from support.contract import DOCUMENT, examples
from support.inhabited import what_is_there
from support.service import Service
from support.services import services_of
from support.transmitting import transmitting_of
from support.wire import Answer, exchange

REQUESTS = 10_000 if os.environ.get("RISKRELAY_SOAK") else 1_000
THREADS = 8
MOST_GROWTH_BYTES = 64 * 1024 * 1024  # guessed: room for caches; a leak of 7 KB a request exceeds it in a soak
ENVELOPED = ("/accounts/", "/client/v4/", "/installation/", "/user/")
SERVERS_OWN = {400, 408, 414, 431}  # what the HTTP server answers by itself: no body

ODD = b'{}[]",:\\\0\x7f\xff0eE-+.nN'  # what JSON, HTTP and UTF-8 are particular about


@dataclass(frozen=True)
class Shot:
    """A request as bytes.

    Attributes:
        path: of the route it is meant for.
        sound: whether it is well-formed HTTP, so that the application must see it.
        has_random_method: whether the method is none that the server must know.
    """

    raw: bytes
    path: str
    sound: bool
    has_random_method: bool = False


class Gun:
    """Makes requests, all from one seed."""

    def __init__(self, seed: int, routes: list[Route], known: dict[str, str]) -> None:
        self._random = random.Random(seed)
        self._routes = routes
        self._known = known
        self._ways: list[Callable[[Route], Shot]] = [
            self._random_body,
            self._mutated_body,
            self._random_parameters,
            self._random_headers,
            self._random_method,
            self._mutated_request,
            self._garbage,
        ]

    def shots(self, count: int) -> Iterator[Shot]:
        """*count* requests: every route in turn, in every way in turn."""
        for number in range(count):
            route = self._routes[number % len(self._routes)]
            yield self._ways[number // len(self._routes) % len(self._ways)](route)

    def _bytes(self, most: int) -> bytes:
        return self._random.randbytes(self._random.randint(0, most))

    def _path(self, route: Route) -> bytes:
        filled = route.path_format
        for name in route.param_convertors:
            filled = filled.replace(f"{{{name}}}", self._known.get(name, "x"))
        return filled.encode()

    def _request(self, route: Route, method: str, target: bytes, body: bytes, *headers: bytes) -> bytes:
        token = self._known["receiver_token" if route.path.startswith("/ssf/") else "token"]
        kind = self._random.choice(["application/json"] * 4 + ["application/x-ndjson", "text/plain", ""])
        lines = [
            method.encode() + b" " + target + b" HTTP/1.1",
            b"Host: 127.0.0.1",
            b"Connection: close",
            b"Authorization: Bearer " + token.encode(),
            b"Content-Type: " + kind.encode(),
            b"Content-Length: %d" % len(body),
            *headers,
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _method(self, route: Route) -> str:
        return self._random.choice(sorted((route.methods or set()) - {"HEAD"}))

    def _example(self, route: Route, method: str) -> bytes:
        path = route.path_format.removeprefix("/client/v4")
        operation = DOCUMENT["paths"].get(path, {}).get(method.lower(), {})
        content = operation.get("requestBody", {}).get("content", {})
        found = [example for kind in content.values() for example in examples(kind)]
        if not found:
            return b"{}"
        example = self._random.choice(found)
        return example.encode() if isinstance(example, str) else json.dumps(example).encode()

    def _mutated(self, text: bytes) -> bytes:
        mutable = bytearray(text)
        for _ in range(self._random.randint(1, 6)):
            place = self._random.randint(0, len(mutable))
            match self._random.randint(0, 3):
                case 0:
                    mutable[place:place] = self._bytes(8)
                case 1:
                    del mutable[place : place + self._random.randint(1, 12)]
                case 2:
                    mutable[place : place + 1] = bytes([self._random.choice(ODD)])
                case _:
                    mutable[place:place] = mutable[place : place + 20] * self._random.randint(1, 40)
        return bytes(mutable)

    def _random_body(self, route: Route) -> Shot:
        return Shot(self._request(route, self._method(route), self._path(route), self._bytes(2_000)), route.path, True)

    def _mutated_body(self, route: Route) -> Shot:
        method = self._method(route)
        body = self._mutated(self._example(route, method))
        return Shot(self._request(route, method, self._path(route), body), route.path, True)

    def _random_parameters(self, route: Route) -> Shot:
        target = route.path_format
        for name in route.param_convertors:
            if name != "account_id" or self._random.random() < 0.2:
                target = target.replace(f"{{{name}}}", quote_from_bytes(self._bytes(40) or b"x", safe=""))
        query = quote_from_bytes(self._bytes(60), safe="=&%")
        method = self._method(route)
        filled = target.replace("{account_id}", self._known["account_id"]) + "?" + query
        raw = self._request(route, method, filled.encode(), self._example(route, method))
        return Shot(raw, route.path, True)

    def _random_headers(self, route: Route) -> Shot:
        names = [
            b"Accept",
            b"Range",
            b"If-None-Match",
            b"X-Auth-Key",
            b"X-Forwarded-For",
            b"Content-Encoding",
            b"Cookie",
        ]
        odd = [
            self._random.choice(names) + b": " + bytes(b for b in self._bytes(80) if b >= 32 and b != 127)
            for _ in range(self._random.randint(1, 5))
        ]
        method = self._method(route)
        raw = self._request(route, method, self._path(route), self._example(route, method), *odd)
        return Shot(raw, route.path, True)

    def _random_method(self, route: Route) -> Shot:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcxyz-!#$&*+.^_`|~0123456789"
        method = "".join(self._random.choices(letters, k=self._random.randint(1, 12)))
        request = self._request(route, method, self._path(route), b"")
        return Shot(request, route.path, True, has_random_method=True)

    def _mutated_request(self, route: Route) -> Shot:
        method = self._method(route)
        raw = self._request(route, method, self._path(route), self._example(route, method))
        return Shot(self._mutated(raw), route.path, False)

    def _garbage(self, route: Route) -> Shot:
        return Shot(self._bytes(3_000) + b"\r\n\r\n", route.path, False)


def verdict(shot: Shot, answer: Answer | None) -> str | None:
    """What is wrong with an answer; None when nothing is."""
    if answer is None:
        return "no answer" if shot.sound else None
    # 501 is right where the bytes at the place of a method are none that the server knows (RFC 9110 section 9.1).
    has_known_method = shot.sound and not shot.has_random_method
    if answer.status >= 500 and (has_known_method or answer.status != 501):
        return f"{answer.status}"
    if not answer.body and answer.status in SERVERS_OWN and "server" not in answer.headers:
        return "the application was not asked" if shot.sound else None
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if shot.sound and shot.path.startswith(ENVELOPED) and not _is_envelope(answer):
        return "no envelope"
    if kind == "application/json":
        json.loads(answer.body)
        return None
    return None if kind in ("text/html", "text/plain") or not answer.body else f"of type {kind}"


def _is_envelope(answer: Answer) -> bool:
    try:
        return bool(answer.envelope)
    except (AssertionError, ValueError):
        return False


@pytest.fixture
async def routes(sqlite_store: Store) -> list[Route]:
    """Every route of the application."""
    app = create_app(services_of(sqlite_store), transmitting_of(), "https://risk.example.com", lambda _app: None)  # type: ignore[arg-type, return-value]
    return [route for route in app.routes if isinstance(route, Route)]


@pytest.mark.soak
def test_raw_bytes_never_hurt(routes: list[Route], tmp_path: Path) -> None:
    """Every answer has its form, none is a 5xx, none fails to come; the service is well afterwards, and not larger."""
    seed = int(os.environ.get("RISKRELAY_SEED") or random.randrange(2**32))
    print(f"RISKRELAY_SEED={seed}")
    service = Service(tmp_path)
    service.start()
    try:
        gun = Gun(seed, routes, what_is_there(service))
        bombard(service, list(gun.shots(REQUESTS // 4)))
        assert service.process is not None
        process = psutil.Process(service.process.pid)
        before = process.memory_info().rss, process.num_fds()
        bombard(service, list(gun.shots(REQUESTS)))
        after = process.memory_info().rss, process.num_fds()
        assert after[0] - before[0] < MOST_GROWTH_BYTES
        assert after[1] - before[1] < 2 * THREADS
        assert service.get("/healthz") == b"ok\n"
        assert b"\nriskrelay_ledger_imbalance 0.0\n" in service.get("/metrics")
        service.create_integration("https://afterwards.example.com")
        assert "request_failed" not in service.log.read_text()
    finally:
        service.stop()


def bombard(service: Service, shots: list[Shot]) -> None:
    """Send all, several at once; fail with those whose answers are wrong."""
    port = int(service.settings["RISKRELAY_PORT"])
    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(lambda shot: exchange(port, shot.raw, end=not shot.sound, seconds=90), shots)
        wrong = [
            (problem, shot.raw[:400], answer)
            for shot, answer in zip(shots, answers, strict=True)
            if (problem := verdict(shot, answer)) is not None
        ]
    if wrong:
        pytest.fail("\n\n".join(str(entry) for entry in wrong[:4]))
