"""Every route of the service, sorted by what keeps one account's data from another one.

`tests/contract/schema/test_crossing.py` fails when a route is in none of these; `tests/contract/api/test_isolation.py`
sends a stranger to all of them.
"""

import json
from contextlib import nullcontext
from typing import Any, cast
from uuid import uuid4

from riskrelay.ports import Store
from riskrelay.web.app import BASE_PATHS, create_app
from riskrelay.web.paths import PathRoute
from support.contract import DOCUMENT, examples, resolved
from support.service import Service
from support.services import services_of
from support.transmitting import transmitting_of

OPEN = {
    "/",
    "/.well-known/ssf-configuration/{integration_id}",
    "/.well-known/ssf-configuration/{integration_id}/",
    "/.well-known/sse-configuration/{integration_id}",
    "/.well-known/sse-configuration/{integration_id}/",
    "/.well-known/oauth-authorization-server/{integration_id}",
    "/.well-known/oauth-protected-resource/{integration_id}",
    "/.well-known/oauth-protected-resource/ssf/{integration_id}/{endpoint}",
    "/jwks.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/errors",
    "/docs/errors/{code}",
    "/docs/{page}",
}
"""Public: they show nothing that an account would hide."""

ABOUT_ITSELF = {"/user/tokens/verify"}
"""They tell a token what it is, and nothing else."""

OF_SENDERS = "/accounts/{account_id}/zt_risk_scoring/sources/{source_id}/events/{secret}"
"""The path is the credential, and no token is looked at: covered in tests/contract/api/test_sources.py."""

OF_RECEIVERS = "/ssf/"
"""Receiver routes: covered in tests/protocol/test_isolation.py."""

OF_THE_CONSOLE = "/console"
"""Pages for people: covered in tests/contract/console/test_gate.py."""

OF_THE_INSTALLATION = "/installation/"
"""No account's token is good for them."""

OF_ACCOUNTS = "/accounts/{account_id}/"
"""Everything below belongs to the account of the path."""


def routes() -> list[tuple[str, str]]:
    """Every (method, path) of the service, as its routes are written in the contract."""
    services = services_of(cast(Store, None))
    app = create_app(services, transmitting_of(), "https://risk.example.com", lambda _app: nullcontext())
    found = []
    for route in app.routes:
        assert isinstance(route, PathRoute)
        path = route.path.replace(":path}", "}").replace(":int}", "}")
        found += [(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


def without_base(path: str) -> str:
    """The path below the base path of the SDKs, as the contract names it."""
    return path.removeprefix(BASE_PATHS[1])


def body_for(method: str, path: str) -> Any:
    """A body that the route takes: the contract's first example of JSON; None when it takes none."""
    operation = DOCUMENT["paths"][without_base(path)][method.lower()]
    content = resolved(operation.get("requestBody", {})).get("content", {})
    return examples(content["application/json"])[0] if content else None


def things_of(service: Service) -> dict[str, str]:
    """Make one of everything that has an id in a path, in the service's account.

    Returns: the ids, by the names of the paths' parameters. A new parameter needs a thing here.
    """
    reference_id = f"reference of {service.account_id}"
    tenant = {"integration_type": "Okta", "tenant_url": "https://example.okta.com", "reference_id": reference_id}
    integration = service.result("POST", "/integrations", tenant)
    service.enable_behaviors()
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    (change,) = service.result("POST", "/findings", finding)["changes"]
    own = f"/integrations/{integration['id']}"
    service.result("POST", f"{own}/pause")  # so that a replay has something to wait for
    (delivery,) = service.result("GET", f"{own}/deliveries")
    replay = service.result("POST", f"{own}/deliveries/replay", {"filter": {"state": "dead"}})["replay"]
    service.result("POST", f"{own}/replays/{replay['id']}/pause")
    token = service.result("POST", "/tokens", {"name": "made", "scopes": ["read"]})
    credential = service.result("POST", f"{own}/credentials", {"kind": "oauth_client"})
    behavior = {"id": f"own_{uuid4().hex}", "name": "Own", "risk_level": "low"}
    source = service.result("POST", "/sources", {"kind": "okta_system_log", "name": "made"})
    exception = {"user": "lou@example.com", "effect": "ignore", "reason": "Made."}
    hook = "https://hooks.example.com/1"
    channel = {"kind": "slack", "name": "Made", "target": hook, "conditions": ["disk"]}
    rule = {"name": "Made", "within_seconds": 60, "when": "$count(findings) > 9", "level": "low"}
    return {
        "account_id": service.account_id,
        "behavior_id": service.result("POST", "/behaviors", behavior)["id"],
        "integration_id": integration["id"],
        "reference_id": reference_id,
        "user_id": change["user_id"],
        "token_id": token["id"],
        "credential_id": credential["id"],
        "jti": delivery["jti"],
        "replay_id": replay["id"],
        "rule_id": service.result("POST", "/rules", rule)["id"],
        "exception_id": service.result("POST", "/exceptions", exception)["id"],
        "reset_id": paused_bulk_reset(service),
        "source_id": source["id"],
        "source_credential_id": source["credential"]["id"],
        "channel_id": service.result("POST", "/notification_channels", channel)["id"],
    }


def paused_bulk_reset(service: Service) -> str:
    """Start a bulk reset that takes several steps, and pause it before it is over.

    Returns: its id.
    """
    users = [{"email": f"many-{number}@example.com"} for number in range(301)]
    service.result("POST", "/findings", [{"behavior": "high_risk_domain", "user": user} for user in users])
    started = service.result("POST", "/resets", {"filter": {"level": "low"}})["reset"]
    reset_id: str = service.result("POST", f"/resets/{started['id']}/pause")["id"]
    return reset_id


THING_NAMES = {
    "account_id",
    "behavior_id",
    "integration_id",
    "reference_id",
    "user_id",
    "token_id",
    "credential_id",
    "jti",
    "replay_id",
    "rule_id",
    "exception_id",
    "reset_id",
    "source_id",
    "source_credential_id",
    "channel_id",
}
"""What `things_of` makes."""


def everything_of(service: Service) -> str:
    """What the account holds, as its own token reads it, for a comparison. When a token was used is left out, and so is
    health: it has ages."""
    shown = {}
    for method, path in routes():
        if method == "GET" and path.startswith(OF_ACCOUNTS) and path.count("{") == 1:
            if path.endswith("/health"):
                continue
            whole = path.replace("{account_id}", service.account_id)
            status, _, envelope = service.exchange(method, whole, Authorization=f"Bearer {service.token}")
            assert status == 200, (path, envelope)
            rows = envelope["result"]
            shown[path] = [{**row, "last_used_on": None} for row in rows] if path.endswith("/tokens") else rows
    return json.dumps(shown)
