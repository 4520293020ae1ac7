"""Render pages: templates, the common layout, and the security headers."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.health import in_words
from riskrelay.core.delivery.reasons import WITHHELD, reason_in_words, shown_detail, shown_status_reason
from riskrelay.core.risk.behaviors import reason_for
from riskrelay.core.sources.kinds import kind_name
from riskrelay.ports import Clock
from riskrelay.web.console import formats
from riskrelay.web.console.assets import Assets
from riskrelay.web.console.event_words import event_subject, event_type_name, event_words
from riskrelay.web.console.navigation import account_path, delivery_path, groups_for, section_of
from riskrelay.web.console.visits import Visit
from riskrelay.web.console.windows import spark

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # not no-referrer: with it browsers send `Origin: null` with our own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

DONE = {
    "signed-out": "You are signed out.",
    "behaviors": "Behaviors saved. Users' risk levels are updated, and receivers are notified.",
    "behavior-enabled": "Behavior enabled. Its findings give users their risk level from now on.",
    "finding-sent": "Test finding recorded. The receiver is notified now.",
    "behavior-added": "Behavior added. It is disabled until you enable it.",
    "behavior-retired": "Behavior retired. Its findings are kept.",
    "rule-added": "Rule added. Users at risk are evaluated, and receivers are notified.",
    "rule-saved": "Rule saved. Users at risk are evaluated, and receivers are notified.",
    "rule-deleted": "Rule deleted. Levels that come from it are lowered.",
    "exception-added": "Exception added. Users' risk levels are updated, and receivers are notified.",
    "exception-changed": "Exception changed. Users' risk levels are updated, and receivers are notified.",
    "exception-ended": "Exception ended. Users' risk levels are updated, and receivers are notified.",
    "exception-deleted": "Exception deleted. Users' risk levels are updated, and receivers are notified.",
    "directory-saved": "Entry saved.",
    "directory-deleted": "Entry deleted.",
    "levels": "Saved. Users' risk levels are updated, and receivers are notified.",
    "nothing": "No changes to save.",
    "channel-added": "Channel added. Conditions that are open are reported within a minute.",
    "channel-deleted": "Channel deleted.",
    "revoked": "Token revoked. All sessions that used it are signed out.",
    "rotated": "Keys rotated. The previous next keys now sign, and new next keys are published.",
    "paused": "Delivery paused. New events are queued.",
    "resumed": "Delivery resumed. Waiting events are sent now.",
    "test-sent": "Test event queued. See the latest deliveries.",
    "no-stream": "No test event was sent, because the receiver has not created a stream yet.",
    "saved": "Saved.",
    "integration-deleted": "Integration deleted. Its undelivered events are canceled.",
    "retried": "Retry scheduled. The delivery is due now.",
    "replay-started": "Replay started.",
    "replay-paused": "Replay paused.",
    "replay-running": "Replay resumed.",
    "replay-cancelled": "Replay canceled. Events that it already made pending are still delivered.",
    "credential-revoked": "Credential revoked.",
    "samples-replayed": "Samples replayed. Those that are ignored or refused again are listed with their reasons.",
    "source-deleted": "Source deleted. Its findings are kept.",
    "reset": "User reset. Receivers are notified.",
    "erased": "User erased. Of a large user, the rest is removed within the next minutes.",
    "reset-started": "Bulk reset started.",
    "reset-paused": "Bulk reset paused.",
    "reset-running": "Bulk reset resumed.",
    "reset-cancelled": "Bulk reset canceled. Users that it has reset stay reset.",
}
"""What a page says after a change, by the word in its URL."""


class Pages:
    """Renders templates. Everything that is put into one is escaped; a name that is missing is an error."""

    def __init__(self, clock: Clock, assets: Assets, public_origin: str) -> None:
        self._clock = clock
        self._headers = {**HEADERS, **_transport_security(public_origin)}
        self._templates = Environment(
            loader=PackageLoader("riskrelay.web.console"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=formats.visible,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {
            "static": assets.url,
            "account_path": account_path,
            "delivery_path": delivery_path,
            "Scope": Scope,
            "WITHHELD": WITHHELD,
            "event_subject": event_subject,
            "event_type_name": event_type_name,
            "event_words": event_words,
            "shown_detail": shown_detail,
            "shown_status_reason": shown_status_reason,
            "version": version("riskrelay"),
        }
        self._templates.filters |= {
            "relative": lambda at: formats.relative(at, clock.now()),
            "absolute": formats.absolute,
            "machine": formats.machine,
            "number": formats.number,
            "sentence_case": formats.sentence_case,
            "kind_name": kind_name,
            "behaviors": reason_for,
            "duration": in_words,
            "ms": formats.milliseconds,
            "spark": spark,
            "reason": reason_in_words,
        }

    def page(self, visit: Visit, template: str, status: int = 200, /, **values: Any) -> Response:
        """Return a page of a session.

        Args:
            values: the template's values, besides those of the layout.
        """
        request = visit.request
        layout = {
            "visit": visit,
            "navigation": groups_for(visit.may) if visit.account_id else [],
            "may_search": visit.account_id is not None and visit.may(Scope.READ),
            "section": section_of(request.url.path, visit.account_id),
            "theme": theme_of(request),
            "here": _url(request, {name: value for name, value in request.query_params.items() if name != "done"}),
            "done": DONE.get(request.query_params.get("done", "")),
            "with_query": lambda **changes: with_query(request, changes),
        }
        return self._render(template, status, {**layout, **values})

    def bare_page(self, request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
        """Return a page without a session."""
        return self._render(template, status, {"visit": None, "done": None, "theme": theme_of(request), **values})

    def see(self, path: str, **query: str) -> Response:
        """Redirect to a page of the console, by GET."""
        return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303, self._headers)

    def _render(self, template: str, status: int, values: Mapping[str, Any]) -> Response:
        text = self._templates.get_template(template).render(values)
        return HTMLResponse(text, status, self._headers)


def with_query(request: Request, changes: Mapping[str, str | None]) -> str:
    """Return the URL of this page with other filters.

    Args:
        changes: the changed filters; None or "" removes a filter. The page of a list, the form of the answer and the
            message of the last action are removed unless named.
    """
    kept = {name: value for name, value in request.query_params.items() if name not in _OF_ONE_ANSWER}
    return _url(request, {name: value for name, value in {**kept, **changes}.items() if value})


_OF_ONE_ANSWER = ("done", "after", "row", "page", "format")


def _url(request: Request, query: Mapping[str, str]) -> str:
    return request.url.path + (f"?{urlencode(query)}" if query else "")


def theme_of(request: Request) -> str:
    """Return the color theme that the visitor chose with the switch of the layout; "": the system's."""
    chosen = request.cookies.get("riskrelay-theme", "")
    return chosen if chosen in ("light", "dark") else ""


def _transport_security(public_origin: str) -> dict[str, str]:
    if not public_origin.startswith("https://"):
        return {}
    return {"Strict-Transport-Security": "max-age=31536000"}
