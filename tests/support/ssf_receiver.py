"""A receiver as others would write one, for tests: it has the well-known URL and credentials, and discovers the rest.

Nothing here imports riskrelay: HTTP is the standard library's, signatures are PyJWT's.
"""

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
STREAM_UPDATED = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON and say so."""
        assert self.headers["content-type"].partition(";")[0] == "application/json", self
        return json.loads(self.body)


def fetch(
    tls: ssl.SSLContext, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request.

    Args:
        body: bytes as they are, anything else as JSON.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    given = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, {**given, **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60, context=tls) as response:
            return Answer(response.status, _lower(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class SsfReceiver:
    """The receiver of one integration.

    Args:
        token: its bearer token, if it has one already.
    """

    def __init__(self, well_known_url: str, tls: ssl.SSLContext, token: str = "") -> None:
        self.well_known_url = well_known_url
        self.tls = tls
        self.token = token

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The transmitter's configuration metadata."""
        document: dict[str, Any] = fetch(self.tls, "GET", self.well_known_url).json
        return document

    def obtain_token(self, client_id: str, client_secret: str, scope: str | None = None) -> Answer:
        """Exchange client credentials where the published metadata say so (RFC 9728, RFC 8414, RFC 6749 §4.4)."""
        resource = urlsplit(self.metadata["configuration_endpoint"])
        protected = self._document(resource, "/.well-known/oauth-protected-resource")
        issuer = urlsplit(protected["authorization_servers"][0])
        server = self._document(issuer, "/.well-known/oauth-authorization-server")
        form = {"grant_type": "client_credentials", **({} if scope is None else {"scope": scope})}
        basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        return fetch(self.tls, "POST", server["token_endpoint"], urlencode(form).encode(), headers)

    def _document(self, url: urllib.parse.SplitResult, well_known: str) -> dict[str, Any]:
        answer = fetch(self.tls, "GET", f"{url.scheme}://{url.netloc}{well_known}{url.path}")
        document: dict[str, Any] = answer.json
        return document

    def call(self, method: str, endpoint: str, body: Any = None, *, token: str | None = None, **query: str) -> Answer:
        """Call an endpoint of the metadata, or a URL.

        Args:
            token: instead of the receiver's own; empty: no Authorization header.
        """
        url = self.metadata.get(endpoint, endpoint)
        if query:
            url += "?" + urlencode(query)
        shown = self.token if token is None else token
        return fetch(self.tls, method, url, body, {"Authorization": f"Bearer {shown}"} if shown else {})

    def create_stream(self, **configuration: Any) -> dict[str, Any]:
        """Create a stream, which must succeed."""
        answer = self.call("POST", "configuration_endpoint", configuration)
        assert answer.status == 201, answer
        created: dict[str, Any] = answer.json
        return created

    def poll(self, stream: dict[str, Any], **request: Any) -> dict[str, str]:
        """Poll a stream at once, unless *request* says otherwise.

        Returns: the SETs by jti.
        """
        answer = self.call("POST", stream["delivery"]["endpoint_url"], {"returnImmediately": True, **request})
        assert answer.status == 200, answer
        sets: dict[str, str] = answer.json["sets"]
        return sets

    def events(self, stream: dict[str, Any], count: int) -> list[dict[str, Any]]:
        """The claims of the next *count* SETs of a polled stream, verified and acknowledged, in order; without the
        verification that comes unasked."""
        seen: list[dict[str, Any]] = []
        acknowledged: list[str] = []
        while len(seen) < count:
            sets = self.poll(stream, returnImmediately=False, ack=acknowledged)
            assert sets, "nothing came before the long poll ended"
            acknowledged = list(sets)
            seen += [claims for claims in map(self.verified, sets.values()) if not is_unasked(claims)]
        self.poll(stream, ack=acknowledged, maxEvents=0)
        return seen

    def verified(self, token: str) -> dict[str, Any]:
        """The claims of a SET, its signature verified with the published keys."""
        keys = fetch(self.tls, "GET", self.metadata["jwks_uri"]).json["keys"]
        by_id = {key["kid"]: jwt.PyJWK(key) for key in keys}
        header = jwt.get_unverified_header(token)
        claims: dict[str, Any] = jwt.decode(
            token, by_id[header["kid"]], algorithms=["RS256"], options={"verify_aud": False, "require": ["iss", "jti"]}
        )
        return claims


def is_unasked(claims: dict[str, Any]) -> bool:
    """Whether a SET is a verification that nobody asked for."""
    return VERIFICATION in claims["events"] and claims["events"][VERIFICATION] == {}


def only_event(claims: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type and the members of a SET's one event."""
    ((event_type, event),) = claims["events"].items()
    return event_type, event
