"""Requests of sessions, and the check that forms come from the console's own pages."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request

from riskrelay.core.credentials import Actor, Scope, Session
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.web.account_api.bodies import read_body

MAX_FORM_BYTES = 256 * 1024  # guessed: the longest form has a URL and a reason in it
_MAX_FIELDS = 500  # guessed: a form has some twenty

Form = ImmutableMultiDict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of a session.

    Attributes:
        account_id: the account of the path; None: a page of no account.
        csrf: the CSRF token that the console's pages send with each change.
        actor: the actor for the audit log.
        form: the fields of a change; empty otherwise.
    """

    request: Request
    session: Session
    account_id: AccountId | None
    csrf: str
    actor: Actor
    form: Form

    def may(self, scope: Scope) -> bool:
        """Return whether the visitor's token allows *scope*."""
        return scope in self.session.token.scopes

    @property
    def may_see_subjects(self) -> bool:
        """Whether the visitor may read the users of events, and the texts of receivers."""
        return self.may(Scope.PII_READ)

    @property
    def account(self) -> AccountId:
        """The account of the path.

        Raises: LookupError: the page is of no account.
        """
        if self.account_id is None:
            raise LookupError("this page is of no account")
        return self.account_id

    @property
    def query(self) -> Mapping[str, str]:
        """The filters in the URL."""
        return self.request.query_params


class ForgedRequest(Exception):
    """A change was not sent from a page of this session. Nothing was changed."""


def csrf_of(secret: str) -> str:
    """Return the CSRF token of a session. The session's secret cannot be computed from it."""
    return sha256(b"csrf:" + secret.encode()).hexdigest()


def require_own_origin(request: Request, public_origin: str) -> None:
    """Refuse a request that was not sent by a page of this service.

    The accepted origins are that of the public URL, and the one to which the browser sent the request.

    Raises: ForgedRequest.
    Rule: RFC 6454 §7; browsers send Origin with every POST.
    """
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    if origin != public_origin and (not host or origin.partition("://")[2] != host):
        raise ForgedRequest


def require_csrf(request: Request, form: Form, csrf: str) -> None:
    """Refuse a request that was not sent by a page of this session.

    Raises: ForgedRequest.
    """
    given = request.headers.get("x-csrf-token") or form.get("csrf", "")
    if not hmac.compare_digest(given.encode(), csrf.encode()):
        raise ForgedRequest


async def read_form(request: Request) -> Form:
    """Read the fields of a form, in order.

    Raises: Invalid: the body is not a form of the console; BodyTooLarge.
    """
    body = await read_body(request, MAX_FORM_BYTES)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise _malformed("the form is malformed; reload the page and submit it again") from None
    if any("\0" in text for pair in pairs for text in pair):
        raise _malformed("text must not contain NUL")
    return ImmutableMultiDict((name, value.replace("\r\n", "\n")) for name, value in pairs)


def _malformed(message: str) -> Invalid:
    return Invalid([Fault(FaultKind.MALFORMED_BODY, "", message)])
