"""Authenticate receivers by the bearer token in a request's header only."""

from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request

from riskrelay.actions.receiver_credentials import authenticate_receiver
from riskrelay.core.credentials import hash_token
from riskrelay.core.errors import Forbidden, UnknownToken
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.ssf.access import CredentialId, Receiver, ReceiverScope
from riskrelay.ports import Services
from riskrelay.web.auth import show_allowance
from riskrelay.web.client_address import client_address
from riskrelay.web.failed_authentication import FailedAuthentication
from riskrelay.web.transmitter.refusals import BearerRefusal

_MAX_TOKEN_CHARACTERS = 512
_NOTHING_SENT = "send Authorization: Bearer TOKEN; get a token from the token endpoint, or ask the operator"
_MALFORMED = "send exactly one Authorization: Bearer TOKEN header; a token has no spaces and at most 512 characters"
_IN_QUERY = "send the token in the Authorization header (Authorization: Bearer TOKEN), not as access_token in the query"
_UNKNOWN = (
    "this token is unknown, expired or revoked; get a new one from the token endpoint of this integration, "
    "or ask the operator"
)
_NO_SCOPE = "this token does not allow this request; get a token with the scope in the challenge"


async def receiver_of(request: Request, services: Services, scope: ReceiverScope) -> Receiver:
    """Authenticate the receiver of the path's integration, and check that its token allows *scope*.

    Raises: BearerRefusal: 400, 401 or 403 with its challenge; RateLimited; Unavailable.
    Rule: RFC 6750 §2.1, §3.1; RFC 9728 §5.1; IOP 1.0 §2.7.3 (header only, never the query).
    """
    integration_id = IntegrationId(request.path_params["integration_id"])
    failures: FailedAuthentication = request.app.state.failed_authentication
    shown = hash_token(request.headers.get("authorization", ""))
    await failures.check(request, shown)
    try:
        token = _presented(request)
        if "\0" in integration_id:  # PostgreSQL stores no NUL, so no id has one
            raise UnknownToken
        receiver = await authenticate_receiver(services, integration_id, token, scope)
        failures.accepted(shown)
        show_allowance(request, services.rate_limits.spend(holder_of(receiver.credential_id)))
        return replace(receiver, address=client_address(request))
    except _Unusable as error:
        status, code, description = (
            (401, None, _NOTHING_SENT) if error.nothing else (400, "invalid_request", str(error))
        )
    except UnknownToken:
        status, code, description = 401, "invalid_token", _UNKNOWN
    except Forbidden:
        status, code, description = 403, "insufficient_scope", _NO_SCOPE
    if status != 403:  # the challenge below costs a query, even for a request without a token
        failures.refused(request, shown)
    attributes = await _attributes(request, services, integration_id)
    raise BearerRefusal(status, code, description, {"scope": scope.value, **attributes})


def holder_of(credential_id: CredentialId) -> bytes:
    """Whom a receiver's requests are counted for: its credential, whichever of its access tokens it shows."""
    return credential_id.encode()


class _Unusable(Exception):
    """The request has no token, or has it in the wrong place."""

    def __init__(self, description: str = "", *, nothing: bool = False) -> None:
        super().__init__(description)
        self.nothing = nothing


def _presented(request: Request) -> str:
    if "access_token" in request.query_params:
        raise _Unusable(_IN_QUERY)
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise _Unusable(_MALFORMED)
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    if scheme.lower() != "bearer":  # also another scheme: RFC 6750 §3.1, an unsupported method is no error of the token
        raise _Unusable(nothing=True)
    token = token.strip(" ")
    if not token or len(token) > _MAX_TOKEN_CHARACTERS or any(not "!" <= c <= "~" for c in token):
        raise _Unusable(_MALFORMED)
    return token


async def _attributes(request: Request, services: Services, integration_id: IntegrationId) -> dict[str, str]:
    """Return the attribute with the URL of the resource's metadata. An unknown integration has none."""
    found: Integration | None = None
    if "\0" not in integration_id:
        found = await services.store.read_installation(lambda tx: tx.integration(integration_id))
    if found is None:
        return {}
    return {"resource_metadata": f"{found.public_origin}/.well-known/oauth-protected-resource{quoted_path(request)}"}


def quoted_path(request: Request) -> str:
    """Return the path, percent-encoded, so that it cannot end a quoted string or a header."""
    return quote(request.url.path, safe="/:")
