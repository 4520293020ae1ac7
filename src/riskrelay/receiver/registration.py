"""A receiver's stream at a transmitter: create it, have it verified, delete it (SSF 1.0 §8.1)."""

import asyncio
import time
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

import aiohttp
import msgspec

from riskrelay.receiver.transmitter import TransmitterUnavailable, fetch_metadata, read_body

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
CAEP_EVENTS = tuple(
    f"https://schemas.openid.net/secevent/caep/event-type/{name}"
    for name in (
        "session-revoked",
        "token-claims-change",
        "credential-change",
        "assurance-level-change",
        "device-compliance-change",
        "session-established",
        "session-presented",
        "risk-level-change",
    )
)

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_MAX_BYTES = 1024 * 1024
_EARLY_SECONDS = 60  # chosen: a token is renewed so long before it ends
_DEFAULT_LIFE_SECONDS = 300  # guessed: for a token response without expires_in (recommended by RFC 6749 §5.1)
_SHOWN_CHARACTERS = 500  # of an answer that is no JSON


class RegistrationRefused(Exception):
    """The transmitter refuses the stream. The message contains the request and the response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCredentials:
    """The credentials from the transmitter's operator: a token, or an OAuth client.

    Attributes:
        token: a static bearer token; None: an access token is requested with the client's id and secret.
        token_endpoint: None: the endpoint in the transmitter's metadata.
        scope: the requested scope. Rule: IOP 1.0 §2.7.2.
    """

    token: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    token_endpoint: str | None = None
    scope: str = "ssf.manage"


class StreamRegistration:
    """Manages one stream at a transmitter.

    Args:
        well_known_url: of the transmitter.
    """

    def __init__(self, session: aiohttp.ClientSession, well_known_url: str, credentials: StreamCredentials) -> None:
        self._session = session
        self._url = well_known_url
        self._credentials = credentials
        self._metadata: Mapping[str, Any] = {}
        self._token = credentials.token
        self._token_ends = float("inf") if credentials.token is not None else float("-inf")
        self._lock = asyncio.Lock()
        self.stream: Mapping[str, Any] = {}

    @property
    def audience(self) -> str:
        """The `aud` of the stream's SETs; the first of several."""
        aud = self.stream.get("aud")
        return str(aud[0] if isinstance(aud, list) and aud else aud)

    @property
    def poll_url(self) -> str:
        """Where the SETs of a polled stream are fetched."""
        return str(self.stream["delivery"]["endpoint_url"])

    async def create(
        self, delivery: Mapping[str, str], events: Sequence[str] = CAEP_EVENTS, description: str = "riskrelay receive"
    ) -> None:
        """Create the stream.

        Args:
            delivery: such as `{"method": PUSH, "endpoint_url": …, "authorization_header": …}` or `{"method": POLL}`.
            events: the event types to ask for.

        Raises: RegistrationRefused; TransmitterUnavailable.
        Rule: SSF 1.0 §8.1.1.1.
        """
        self._metadata = await fetch_metadata(self._session, self._url)
        body = {"delivery": delivery, "events_requested": list(events), "description": description}
        stream = await self._call("POST", self._endpoint("configuration_endpoint"), body, expected=(200, 201))
        if not isinstance(stream, dict) or "stream_id" not in stream:
            raise RegistrationRefused(f"{self._endpoint('configuration_endpoint')} returned no stream")
        self.stream = stream

    async def verify(self, state: str) -> None:
        """Ask for a verification event.

        Raises: RegistrationRefused. Rule: SSF 1.0 §8.1.4.2.
        """
        body = {"stream_id": self.stream["stream_id"], "state": state}
        await self._call("POST", self._endpoint("verification_endpoint"), body, expected=(200, 202, 204))

    async def delete(self) -> None:
        """Delete the stream.

        Raises: RegistrationRefused. Rule: SSF 1.0 §8.1.1.5.
        """
        endpoint = self._endpoint("configuration_endpoint")
        query = urlencode({"stream_id": self.stream["stream_id"]})
        separator = "&" if "?" in endpoint else "?"
        await self._call("DELETE", f"{endpoint}{separator}{query}", None, expected=(200, 204))

    async def token(self) -> str:
        """Return a bearer token that is good for a while; a new one is asked for before the old one ends.

        Raises: RegistrationRefused; TransmitterUnavailable.
        """
        async with self._lock:
            if self._token is None or time.monotonic() > self._token_ends:
                await self._renew_token()
            return self._token or ""

    async def _renew_token(self) -> None:
        """Request an access token. Rule: RFC 6749 §4.4, client_secret_basic."""
        client_id, secret = self._credentials.client_id, self._credentials.client_secret
        if client_id is None or secret is None:
            raise RegistrationRefused("registering at the transmitter requires a token, or a client's id and secret")
        url = self._credentials.token_endpoint or await self._find_token_endpoint()
        basic = b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()
        form = {"grant_type": "client_credentials"}
        if self._credentials.scope:
            form["scope"] = self._credentials.scope
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        status, answer, _ = await self._exchange("POST", url, urlencode(form).encode(), headers)
        if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            raise RegistrationRefused(f"the token endpoint {url} returned {status}: {_said(answer)}")
        self._token = answer["access_token"]
        life = answer.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) else _DEFAULT_LIFE_SECONDS
        self._token_ends = time.monotonic() + max(seconds - _EARLY_SECONDS, seconds / 2)

    async def _find_token_endpoint(self) -> str:
        """Find the token endpoint: the challenge names the protected resource, which names its authorization server.

        Rule: RFC 9728 §5.1, §3; RFC 8414 §3.
        """
        issuer = str(self._metadata.get("issuer", ""))
        _, _, headers = await self._exchange("GET", self._endpoint("configuration_endpoint"), None, {})
        resource = _quoted(headers.get("WWW-Authenticate", ""), "resource_metadata")
        if resource is not None:
            _, document, _ = await self._exchange("GET", resource, None, {})
            servers = document.get("authorization_servers") if isinstance(document, dict) else None
            issuer = str(servers[0]) if isinstance(servers, list) and servers else issuer
        try:
            parts = urlsplit(issuer)
        except ValueError:
            raise RegistrationRefused(
                f"the authorization server {issuer} is not a URL; set the token endpoint"
            ) from None
        for name in ("oauth-authorization-server", "openid-configuration"):
            path = f"/.well-known/{name}{parts.path.rstrip('/')}"
            status, document, _ = await self._exchange(
                "GET", urlunsplit((parts.scheme, parts.netloc, path, "", "")), None, {}
            )
            if status == 200 and isinstance(document, dict) and isinstance(document.get("token_endpoint"), str):
                return str(document["token_endpoint"])
        raise RegistrationRefused(
            f"the metadata of {issuer} has no token endpoint; set the token endpoint, or use a token"
        )

    def _endpoint(self, name: str) -> str:
        endpoint = self._metadata.get(name)
        if not isinstance(endpoint, str):
            raise RegistrationRefused(
                f"the transmitter's metadata has no {name}; ask its operator to create the stream"
            )
        return endpoint

    async def _call(self, method: str, url: str, body: Mapping[str, Any] | None, *, expected: Collection[int]) -> Any:
        headers = {"Authorization": f"Bearer {await self.token()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else msgspec.json.encode(body)
        status, answer, _ = await self._exchange(method, url, content, headers)
        if status not in expected:
            raise RegistrationRefused(f"{method} {url} returned {status}: {_said(answer)}")
        return answer

    async def _exchange(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send one request.

        Returns: the status, the response as JSON or otherwise as text, and its headers.
        """
        whole = {"Accept": "application/json", **headers}
        try:
            async with self._session.request(
                method, url, data=content, headers=whole, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                text = await read_body(response, _MAX_BYTES)
                return response.status, _read(text), response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransmitterUnavailable(
                f"{url} cannot be reached ({type(error).__name__}); check that it runs"
            ) from error


def _read(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else ""
    except msgspec.DecodeError:
        return body.decode(errors="replace")[:_SHOWN_CHARACTERS]


def _said(answer: Any) -> str:
    """Return the message of a refusal, in the forms that transmitters use."""
    if isinstance(answer, dict):
        named = [answer.get(name) for name in ("error", "err", "error_description", "description", "message")]
        said = ": ".join(str(one) for one in named if one)
        return said or msgspec.json.encode(answer).decode()[:_SHOWN_CHARACTERS]
    return str(answer) or "nothing more"


def _quoted(challenge: str, name: str) -> str | None:
    """Return a parameter of a WWW-Authenticate challenge.

    >>> _quoted('Bearer realm="x", resource_metadata="https://a.example/y"', "resource_metadata")
    'https://a.example/y'
    """
    _, found, rest = challenge.partition(f'{name}="')
    return rest.partition('"')[0] if found else None
