"""A transmitter's documents over real HTTP, and SETs signed with its keys."""

import asyncio
import json
import ssl
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

ISSUER = "https://risk.example.com/182bd5e5"
AUDIENCE = "https://receiver.example.com"
NOW = datetime(2026, 3, 17, 12, 0, tzinfo=UTC)
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
NEXT_RSA = RSAKey.generate_key(2048, {"kid": "rsa-2"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1"})
SECRET = OctKey.generate_key(256, {"kid": "rsa-1"})

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "jti": "jti-1",
    "iat": int(NOW.timestamp()) - 1,
    "txn": "txn-1",
    "sub_id": {"format": "email", "email": "kai@example.com"},
    "events": {"https://schemas.example/event": {"current_level": "high"}},
}
HEADER = {"alg": "RS256", "kid": "rsa-1", "typ": "secevent+jwt"}

Key = RSAKey | ECKey | OctKey


def signed(claims: Any = CLAIMS, header: dict[str, Any] | None = None, key: Key = RSA) -> bytes:
    """A compact JWS over *claims* (bytes as they are)."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    algorithms = ["RS256", "ES256", "HS256", "PS256"]
    return jws.serialize_compact(header or HEADER, payload, key, algorithms=algorithms).encode()


def without(name: str) -> dict[str, Any]:
    """The claims but one."""
    return {key: value for key, value in CLAIMS.items() if key != name}


class StandIn:
    """Serves metadata and keys, and counts how often they are fetched; answers polls as told.

    Attributes:
        issuer: it calls itself so once it listens.
        answers: to the next polls, status and body each; after the last one a poll waits for ever.
        polls: the polls it got.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = [RSA, EC]
        self.fetches = 0
        self.status = 200
        self.metadata: dict[str, Any] = {}
        self.issuer = ""
        self.answers: list[tuple[int, Any]] = []
        self.polls: list[tuple[Any, Any]] = []
        self.all_polled = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def poll_url(self) -> str:
        return self.issuer.replace("182bd5e5", "poll")

    def fresh(self, jti: str = "jti-1", **header: Any) -> bytes:
        """A SET of its own, issued now; *header* names the next key."""
        return self.signed_now({"jti": jti}, **header)

    def signed_now(self, claims: dict[str, Any], **header: Any) -> bytes:
        """A SET of its own with other claims, issued now."""
        now = int(datetime.now(UTC).timestamp())
        whole = {**CLAIMS, "iss": self.issuer, "iat": now, **claims}
        return signed(whole, {**HEADER, **header}, NEXT_RSA if header else RSA)

    async def start(self, tls: ssl.SSLContext | None = None) -> str:
        """Listen.

        Returns: the well-known URL.
        """
        app = web.Application()
        app.router.add_get("/.well-known/{path:.*}", self._metadata)
        app.router.add_get("/jwks.json", self._jwks)
        app.router.add_post("/poll", self._poll)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        scheme = "http" if tls is None else "https"
        origin = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"
        self.issuer = f"{origin}/182bd5e5"
        self.metadata = {"issuer": self.issuer, "jwks_uri": f"{origin}/jwks.json", "spec_version": "1_0"}
        return f"{origin}/.well-known/ssf-configuration/182bd5e5"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response(self.metadata, status=self.status)

    async def _poll(self, request: web.Request) -> web.Response:
        self.polls.append((dict(request.headers), await request.json()))
        if not self.answers:
            self.all_polled.set()
            await asyncio.Event().wait()
        status, body = self.answers.pop(0)
        return web.json_response(body, status=status)

    async def _jwks(self, request: web.Request) -> web.Response:
        self.fetches += 1
        listed = [key.as_dict(private=False) for key in self.keys]
        return web.json_response({"keys": [*listed, {"kty": "OKP", "kid": "unused"}]}, status=self.status)
