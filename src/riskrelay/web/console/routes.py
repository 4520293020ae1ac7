"""Every URL of the console, each with the scope it needs."""

from starlette.requests import Request
from starlette.responses import Response

from riskrelay.credentials import Scope
from riskrelay.errors import NotFound
from riskrelay.ports import Outside
from riskrelay.web.console.assets import Assets
from riskrelay.web.console.cookies import SessionCookie
from riskrelay.web.console.failures import METHOD_NOT_ALLOWED, failure_of
from riskrelay.web.console.gate import Gate, Screen
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.screens.behaviors import BehaviorScreens
from riskrelay.web.console.screens.keys import KeyScreens
from riskrelay.web.console.screens.overview import OverviewScreens
from riskrelay.web.console.screens.settings import SettingScreens
from riskrelay.web.console.screens.users import UserScreens
from riskrelay.web.console.sign_in import SignIn
from riskrelay.web.console.visits import Visit
from riskrelay.web.paths import Handler
from riskrelay.web.transmitter.streams import Transmitting

ACCOUNT = "/console/accounts/{account_id}"

ScreenRow = tuple[str, str, Scope | None, Screen]
"""Method, path below the account's own, the scope that is needed, the handler."""


class Console:
    """The console's part of the application."""

    def __init__(self, outside: Outside, transmitting: Transmitting, public_origin: str) -> None:
        self._outside = outside
        self._transmitting = transmitting
        self._public_origin = public_origin
        self._assets = Assets()
        self._pages = Pages(outside.clock, self._assets, public_origin)
        self._cookie = SessionCookie(public_origin)
        self._gate = Gate(outside, self._pages, self._cookie, public_origin)
        self._sign_in = SignIn(outside, self._pages, self._cookie, public_origin)

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path, handler."""
        screen = self._gate.screen
        return [
            ("GET", "/console/static/{name}", self._assets.serve),
            ("GET", "/console/sign-in", self._sign_in.show),
            ("POST", "/console/sign-in", self._sign_in.submit),
            ("POST", "/console/sign-out", screen(None, self._sign_in.sign_out)),
            ("GET", "/console", screen(None, self._sign_in.choose_account)),
            ("GET", "/console/", screen(None, self._sign_in.choose_account)),
            *((method, ACCOUNT + path, screen(scope, handler)) for method, path, scope, handler in self._screens()),
            ("GET", "/console/{anything:path}", screen(None, _nothing)),
        ]

    def _screens(self) -> list[ScreenRow]:
        overview = OverviewScreens(self._outside, self._pages)
        keys = KeyScreens(self._outside, self._pages, self._transmitting.keyring)
        settings = SettingScreens(self._outside, self._pages, self._public_origin)
        behaviors = BehaviorScreens(self._outside, self._pages)
        users = UserScreens(self._outside, self._pages)
        return [
            ("GET", "", Scope.READ, overview.show),
            ("GET", "/users", Scope.PII_READ, users.list_page),
            ("GET", "/users/{user_id}", Scope.PII_READ, users.show),
            ("POST", "/users/{user_id}/reset", Scope.WRITE, users.reset),
            ("GET", "/behaviors", Scope.READ, behaviors.show),
            ("POST", "/behaviors", Scope.WRITE, behaviors.save),
            ("GET", "/settings", Scope.OPERATE, settings.tokens),
            ("POST", "/settings/tokens", Scope.OPERATE, settings.create_token),
            ("POST", "/settings/tokens/{token_id}/revoke", Scope.OPERATE, settings.revoke_token),
            ("GET", "/settings/audit", Scope.OPERATE, settings.audit),
            ("GET", "/settings/keys", Scope.OPERATE, keys.show),
            ("POST", "/settings/keys/rotate", Scope.OPERATE, keys.rotate),
            ("GET", "/settings/health", Scope.OPERATE, settings.health),
            ("POST", "/settings/health", Scope.OPERATE, settings.examine),
        ]

    def failed(self, status: int) -> Response:
        """The page for what no screen answers."""
        failure = METHOD_NOT_ALLOWED if status == 405 else failure_of(NotFound() if status == 404 else Exception())
        return self._pages.bare_page("error.html", failure.status, failure=failure)


async def _nothing(visit: Visit) -> Response:
    raise NotFound


def is_of_console(request: Request) -> bool:
    """Whether a request is the console's to answer."""
    return request.url.path == "/console" or request.url.path.startswith("/console/")
