"""Every URL of the service, on one screen."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from riskrelay.core.errors import RiskrelayError
from riskrelay.core.ssf.refused_requests import ReceiverOperation
from riskrelay.ports import Services
from riskrelay.web import documentation
from riskrelay.web.account_api import envelope, problems
from riskrelay.web.account_api.activity import ActivityRoutes
from riskrelay.web.account_api.audit import AuditRoutes
from riskrelay.web.account_api.behaviors import BehaviorRoutes
from riskrelay.web.account_api.bulk_resets import bulk_reset_routes
from riskrelay.web.account_api.deliveries import DeliveryRoutes
from riskrelay.web.account_api.delivery_control import DeliveryControlRoutes
from riskrelay.web.account_api.detection import DetectionRoutes
from riskrelay.web.account_api.directory import DirectoryRoutes
from riskrelay.web.account_api.exceptions import ExceptionRoutes
from riskrelay.web.account_api.findings import FindingRoutes
from riskrelay.web.account_api.integration_settings import IntegrationSettingRoutes
from riskrelay.web.account_api.integration_tls import IntegrationTlsRoutes
from riskrelay.web.account_api.integrations import IntegrationRoutes
from riskrelay.web.account_api.keys import KeyRoutes
from riskrelay.web.account_api.level_history import HistoryRoutes
from riskrelay.web.account_api.levels import LevelRoutes
from riskrelay.web.account_api.receiver_credentials import ReceiverCredentialRoutes
from riskrelay.web.account_api.replays import ReplayRoutes
from riskrelay.web.account_api.security_events import SecurityEventRoutes
from riskrelay.web.account_api.server_refusals import server_refusal
from riskrelay.web.account_api.source_events import SourceEventRoutes
from riskrelay.web.account_api.sources import SourceRoutes
from riskrelay.web.account_api.tokens import ApiTokenRoutes
from riskrelay.web.account_api.trials import TrialRoutes
from riskrelay.web.account_api.users import UserRoutes
from riskrelay.web.console.routes import Console, is_of_console
from riskrelay.web.failed_authentication import FAILURES_A_MINUTE, FailedAuthentication
from riskrelay.web.health import HealthRoutes
from riskrelay.web.hosts import RequireHost
from riskrelay.web.paths import EncodedPaths, Handler, by_path
from riskrelay.web.rate_limit_headers import RateLimitHeaders, rate_limit_headers
from riskrelay.web.refused_authentication import RefusedAuthentication
from riskrelay.web.security_headers import SecurityHeaders
from riskrelay.web.transmitter import refusals
from riskrelay.web.transmitter.metadata import TransmitterRoutes
from riskrelay.web.transmitter.refused_requests import RefusedRequests
from riskrelay.web.transmitter.stream_events import StreamEventRoutes
from riskrelay.web.transmitter.streams import StreamRoutes, Transmitting
from riskrelay.web.transmitter.tokens import TokenRoutes
from riskrelay.web.work import LimitWork, WorkLimits

_log = structlog.get_logger()

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]

BASE_PATHS = ("", "/client/v4")
"""Both serve the same routes. The second is the base path of the SDKs."""

ACCOUNT = "/accounts/{account_id}/zt_risk_scoring"


def create_app(services: Services, transmitting: Transmitting, public_origin: str, lifespan: Lifespan) -> Starlette:
    """Build the ASGI application.

    Args:
        public_origin: the origin in new integrations' well-known URLs and in links to explanations of errors.
    """
    account_routes = _account_routes(services, public_origin, transmitting)
    credential_routes = _credential_routes(services, transmitting)
    routes = [
        route
        for base in BASE_PATHS
        for route in by_path(
            [
                *((method, base + ACCOUNT + path, handler) for method, path, handler in account_routes),
                *((method, base + path, handler) for method, path, handler in credential_routes),
            ]
        )
    ]
    refused_requests = RefusedRequests(services)
    routes += by_path(
        (method, path, refused_requests.watched(operation, handler))
        for operation, method, path, handler in _receiver_routes(services, transmitting)
    )
    noting = RefusedAuthentication(services.metrics, services.clock)
    console = Console(services, transmitting, public_origin)
    routes += by_path(console.routes())
    routes += by_path([("GET", path, handler) for path, handler in _open_routes(services, transmitting)])

    def answer_refusal(request: Request, error: Exception) -> Response:
        noting.note(request, error)
        if _of_receivers(request):
            return refusals.answer(error)
        assert isinstance(error, RiskrelayError)  # noqa: S101  registered for nothing else
        if is_of_console(request):  # errors outside of the gate: in the sign-in, or before the gate
            return console.refused(error)
        return envelope.failure(error, public_origin, request.path_params)

    # Async, because Starlette runs a plain function in a thread, and refusals are noted on the event loop.
    async def refused(request: Request, error: Exception) -> Response:
        return answer_refusal(request, error)

    def not_routed(request: Request, error: Exception) -> Response:
        if _of_receivers(request):
            return refusals.answer(error)
        assert isinstance(error, HTTPException)  # noqa: S101  registered for nothing else
        if is_of_console(request):
            return console.failed(error.status_code)
        return envelope.failure_of(problems.problem_for_status(error.status_code), public_origin, error.headers)

    async def not_found(request: Request, error: Exception) -> Response:
        answer = not_routed(request, error)
        if _of_receivers(request):
            await refused_requests.note(request, ReceiverOperation.OTHER, answer)
        return answer

    async def failed(request: Request, error: Exception) -> Response:
        _log.error("request_failed", method=request.method, route=_route_of(request), exc_info=error)
        if _of_receivers(request):
            return refusals.answer(error)
        if is_of_console(request):
            return console.failed(500)
        answer = envelope.failure_of(problems.problem_for_status(500), public_origin)
        answer.headers.update(rate_limit_headers(request.scope))  # this answer passes by the middleware
        return answer

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(SecurityHeaders, https=public_origin.startswith("https://")),
            Middleware(RateLimitHeaders),
            Middleware(EncodedPaths),
            Middleware(RequireHost, refuse=not_routed),
            Middleware(LimitWork, limits=WorkLimits(), refuse=answer_refusal),
        ],
        exception_handlers={
            RiskrelayError: refused,
            refusals.BearerRefusal: refused,
            HTTPException: not_found,
            Exception: failed,
        },
    )
    app.state.refused_authentication = noting
    app.state.server_refusal = partial(server_refusal, docs_base=public_origin)
    app.state.failed_authentication = FailedAuthentication(services.clock, FAILURES_A_MINUTE)
    app.state.trusted_proxies = ()  # those that the settings name are put here: see web/client_address.py
    app.router.redirect_slashes = False  # a slash at the end must not redirect a POST
    return app


def create_worker_app(services: Services, lifespan: Lifespan) -> Starlette:
    """Build the application of `riskrelay worker`, which only serves monitoring."""
    routes = by_path([("GET", path, handler) for path, handler in _health_routes(services)])
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(SecurityHeaders, https=False)])


def _credential_routes(services: Services, transmitting: Transmitting) -> list[tuple[str, str, Handler]]:
    tokens = ApiTokenRoutes(services)
    keys = KeyRoutes(services, transmitting.keyring)
    return [
        ("GET", "/user/tokens/verify", tokens.verify),
        ("GET", "/accounts/{account_id}/tokens/verify", tokens.verify_in_account),
        ("GET", "/installation/tokens", tokens.list_all_of_installation),
        ("POST", "/installation/tokens", tokens.create_for_installation),
        ("DELETE", "/installation/tokens/{token_id}", tokens.revoke_of_installation),
        ("GET", "/installation/keys", keys.list_all),
        ("POST", "/installation/keys/rotate", keys.rotate),
        ("GET", "/installation/audit", AuditRoutes(services).list_page_of_installation),
    ]


def _account_routes(
    services: Services, public_origin: str, transmitting: Transmitting
) -> list[tuple[str, str, Handler]]:
    integrations = IntegrationRoutes(services, public_origin)
    deliveries = DeliveryRoutes(services)
    replays = ReplayRoutes(services)
    delivery_control = DeliveryControlRoutes(services, transmitting.targets, transmitting.polling.retention)
    credentials = ReceiverCredentialRoutes(services)
    settings = IntegrationSettingRoutes(services)
    tls = IntegrationTlsRoutes(services, transmitting.materials)
    findings = FindingRoutes(services, public_origin)
    activity = ActivityRoutes(services, transmitting.signals, public_origin)
    detection = DetectionRoutes(services)
    levels = LevelRoutes(services)
    behaviors = BehaviorRoutes(services)
    exceptions = ExceptionRoutes(services)
    directory = DirectoryRoutes(services, public_origin)
    users = UserRoutes(services)
    tokens = ApiTokenRoutes(services)
    return [
        ("POST", "/integrations", integrations.create),
        ("GET", "/integrations", integrations.list_all),
        ("GET", "/integrations/reference_id/{reference_id:path}", integrations.get_by_reference),
        ("GET", "/integrations/{integration_id}", integrations.get),
        ("PUT", "/integrations/{integration_id}", integrations.update),
        ("DELETE", "/integrations/{integration_id}", integrations.delete),
        ("GET", "/integrations/{integration_id}/health", delivery_control.health),
        ("POST", "/integrations/{integration_id}/pause", delivery_control.pause),
        ("POST", "/integrations/{integration_id}/resume", delivery_control.resume),
        ("PUT", "/integrations/{integration_id}/limits", delivery_control.limit),
        ("POST", "/integrations/{integration_id}/verify", delivery_control.verify),
        ("GET", "/integrations/{integration_id}/deliveries", deliveries.list_page),
        ("POST", "/integrations/{integration_id}/deliveries/replay", replays.start),
        ("GET", "/integrations/{integration_id}/deliveries/{jti}", deliveries.get),
        ("POST", "/integrations/{integration_id}/deliveries/{jti}/retry", deliveries.retry),
        ("GET", "/integrations/{integration_id}/replays", replays.list_all),
        ("POST", "/integrations/{integration_id}/replays/{replay_id}/pause", replays.pause),
        ("POST", "/integrations/{integration_id}/replays/{replay_id}/resume", replays.resume),
        ("POST", "/integrations/{integration_id}/replays/{replay_id}/cancel", replays.cancel),
        ("POST", "/integrations/{integration_id}/credentials", credentials.create),
        ("GET", "/integrations/{integration_id}/credentials", credentials.list_all),
        ("DELETE", "/integrations/{integration_id}/credentials/{credential_id}", credentials.revoke),
        ("GET", "/integrations/{integration_id}/settings", settings.get),
        ("PUT", "/integrations/{integration_id}/settings", settings.update),
        ("GET", "/integrations/{integration_id}/tls", tls.get),
        ("PUT", "/integrations/{integration_id}/tls", tls.set),
        ("DELETE", "/integrations/{integration_id}/tls", tls.remove),
        ("POST", "/findings", findings.record),
        ("POST", "/activity", activity.record),
        *_source_routes(services, public_origin, transmitting),
        ("GET", "/detection", detection.get),
        ("PUT", "/detection", detection.update),
        ("GET", "/networks", detection.networks),
        ("PUT", "/networks", detection.set_networks),
        ("POST", "/security_events", SecurityEventRoutes(services, public_origin).queue),
        ("GET", "/behaviors", behaviors.list_all),
        ("PUT", "/behaviors", behaviors.update),
        ("POST", "/behaviors", behaviors.add),
        ("PUT", "/behaviors/{behavior_id}", behaviors.change),
        ("DELETE", "/behaviors/{behavior_id}", behaviors.retire),
        ("POST", "/levels/try", TrialRoutes(services).attempt),
        ("GET", "/exceptions", exceptions.list_page),
        ("POST", "/exceptions", exceptions.add),
        ("GET", "/exceptions/{exception_id}", exceptions.get),
        ("PUT", "/exceptions/{exception_id}", exceptions.change),
        ("DELETE", "/exceptions/{exception_id}", exceptions.delete),
        ("GET", "/levels", levels.get),
        ("PUT", "/levels", levels.update),
        ("PUT", "/directory", directory.put),
        ("GET", "/directory", directory.list_page),
        ("DELETE", "/directory", directory.delete),
        ("GET", "/directory/missed", directory.missed),
        ("GET", "/health", delivery_control.health_of_all),
        ("GET", "/tokens", tokens.list_all),
        ("POST", "/tokens", tokens.create),
        ("DELETE", "/tokens/{token_id}", tokens.revoke),
        ("GET", "/audit", AuditRoutes(services).list_page),
        ("GET", "/summary", users.summary),
        *bulk_reset_routes(services),
        ("GET", "/{user_id}", users.get),  # after the routes with fixed names: the first matching path wins
        ("DELETE", "/{user_id}", users.erase),
        ("GET", "/{user_id}/export", users.export),
        ("GET", "/{user_id}/history", HistoryRoutes(services).list_page),
        ("POST", "/{user_id}/reset", users.reset),
    ]


def _source_routes(
    services: Services, public_origin: str, transmitting: Transmitting
) -> list[tuple[str, str, Handler]]:
    signals = transmitting.signals
    sources = SourceRoutes(services, signals, public_origin)
    events = SourceEventRoutes(services, signals)
    return [
        ("POST", "/sources", sources.create),
        ("GET", "/sources", sources.list_all),
        ("GET", "/sources/kinds", sources.list_kinds),
        ("GET", "/sources/{source_id}", sources.get),
        ("PUT", "/sources/{source_id}", sources.update),
        ("DELETE", "/sources/{source_id}", sources.delete),
        ("GET", "/sources/{source_id}/mapping", sources.get_mapping),
        ("POST", "/sources/{source_id}/credentials", sources.create_credential),
        ("GET", "/sources/{source_id}/credentials", sources.list_credentials),
        ("DELETE", "/sources/{source_id}/credentials/{source_credential_id}", sources.revoke_credential),
        ("GET", "/sources/{source_id}/samples", sources.list_samples),
        ("POST", "/sources/{source_id}/samples/replay", sources.replay_samples),
        ("POST", "/sources/{source_id}/try", events.attempt),
        ("POST", "/sources/{source_id}/events", events.record),
        ("GET", "/sources/{source_id}/events", events.verify),
        ("POST", "/sources/{source_id}/events/{secret}", events.record),
        ("GET", "/sources/{source_id}/events/{secret}", events.verify),
        # Clients of Splunk's HTTP Event Collector append these paths to the address that they are given.
        ("POST", "/sources/{source_id}/services/collector", events.record_as_splunk),
        ("POST", "/sources/{source_id}/services/collector/event", events.record_as_splunk),
        ("GET", "/sources/{source_id}/services/collector/health", events.splunk_health),
        ("GET", "/sources/{source_id}/services/collector/health/1.0", events.splunk_health),
    ]


def _receiver_routes(
    services: Services, transmitting: Transmitting
) -> list[tuple[ReceiverOperation, str, str, Handler]]:
    """Return the routes of receivers, with their own credentials and the specifications' forms of errors."""
    tokens = TokenRoutes(services)
    streams = StreamRoutes(services, transmitting)
    carried = StreamEventRoutes(services, transmitting)
    asked = ReceiverOperation
    return [
        (asked.TOKEN, "POST", "/ssf/{integration_id}/token", tokens.token),
        (asked.CREATE, "POST", "/ssf/{integration_id}/streams", streams.create),
        (asked.READ, "GET", "/ssf/{integration_id}/streams", streams.read),
        (asked.UPDATE, "PATCH", "/ssf/{integration_id}/streams", streams.update),
        (asked.REPLACE, "PUT", "/ssf/{integration_id}/streams", streams.replace),
        (asked.DELETE, "DELETE", "/ssf/{integration_id}/streams", streams.delete),
        (asked.READ_STATUS, "GET", "/ssf/{integration_id}/status", streams.read_status),
        (asked.UPDATE_STATUS, "POST", "/ssf/{integration_id}/status", streams.update_status),
        (asked.ADD_SUBJECT, "POST", "/ssf/{integration_id}/subjects:add", carried.add_subject),
        (asked.REMOVE_SUBJECT, "POST", "/ssf/{integration_id}/subjects:remove", carried.remove_subject),
        (asked.VERIFY, "POST", "/ssf/{integration_id}/verify", carried.verify),
        (asked.POLL, "POST", "/ssf/{integration_id}/poll/{stream_id}", carried.poll),
    ]


def _open_routes(services: Services, transmitting: Transmitting) -> list[tuple[str, Handler]]:
    transmitter = TransmitterRoutes(services, transmitting.keyring)
    return [
        ("/.well-known/ssf-configuration/{integration_id}", transmitter.metadata),
        ("/.well-known/ssf-configuration/{integration_id}/", transmitter.metadata),
        ("/.well-known/sse-configuration/{integration_id}", transmitter.metadata),
        ("/.well-known/sse-configuration/{integration_id}/", transmitter.metadata),
        ("/.well-known/oauth-authorization-server/{integration_id}", transmitter.authorization_server),
        ("/.well-known/oauth-protected-resource/{integration_id}", transmitter.protected_resource),
        ("/.well-known/oauth-protected-resource/ssf/{integration_id}/{endpoint:path}", transmitter.protected_resource),
        ("/jwks.json", transmitter.jwks),
        *_health_routes(services),
        ("/openapi.json", documentation.openapi),
        ("/docs", documentation.reference),
        ("/docs/errors", documentation.error_index),
        ("/docs/errors/{code}", documentation.error_page),
    ]


def _health_routes(services: Services) -> list[tuple[str, Handler]]:
    health = HealthRoutes(services)
    return [("/healthz", health.live), ("/readyz", health.ready), ("/metrics", health.metrics)]


def _of_receivers(request: Request) -> bool:
    return request.url.path.startswith("/ssf/")


def _route_of(request: Request) -> str:
    """Return the pattern of the route instead of the path, which may contain secrets that must not be logged."""
    route = request.scope.get("route")
    return route.path if isinstance(route, Route) else "unknown"
