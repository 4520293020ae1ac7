"""Every URL of the console, each with the scope it needs."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from riskrelay.core.credentials import Scope
from riskrelay.core.errors import NotFound
from riskrelay.ports import Services
from riskrelay.web.console.assets import Assets
from riskrelay.web.console.cookies import SessionCookie
from riskrelay.web.console.failures import (
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNAVAILABLE,
    failure_of,
)
from riskrelay.web.console.gate import Gate, Screen
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.screens.audit import AuditScreens
from riskrelay.web.console.screens.behaviors import BehaviorScreens
from riskrelay.web.console.screens.bulk_resets import BulkResetScreens
from riskrelay.web.console.screens.dead_letters import DeadLetterScreens
from riskrelay.web.console.screens.deliveries import DeliveryScreens
from riskrelay.web.console.screens.delivery_list import DeliveryListScreen
from riskrelay.web.console.screens.detection import DetectionScreens
from riskrelay.web.console.screens.directory import DirectoryScreens
from riskrelay.web.console.screens.exceptions import ExceptionScreens
from riskrelay.web.console.screens.first_steps import FirstStepScreens
from riskrelay.web.console.screens.integration import IntegrationScreen
from riskrelay.web.console.screens.integration_settings import IntegrationSettingScreens
from riskrelay.web.console.screens.integrations import IntegrationScreens
from riskrelay.web.console.screens.keys import KeyScreens
from riskrelay.web.console.screens.levels import LevelScreens
from riskrelay.web.console.screens.live import LiveScreens
from riskrelay.web.console.screens.notifications import NotificationScreens
from riskrelay.web.console.screens.overview import OverviewScreens
from riskrelay.web.console.screens.receivers import ReceiverScreens
from riskrelay.web.console.screens.replays import ReplayScreens
from riskrelay.web.console.screens.rules import RuleScreens
from riskrelay.web.console.screens.search import SearchScreens
from riskrelay.web.console.screens.settings import SettingScreens
from riskrelay.web.console.screens.sources import SourceScreens
from riskrelay.web.console.screens.trials import TrialScreens
from riskrelay.web.console.screens.user_list import UserListScreen
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

    def __init__(self, services: Services, transmitting: Transmitting, public_origin: str) -> None:
        self._services = services
        self._transmitting = transmitting
        self._public_origin = public_origin
        self._assets = Assets()
        self._pages = Pages(services.clock, self._assets, public_origin)
        self._cookie = SessionCookie(public_origin)
        self._gate = Gate(services, self._pages, self._cookie, public_origin)
        self._sign_in = SignIn(services, self._pages, self._cookie, public_origin)

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path, handler."""
        screen = self._gate.screen
        return [
            ("GET", "/", _to_console),
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
        overview = OverviewScreens(self._services, self._pages, self._transmitting.signals)
        first_steps = FirstStepScreens(self._services, self._pages)
        keys = KeyScreens(self._services, self._pages, self._transmitting.keyring)
        settings = SettingScreens(self._services, self._pages, self._public_origin)
        behaviors = BehaviorScreens(self._services, self._pages)
        detection = DetectionScreens(self._services, self._pages)
        exceptions = ExceptionScreens(self._services, self._pages)
        rules = RuleScreens(self._services, self._pages)
        levels = LevelScreens(self._services, self._pages)
        trials = TrialScreens(self._services, self._pages)
        directory = DirectoryScreens(self._services, self._pages)
        users = UserScreens(self._services, self._pages)
        resets = BulkResetScreens(self._services, self._pages)
        return [
            ("GET", "", Scope.READ, overview.show),
            ("POST", "/first-steps/behavior", Scope.WRITE, first_steps.enable),
            ("POST", "/first-steps/finding", Scope.WRITE, first_steps.send),
            ("POST", "/first-steps/dismiss", Scope.READ, first_steps.dismiss),
            ("GET", "/search", Scope.READ, SearchScreens(self._services, self._pages).show),
            ("GET", "/users", Scope.PII_READ, UserListScreen(self._services, self._pages).show),
            ("GET", "/users/resets", Scope.READ, resets.show),
            ("POST", "/users/resets", Scope.WRITE, resets.start),
            ("POST", "/users/resets/{reset_id}/{step}", Scope.WRITE, resets.control),
            ("GET", "/users/{user_id}", Scope.PII_READ, users.show),
            ("GET", "/users/{user_id}/deliveries", Scope.PII_READ, users.deliveries),
            ("POST", "/users/{user_id}/reset", Scope.WRITE, users.reset),
            ("GET", "/users/{user_id}/export", Scope.PII_READ, users.export),
            ("POST", "/users/{user_id}/erase", Scope.WRITE, users.erase),
            ("GET", "/behaviors", Scope.READ, behaviors.show),
            ("POST", "/behaviors", Scope.WRITE, behaviors.save),
            ("GET", "/detection", Scope.READ, detection.show),
            ("POST", "/detection", Scope.WRITE, detection.save),
            ("POST", "/detection/networks", Scope.WRITE, detection.add_network),
            ("POST", "/detection/networks/remove", Scope.WRITE, detection.remove_network),
            ("POST", "/behaviors/own", Scope.WRITE, behaviors.add),
            ("GET", "/behaviors/own/{behavior_id}", Scope.READ, behaviors.show_own),
            ("POST", "/behaviors/own/{behavior_id}", Scope.WRITE, behaviors.rename),
            ("POST", "/behaviors/own/{behavior_id}/retire", Scope.WRITE, behaviors.retire),
            ("GET", "/behaviors/try", Scope.PII_READ, trials.show),
            ("POST", "/behaviors/try", Scope.PII_READ, trials.attempt),
            ("GET", "/rules", Scope.READ, rules.show),
            ("POST", "/rules", Scope.WRITE, rules.add),
            ("POST", "/rules/try", Scope.PII_READ, rules.attempt),
            ("GET", "/rules/{rule_id}", Scope.READ, rules.show_one),
            ("POST", "/rules/{rule_id}", Scope.WRITE, rules.change),
            ("POST", "/rules/{rule_id}/try", Scope.PII_READ, rules.attempt),
            ("POST", "/rules/{rule_id}/delete", Scope.WRITE, rules.delete),
            ("GET", "/exceptions", Scope.PII_READ, exceptions.show),
            ("POST", "/exceptions", Scope.WRITE, exceptions.add),
            ("GET", "/exceptions/{exception_id}", Scope.PII_READ, exceptions.show_one),
            ("POST", "/exceptions/{exception_id}", Scope.WRITE, exceptions.change),
            ("POST", "/exceptions/{exception_id}/end", Scope.WRITE, exceptions.end),
            ("POST", "/exceptions/{exception_id}/delete", Scope.WRITE, exceptions.delete),
            ("GET", "/behaviors/levels", Scope.READ, levels.show),
            ("POST", "/behaviors/levels", Scope.WRITE, levels.expire),
            ("POST", "/behaviors/levels/keep", Scope.WRITE, levels.keep),
            ("POST", "/behaviors/levels/between", Scope.WRITE, levels.space),
            ("GET", "/directory", Scope.PII_READ, directory.show),
            ("POST", "/directory", Scope.WRITE, directory.put),
            ("POST", "/directory/delete", Scope.WRITE, directory.delete),
            ("GET", "/settings", Scope.OPERATE, settings.tokens),
            ("POST", "/settings/tokens", Scope.OPERATE, settings.create_token),
            ("POST", "/settings/tokens/{token_id}/revoke", Scope.OPERATE, settings.revoke_token),
            ("GET", "/settings/audit", Scope.OPERATE, AuditScreens(self._services, self._pages).show),
            ("GET", "/settings/keys", Scope.OPERATE, keys.show),
            ("POST", "/settings/keys/rotate", Scope.OPERATE, keys.rotate),
            *self._notification_screens(),
            ("GET", "/settings/health", Scope.OPERATE, settings.health),
            ("POST", "/settings/health", Scope.OPERATE, settings.examine),
            ("GET", "/dead-letters", Scope.READ, DeadLetterScreens(self._services, self._pages).show),
            ("GET", "/live", Scope.READ, LiveScreens(self._services, self._pages).show),
            *self._source_screens(),
            *self._integration_screens(),
        ]

    def _notification_screens(self) -> list[ScreenRow]:
        notifications = NotificationScreens(self._services, self._pages, self._transmitting.notifying)
        every, one = "/settings/notifications", "/settings/notifications/{channel_id}"
        return [
            ("GET", every, Scope.OPERATE, notifications.show),
            ("POST", every, Scope.OPERATE, notifications.add),
            ("GET", one, Scope.OPERATE, notifications.show_one),
            ("POST", one, Scope.OPERATE, notifications.change),
            ("POST", f"{one}/test", Scope.OPERATE, notifications.test),
            ("POST", f"{one}/delete", Scope.OPERATE, notifications.delete),
        ]

    def _source_screens(self) -> list[ScreenRow]:
        sources = SourceScreens(self._services, self._pages, self._transmitting.signals, self._public_origin)
        one = "/sources/{source_id}"
        return [
            ("GET", "/sources", Scope.READ, sources.show_all),
            ("POST", "/sources", Scope.WRITE, sources.create),
            ("GET", one, Scope.READ, sources.show),
            ("POST", one, Scope.WRITE, sources.update),
            ("POST", f"{one}/mapping", Scope.WRITE, sources.map),
            ("POST", f"{one}/credentials", Scope.WRITE, sources.rotate),
            ("POST", f"{one}/try", Scope.READ, sources.attempt),
            ("POST", f"{one}/replay", Scope.WRITE, sources.replay),
            ("POST", f"{one}/delete", Scope.WRITE, sources.delete),
        ]

    def _integration_screens(self) -> list[ScreenRow]:
        integrations = IntegrationScreens(self._services, self._pages, self._public_origin)
        integration = IntegrationScreen(
            self._services, self._pages, self._transmitting.targets, self._transmitting.polling.retention
        )
        deliveries = DeliveryScreens(self._services, self._pages, self._transmitting.proofs)
        replays = ReplayScreens(self._services, self._pages)
        receivers = ReceiverScreens(self._services, self._pages)
        settings = IntegrationSettingScreens(self._services, self._pages)
        one = "/integrations/{integration_id}"
        return [
            ("GET", "/integrations", Scope.READ, integrations.list_page),
            ("POST", "/integrations", Scope.WRITE, integrations.create),
            ("GET", "/integrations/new", Scope.WRITE, integrations.new),
            ("GET", one, Scope.READ, integration.show),
            ("GET", f"{one}/setup", Scope.READ, integrations.set_up),
            ("POST", f"{one}/pause", Scope.WRITE, integration.pause),
            ("POST", f"{one}/resume", Scope.WRITE, integration.resume),
            ("POST", f"{one}/verify", Scope.WRITE, integration.verify),
            ("GET", f"{one}/deliveries", Scope.READ, DeliveryListScreen(self._services, self._pages).show),
            ("GET", one + "/deliveries/{place}", Scope.READ, deliveries.show),
            ("POST", one + "/deliveries/{place}/retry", Scope.WRITE, deliveries.retry),
            ("GET", f"{one}/replays", Scope.READ, replays.show),
            ("POST", f"{one}/replays", Scope.WRITE, replays.start),
            ("POST", one + "/replays/{replay_id}/{step}", Scope.WRITE, replays.control),
            ("GET", f"{one}/receivers", Scope.READ, receivers.show),
            ("POST", f"{one}/receivers", Scope.OPERATE, receivers.issue),
            ("POST", one + "/receivers/{credential_id}/revoke", Scope.OPERATE, receivers.revoke),
            ("GET", f"{one}/settings", Scope.READ, settings.show),
            ("POST", f"{one}/settings", Scope.WRITE, settings.update),
            ("POST", f"{one}/limits", Scope.WRITE, settings.limit),
            ("POST", f"{one}/signing", Scope.OPERATE, settings.sign_with),
            ("POST", f"{one}/delete", Scope.WRITE, settings.delete),
        ]

    def failed(self, request: Request, status: int) -> Response:
        """Return the page for a URL without a screen."""
        failure = _BY_STATUS.get(status) or failure_of(Exception())
        return self._pages.bare_page(request, "error.html", failure.status, failure=failure)

    def refused(self, request: Request, error: Exception) -> Response:
        """Return the page for an error that no screen handled."""
        failure = failure_of(error)
        return self._pages.bare_page(request, "error.html", failure.status, failure=failure)


async def _to_console(request: Request) -> Response:
    return RedirectResponse("/console", 302)


_BY_STATUS = {failure.status: failure for failure in (NOT_FOUND, METHOD_NOT_ALLOWED, MALFORMED_REQUEST, UNAVAILABLE)}


async def _nothing(visit: Visit) -> Response:
    raise NotFound


def is_of_console(request: Request) -> bool:
    """Return whether the console answers a request."""
    return request.url.path == "/console" or request.url.path.startswith("/console/")
