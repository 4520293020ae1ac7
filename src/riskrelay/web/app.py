"""The ASGI application: its routes, its middleware, and its responses to errors."""

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
from riskrelay.web.account_api import envelope, problems
from riskrelay.web.account_api.server_refusals import server_refusal
from riskrelay.web.console.routes import Console, is_of_console
from riskrelay.web.failed_authentication import FAILURES_A_MINUTE, FailedAuthentication
from riskrelay.web.hosts import RequireHost
from riskrelay.web.paths import EncodedPaths, by_path
from riskrelay.web.rate_limit_headers import RateLimitHeaders, rate_limit_headers
from riskrelay.web.refused_authentication import RefusedAuthentication
from riskrelay.web.routes import account_routes, credential_routes, health_routes, open_routes, receiver_routes
from riskrelay.web.security_headers import SecurityHeaders
from riskrelay.web.transmitter import refusals
from riskrelay.web.transmitter.refused_requests import RefusedRequests
from riskrelay.web.transmitter.streams import Transmitting
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
    of_accounts = account_routes(services, public_origin, transmitting)
    of_tokens = credential_routes(services, transmitting)
    routes = [
        route
        for base in BASE_PATHS
        for route in by_path(
            [
                *((method, base + ACCOUNT + path, handler) for method, path, handler in of_accounts),
                *((method, base + path, handler) for method, path, handler in of_tokens),
            ]
        )
    ]
    refused_requests = RefusedRequests(services)
    routes += by_path(
        (method, path, refused_requests.watched(operation, handler))
        for operation, method, path, handler in receiver_routes(services, transmitting)
    )
    noting = RefusedAuthentication(services.metrics, services.clock)
    console = Console(services, transmitting, public_origin)
    routes += by_path(console.routes())
    routes += by_path([("GET", path, handler) for path, handler in open_routes(services, transmitting)])

    def answer_refusal(request: Request, error: Exception) -> Response:
        noting.note(request, error)
        if _of_receivers(request):
            return refusals.answer(error)
        assert isinstance(error, RiskrelayError)  # noqa: S101  registered for nothing else
        if is_of_console(request):  # errors outside of the gate: in the sign-in, or before the gate
            return console.refused(request, error)
        return envelope.failure(error, public_origin, request.path_params)

    # Async, because Starlette runs a plain function in a thread, and refusals are noted on the event loop.
    async def refused(request: Request, error: Exception) -> Response:
        return answer_refusal(request, error)

    def not_routed(request: Request, error: Exception) -> Response:
        if _of_receivers(request):
            return refusals.answer(error)
        assert isinstance(error, HTTPException)  # noqa: S101  registered for nothing else
        if is_of_console(request):
            return console.failed(request, error.status_code)
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
            return console.failed(request, 500)
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
    routes = by_path([("GET", path, handler) for path, handler in health_routes(services)])
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(SecurityHeaders, https=False)])


def _of_receivers(request: Request) -> bool:
    return request.url.path.startswith("/ssf/")


def _route_of(request: Request) -> str:
    """Return the pattern of the route instead of the path, which may contain secrets that must not be logged."""
    route = request.scope.get("route")
    return route.path if isinstance(route, Route) else "unknown"
