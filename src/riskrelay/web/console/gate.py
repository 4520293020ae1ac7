"""The gate of the console: it authenticates requests to screens, and answers the others."""

from collections.abc import Awaitable, Callable

import structlog
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.sessions import resume_session
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import NotFound, RiskrelayError, SessionEnded
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Services
from riskrelay.web.auth import actor_of, show_allowance
from riskrelay.web.console.cookies import SessionCookie
from riskrelay.web.console.failures import failure_of
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import (
    ForgedRequest,
    Visit,
    csrf_of,
    read_form,
    require_csrf,
    require_own_origin,
)
from riskrelay.web.paths import Handler

_log = structlog.get_logger()

Screen = Callable[[Visit], Awaitable[Response]]
"""A screen's handler. The gate has already checked the session, the scope and the form's origin."""


class Gate:
    """Checks requests before it passes them to screens."""

    def __init__(self, services: Services, pages: Pages, cookie: SessionCookie, public_origin: str) -> None:
        self._services = services
        self._pages = pages
        self._cookie = cookie
        self._public_origin = public_origin

    def screen(self, scope: Scope | None, screen: Screen) -> Handler:
        """Return a handler that runs *screen* for requests with the required permission.

        Args:
            scope: the required scope of the visitor's token; None: a session is sufficient.
        """

        async def handle(request: Request) -> Response:
            try:
                visit = await self._visit(request)
            except SessionEnded:
                return self._to_sign_in(request)
            except (RiskrelayError, ForgedRequest) as error:
                return self._pages.bare_page(request, "error.html", _status(error), failure=failure_of(error))
            try:
                await self._require(visit, scope)
                return await screen(visit)
            except RiskrelayError as error:
                return self._pages.page(visit, "error.html", _status(error), failure=failure_of(error))
            except Exception as error:  # noqa: BLE001  shown as a page of the console, and logged
                _log.error("console_failed", method=request.method, route=request.scope["route"].path, exc_info=error)
                return self._pages.page(visit, "error.html", 500, failure=failure_of(error))

        return handle

    async def _visit(self, request: Request) -> Visit:
        secret = self._cookie.read(request)
        if secret is None:
            raise SessionEnded
        is_person = request.headers.get("x-console-poll") is None
        session = await resume_session(self._services, secret, is_person=is_person)
        show_allowance(request, self._services.rate_limits.spend(session.token.token_hash))
        csrf, form = csrf_of(secret), ImmutableMultiDict[str, str]()
        if request.method == "POST":
            require_own_origin(request, self._public_origin)
            form = await read_form(request)
            require_csrf(request, form, csrf)
        account_id = request.path_params.get("account_id")
        named = None if account_id is None else AccountId(account_id)
        return Visit(
            request=request,
            session=session,
            account_id=named,
            csrf=csrf,
            actor=actor_of(request, session.token),
            form=form,
        )

    async def _require(self, visit: Visit, scope: Scope | None) -> None:
        """Check the visitor's permission in the account of the path.

        Raises: Forbidden; NotFound: the account does not exist.
        """
        token, account_id = visit.session.token, visit.account_id
        token.require(token.account_id if account_id is None else account_id, scope)
        if token.account_id is not None or account_id is None:
            return
        if await self._services.store.read_installation(lambda tx: tx.accounts.get(account_id)) is None:
            raise NotFound

    def _to_sign_in(self, request: Request) -> Response:
        """Answer a request without a session.

        A page is redirected to the sign-in, with its own URL for the way back. An htmx fragment gets a 401 with
        HX-Refresh. A change is refused, because it cannot be repeated after the sign-in.
        """
        if request.headers.get("hx-request") is not None:
            return Response(status_code=401, headers={"HX-Refresh": "true"})
        if request.method == "POST":
            return self._pages.bare_page(request, "error.html", 401, failure=failure_of(SessionEnded()))
        whole = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return self._pages.see("/console/sign-in", next=whole)


def _status(error: Exception) -> int:
    return failure_of(error).status
