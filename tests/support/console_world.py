"""An account in which something has happened, for those who look at the console."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from riskrelay.actions.counts import take_stock
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Standings, Stock, Transaction
from riskrelay.settings import read_settings
from riskrelay.wiring.installation import build_services
from support.service import Oracle, Service

_LISBON = {"latitude": 38.72, "longitude": -9.14, "city": "Lisbon", "country": "PT"}
_SINGAPORE = {"latitude": 1.35, "longitude": 103.82, "city": "Singapore", "country": "SG"}
TRAVEL = {
    "logins": [
        {"timestamp": "2026-11-30T08:02:00Z", **_LISBON},
        {"timestamp": "2026-11-30T08:44:00Z", **_SINGAPORE},
    ],
    "distance_km": 11886.4,
    "hours": 0.7,
    "km_per_h": 16980.6,
}
DAY: tuple[tuple[str, str | None, str, dict[str, Any]], ...] = (
    ("kai.nakamura@example.com", "Kai Nakamura", "high_risk_domain", {"domain": "free-prizes.example"}),
    ("kai.nakamura@example.com", "Kai Nakamura", "imp_travel", TRAVEL),
    ("ada.okafor@example.com", "Ada Okafor", "malicious_file", {"file": "invoice_7731.pdf.exe", "sha256": "9f2c…"}),
    ("li.wei@example.com", "Li Wei", "crowdstrike_medium_zta", {"score": 61}),
    ("mara.silva@example.com", "Mara Silva", "high_dlp", {"hits": 23, "profile": "Card numbers"}),
    ("mara.silva@example.com", "Mara Silva", "high_risk_domain", {"domain": "pastes.example"}),
    ("jonas.berg@example.com", "Jonas Berg", "suspicious_domain", {"domain": "login-okta.example"}),
    ("priya.raman@example.com", None, "crowdstrike_low_zta", {"score": 12}),
)


def finding(email: str, name: str | None, behavior: str, details: dict[str, Any]) -> dict[str, Any]:
    """A finding as the API takes it."""
    return {"behavior": behavior, "user": {"email": email, **({"name": name} if name else {})}, "details": details}


def live_a_day(service: Service, oracle: Oracle) -> None:
    """Behaviors are on, an integration whose receiver (*oracle*) works, one whose receiver is not there, findings, one
    user who was reset."""
    service.enable_behaviors()
    body = {"integration_type": "Okta", "tenant_url": oracle.url, "reference_id": "Okta production"}
    service.result("POST", "/integrations", body)
    service.result(
        "POST",
        "/integrations",
        {"integration_type": "Okta", "tenant_url": "http://127.0.0.1:9", "reference_id": "Okta preview"},
    )
    for one in DAY:
        service.result("POST", "/findings", finding(*one))
    users = {user["email"]: user["user_id"] for user in service.result("GET", "/summary")["users"]}
    service.result("POST", f"/{users['li.wei@example.com']}/reset")


_NAMES = ("ana", "ben", "cleo", "dario", "elif", "femi", "gita", "hugo", "ines", "joon", "kaya", "leon")
_LEVELS = {"imp_travel": {"expires_after_seconds": 604_800, "low_seconds": 172_800}}
_EXCEPTIONS: tuple[dict[str, Any], ...] = (
    {"pattern": "svc-*@example.com", "effect": "ignore", "reason": "Service accounts log in from everywhere."},
    {
        "user": "priya.raman@example.com",
        "behavior": "imp_travel",
        "effect": "cap",
        "level": "low",
        "reason": "Travels.",
    },
)
_CHANNELS: tuple[dict[str, Any], ...] = (
    {"kind": "slack", "name": "#identity", "conditions": ["integration_paused", "backlog", "dead_letters"]},
    {"kind": "webhook", "name": "On-call", "conditions": ["integration_rejecting", "source_silent", "disk"]},
)


def furnish(service: Service) -> None:
    """Give the account one of each: sources of products, rules, exceptions, networks, levels that end, channels."""
    for kind, name in (("okta_system_log", "Okta production"), ("entra_sign_in", "Entra sign-ins")):
        service.result("POST", "/sources", {"kind": kind, "name": name})
    when = '$count($distinct(findings[level="low"].behavior)) >= 2'
    rule = {
        "name": "Two different low findings",
        "within_seconds": 86_400,
        "when": when,
        "level": "medium",
    }
    service.result("POST", "/rules", {**rule, "description": "Small things add up."})
    for one in _EXCEPTIONS:
        service.result("POST", "/exceptions", one)
    networks = [{"name": "Berlin office", "cidr": "203.0.113.0/24"}, {"name": "VPN provider", "asn": 64_500}]
    service.result("PUT", "/networks", {"networks": networks})
    service.result("PUT", "/levels", {"durations": _LEVELS, "seconds_between_events": 600})
    for channel in _CHANNELS:
        service.result("POST", "/notification_channels", {**channel, "target": "http://127.0.0.1:9/hooks/secret"})


def bring_users(service: Service, count: int) -> None:
    """Let *count* more users have a finding, so that lists have pages."""
    behaviors = [behavior for _, _, behavior, _ in DAY]
    names = [f"{_NAMES[place % len(_NAMES)]}.{place:03}@example.com" for place in range(count)]
    service.result(
        "POST",
        "/findings",
        [finding(name, None, behaviors[place % len(behaviors)], {}) for place, name in enumerate(names)],
    )


def fill_charts(service: Service) -> None:
    """Give the account six hours in which findings came and levels moved, for charts to look at. The service must not
    run; the counts are charts' alone, so users and ledger know nothing of them."""
    asyncio.run(_fill_charts(service))


async def _fill_charts(service: Service) -> None:
    services = build_services(read_settings(database_url=service.settings["RISKRELAY_DATABASE_URL"]))
    account_id = AccountId(service.account_id)
    try:
        await take_stock(services)
        stock = await services.store.read(account_id, lambda tx: tx.stocks.count())
        await services.store.write(account_id, lambda tx: _keep_hours(tx, stock))
    finally:
        await services.store.close()


def _keep_hours(tx: Transaction, stock: Stock) -> None:
    behaviors = [BehaviorId(name) for name in ("high_risk_domain", "crowdstrike_medium_zta", "imp_travel", "high_dlp")]
    for minutes in range(360, 0, -1):
        at = (stock.taken_at - timedelta(minutes=minutes)).replace(second=0, microsecond=0)
        wave = 1 + math.sin(minutes / 55)
        counts = {(at, one): round(wave * 6 / place) for place, one in enumerate(behaviors, 1)}
        tx.stocks.add_findings(counts)
        users = [round(4 + 3 * wave), round(2 + 2 * wave), 1 + (minutes % 150 < 40)]
        latency = timedelta(milliseconds=24 + 9 * wave)
        tx.stocks.keep(
            replace(
                stock,
                taken_at=at,
                standings=_standings(users),
                ledger=replace(stock.ledger, pending=round(3 * wave)),
                latency_p50=latency,
                latency_p99=latency * (3 + minutes % 50 / 25),
            )
        )


def _standings(users: Sequence[int]) -> list[Standings]:
    return [Standings(frozenset(), level, count) for level, count in zip(RiskLevel, users, strict=True)]
