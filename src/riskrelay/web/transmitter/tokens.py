"""The token endpoint: client credentials in, a short-lived access token out. Rule: RFC 6749 §3.2, §4.4."""

import hmac
from base64 import b64decode
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2 import BackendApplicationServer, RequestValidator
from oauthlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidRequestError,
)
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.receiver_credentials import issue_access_token
from riskrelay.core.credentials import hash_token
from riskrelay.core.errors import UnknownToken
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.access import (
    AccessToken,
    CredentialId,
    ReceiverCredential,
    ReceiverScope,
    access_token_life,
    is_current,
)
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import read_body
from riskrelay.web.auth import show_allowance
from riskrelay.web.failed_authentication import FailedAuthentication
from riskrelay.web.transmitter.auth import holder_of
from riskrelay.web.transmitter.refusals import refusal

_PREFIX = "rra_"  # for secret scanners
_MAX_BYTES = 16 * 1024  # guessed: a form of four short members
_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1
_NO_CLIENT = "send client_id and client_secret in the Authorization: Basic header or in the body"
_TWO_METHODS = "send the client's credentials once: either in the Authorization: Basic header or in the body"
_UNKNOWN_CLIENT = (
    "the client is unknown, expired or revoked, or the secret is wrong; check client_id, client_secret and the URL "
    "of the token endpoint, or ask the operator for new credentials"
)
_HINTS = {
    "invalid_request": "send grant_type=client_credentials in the body, and each parameter once",
    "unsupported_grant_type": "send grant_type=client_credentials; other grant types are not supported",
    "invalid_scope": "request only scopes that this client has; to get all of them, omit scope",
}


class TokenRoutes:
    """The handler of the token endpoint. oauthlib validates the grant; this class reads requests and stores tokens."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def token(self, request: Request) -> Response:
        """Issue an access token to the integration's OAuth client, or refuse it with the reason."""
        integration_id = IntegrationId(request.path_params["integration_id"])
        try:
            form = await _form_of(request)
            client_id, secret = _presented(form)
            client = await self._checked(request, integration_id, client_id, secret)
            show_allowance(request, self._services.rate_limits.spend(holder_of(client.credential_id)))
            return await self._granted(form, client)
        except (InvalidRequestError, InvalidClientError) as error:  # raised by this module, with its own message
            if isinstance(error, InvalidClientError):
                request.app.state.refused_authentication.note(request, UnknownToken())
            return _refused(error.status_code, error.error, error.description)

    async def _checked(
        self, request: Request, integration_id: IntegrationId, client_id: str, secret: str
    ) -> ReceiverCredential:
        """Return the client, unless its address has too many refused credentials."""
        failures: FailedAuthentication = request.app.state.failed_authentication
        shown = hash_token(f"{integration_id} {client_id} {secret}")
        await failures.check(request, shown)
        try:
            client = await self._authenticated(integration_id, client_id, secret)
        except InvalidClientError:
            failures.refused(request, shown)
            raise
        failures.accepted(shown)
        return client

    async def _authenticated(self, integration_id: IntegrationId, client_id: str, secret: str) -> ReceiverCredential:
        client = None
        if "\0" not in integration_id + client_id:  # PostgreSQL takes none
            client = await self._services.store.read_installation(
                lambda tx: tx.receivers.client(integration_id, CredentialId(client_id))
            )
        if client is None or not hmac.compare_digest(client.secret_hash, hash_token(secret)):
            raise InvalidClientError(_UNKNOWN_CLIENT)
        if not is_current(client.expires_at, self._services.clock.now()):
            raise InvalidClientError(_UNKNOWN_CLIENT)
        return client

    async def _granted(self, form: OAuthRequest, client: ReceiverCredential) -> Response:
        now = self._services.clock.now()
        life = access_token_life(client, now)
        token = _PREFIX + self._services.ids.secret()
        validator = _OneClient(client)
        server = BackendApplicationServer(
            validator, token_generator=lambda _request: token, token_expires_in=int(life.total_seconds())
        )
        _, body, status = server.create_token_response(form.uri, "POST", form.body, form.headers)
        if validator.granted is None:
            return _refused(status, msgspec.json.decode(body)["error"])
        stored = AccessToken(
            account_id=client.account_id,
            integration_id=client.integration_id,
            credential_id=client.credential_id,
            token_hash=hash_token(token),
            scopes=validator.granted,
            expires_at=now + life,
        )
        try:
            await issue_access_token(self._services, stored)
        except UnknownToken:  # revoked in this very moment
            raise InvalidClientError(_UNKNOWN_CLIENT) from None
        return Response(body, status, _NO_STORE, media_type="application/json")


class _OneClient(RequestValidator):
    """Answers oauthlib's questions about the one client that has authenticated.

    Attributes:
        client_id: oauthlib reads it.
        granted: the scopes of the token, once oauthlib has decided to give one.
    """

    def __init__(self, client: ReceiverCredential) -> None:
        self._client = client
        self.client_id = client.credential_id
        self.granted: frozenset[ReceiverScope] | None = None

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        request.client = self
        return True

    def validate_grant_type(self, client_id: Any, grant_type: Any, *args: Any, **kwargs: Any) -> bool:
        return bool(grant_type == "client_credentials")

    def get_default_scopes(self, *args: Any, **kwargs: Any) -> list[str]:
        return sorted(self._client.scopes)

    def validate_scopes(self, client_id: Any, scopes: Collection[str], *args: Any, **kwargs: Any) -> bool:
        return set(scopes) <= self._client.scopes

    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        self.granted = frozenset(ReceiverScope(word) for word in request.scopes)


async def _form_of(request: Request) -> OAuthRequest:
    """Return the request for oauthlib. Each parameter must occur once (RFC 6749 §3.2)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise InvalidRequestError(f"send the parameters in the body, with Content-Type: {_FORM}")
    if request.url.query:
        raise InvalidRequestError("send the parameters in the body, not in the query")
    body = (await read_body(request, _MAX_BYTES)).decode("ascii", "replace")
    form = OAuthRequest(request.url.path, "POST", body, dict(request.headers))
    if form.decoded_body is None:
        raise InvalidRequestError(f"the body is not {_FORM}")
    if form.duplicate_params or len(request.headers.getlist("authorization")) > 1:
        raise InvalidRequestError("send each parameter and the Authorization header at most once")
    return form


def _presented(form: OAuthRequest) -> tuple[str, str]:
    """Return the client's id and secret. Rule: RFC 6749 §2.3.1: one method only.

    Raises: InvalidRequestError: both methods; InvalidClientError: neither.
    """
    header = form.headers.get("Authorization")
    if header is None:
        if not form.client_id or not form.client_secret:
            raise InvalidClientError(_NO_CLIENT)
        return form.client_id, form.client_secret
    client_id, secret = _basic(header)
    if form.client_secret is not None or form.client_id not in (None, client_id):
        raise InvalidRequestError(_TWO_METHODS)
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        client_id, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise InvalidClientError(_NO_CLIENT) from None
    if scheme.lower() != "basic" or not colon:
        raise InvalidClientError(_NO_CLIENT)
    return unquote_plus(client_id), unquote_plus(secret)


def _refused(status: int, error: str, description: str | None = None) -> Response:
    """Refuse a token.

    Args:
        description: None: the general description of *error*. oauthlib's own messages are never shown.

    Rule: RFC 6749 §5.2; a 401 names the scheme that the client may use.
    """
    headers = dict(_NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="riskrelay", charset="UTF-8"'
    return refusal(status, error, description or _HINTS.get(error, _HINTS["invalid_request"]), headers)
