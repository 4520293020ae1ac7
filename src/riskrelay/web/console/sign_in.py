"""Sign in with a token, choose an account, sign out."""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.sessions import end_session, start_session
from riskrelay.actions.tokens import authenticate
from riskrelay.core.errors import MalformedCredentials, RateLimited, RiskrelayError, UnknownToken
from riskrelay.ports import Services
from riskrelay.web.auth import actor_of, presented_token
from riskrelay.web.client_address import client_address
from riskrelay.web.console.cookies import SessionCookie
from riskrelay.web.console.failures import failure_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import DONE, Pages
from riskrelay.web.console.throttle import SignInThrottle
from riskrelay.web.console.visits import ForgedRequest, Visit, read_form, require_own_origin

_log = structlog.get_logger()

_UNKNOWN = (
    "This token is unknown, expired or revoked. Tokens start with rr_. To create one, run: "
    "riskrelay token create ACCOUNT_ID"
)


class SignIn:
    """The handlers around signing in; the form has no session yet, so it is guarded by its origin alone."""

    def __init__(self, services: Services, pages: Pages, cookie: SessionCookie, public_origin: str) -> None:
        self._services = services
        self._pages = pages
        self._cookie = cookie
        self._public_origin = public_origin
        self._throttle = SignInThrottle(services.clock)

    async def show(self, request: Request) -> Response:
        """Show the form."""
        return self._form(
            request, request.query_params.get("next"), done=DONE.get(request.query_params.get("done", ""))
        )

    async def submit(self, request: Request) -> Response:
        """Start a session for a valid token."""
        try:
            require_own_origin(request, self._public_origin)
            form = await read_form(request)
        except (RiskrelayError, ForgedRequest) as error:
            failure = failure_of(error)
            return self._pages.bare_page(request, "error.html", failure.status, failure=failure)
        following = form.get("next")
        if not self._cookie.is_possible:
            return self._form(request, following, 400)
        address, typed = client_address(request), form.get("token", "")
        try:
            self._throttle.spend(address, typed)
            presented = presented_token(f"Bearer {typed}", None, None)
            token = (await authenticate(self._services, presented)).token
        except RateLimited as error:
            return self._form(
                request, following, 429, f"Too many attempts. Wait {error.wait_seconds} s, then try again."
            )
        except (MalformedCredentials, UnknownToken) as error:
            request.app.state.refused_authentication.note(request, error)
            return self._form(request, following, 401, problem=_UNKNOWN)
        self._throttle.succeeded(address, typed)
        secret = await start_session(self._services, token)
        actor = actor_of(request, token)
        _log.info("console_signed_in", token=actor.token_id, address=actor.address)
        response = self._pages.see(own_path(following))
        self._cookie.set(response, secret)
        return response

    async def sign_out(self, visit: Visit) -> Response:
        """End the session."""
        await end_session(self._services, visit.session)
        response = self._pages.see("/console/sign-in", done="signed-out")
        self._cookie.clear(response)
        return response

    async def choose_account(self, visit: Visit) -> Response:
        """Redirect to the token's account; show all accounts to a token of the installation."""
        owner = visit.session.token.account_id
        if owner is not None:
            return self._pages.see(account_path(owner))
        accounts = await self._services.store.read_installation(lambda tx: tx.accounts.all())
        return self._pages.page(visit, "accounts.html", accounts=accounts)

    def _form(
        self,
        request: Request,
        following: str | None,
        status: int = 200,
        problem: str | None = None,
        *,
        done: str | None = None,
    ) -> Response:
        return self._pages.bare_page(
            request,
            "sign_in.html",
            status,
            following=own_path(following),
            problem=problem,
            done=done,
            is_possible=self._cookie.is_possible,
            public_origin=self._public_origin,
        )


def own_path(following: str | None) -> str:
    """Return the path to open after the sign-in: a page of the console, never another site.

    >>> own_path("/console/accounts/acme/users?level=high"), own_path("//evil.example"), own_path("/console/sign-in")
    ('/console/accounts/acme/users?level=high', '/console', '/console')
    """
    if following is None or not following.startswith("/console/accounts/") or not following.isprintable():
        return "/console"
    return following
