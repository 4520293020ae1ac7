"""`make screenshots`: every screen of the console, light and dark, wide and narrow, into docs/screenshots/.

Args: names of screens; none: all.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from support.browser import DESKTOP, PHONE, Person, chromium
from support.console_world import bring_users, fill_charts, furnish, live_a_day
from support.service import Oracle, Service
from support.visitor import Visitor
from support.waiting import until

DIRECTORY = Path(__file__).parents[2] / "docs" / "screenshots"

SCREENS = {
    "sign-in": "/console/sign-in",
    "accounts": "/console",
    "not-found": "/console/nowhere",
    "overview": "?window=6h",
    "users": "/users",
    "users-none": "/users?q=nobody",
    "user": "/users/{user_id}",
    "user-deliveries": "/users/{user_id}/deliveries",
    "bulk-resets": "/users/resets?level=medium",
    "bulk-reset-choice": "/users/resets",
    "behaviors": "/behaviors?proposed=yes&enabled=imp_travel&level-imp_travel=high&level-high_dlp=low",
    "levels": "/behaviors/levels",
    "try": "/behaviors/try",
    "exceptions": "/exceptions",
    "own-behavior": "/behaviors/own/vpn_from_abroad",
    "exception": "/exceptions/{exception_id}",
    "rules": "/rules",
    "rule": "/rules/{rule_id}",
    "directory": "/directory",
    "sources": "/sources",
    "source": "/sources/{source_id}",
    "detection": "/detection",
    "source-of-product": "/sources/{product_source_id}",
    "integrations": "/integrations",
    "integration-new": "/integrations/new",
    "integration-healthy": "/integrations/{healthy_id}",
    "integration": "/integrations/{integration_id}",
    "set-up": "/integrations/{integration_id}/setup",
    "deliveries": "/integrations/{integration_id}/deliveries",
    "deliveries-next": "/integrations/{integration_id}/deliveries?row=50&after={after}",
    "delivery": "/integrations/{integration_id}/deliveries/{place}",
    "replay": "/integrations/{integration_id}/replays",
    "replay-users": "/integrations/{integration_id}/replays?edit=1&state=dead&users=kai.nakamura@example.com&find=ana",
    "replay-preview": "/integrations/{integration_id}/replays?state=dead",
    "replay-job": "/integrations/{healthy_id}/replays?job={replay_id}",
    "receivers": "/integrations/{integration_id}/receivers",
    "integration-settings": "/integrations/{integration_id}/settings",
    "dead-letters": "/dead-letters",
    "live": "/live?paused=1",
    "tokens": "/settings",
    "audit": "/settings/audit",
    "keys": "/settings/keys",
    "notifications": "/settings/notifications",
    "notification-channel": "/settings/notifications/{channel_id}",
    "health": "/settings/health",
}


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="riskrelay-screenshots-") as directory:
        service, oracle = Service(Path(directory)), Oracle(Path(directory))
        fill_charts(service)
        oracle.start()
        service.start()
        try:
            live_a_day(service, oracle)
            ids = inhabit(service, oracle)
            time.sleep(12)  # until the day has been counted
            paths = {name: path.format_map(ids) for name, path in SCREENS.items()}
            take(service, {name: path for name, path in paths.items() if not names or name in names})
        finally:
            service.stop()
            oracle.stop()


def inhabit(service: Service, oracle: Oracle) -> dict[str, str]:
    """Give every screen something to show.

    Returns: the ids in the paths of SCREENS: of a user who traveled, of an integration whose receiver refuses
        everything and of a delivery that it refused, of one whose receiver works, and of one of each other object.
    """
    furnish(service)
    user = next(one for one in service.result("GET", "/summary")["users"] if one["email"].startswith("kai"))
    body = {"integration_type": "Okta", "tenant_url": f"{oracle.url}/reject", "reference_id": "Okta staging"}
    integration_id = service.result("POST", "/integrations", body)["id"]
    service.result("POST", f"/integrations/{integration_id}/verify")
    bring_users(service, 120)
    oracle.wait_for("/reject/security/api/v1/security-events", 121)
    healthy_id = service.result("GET", "/integrations/reference_id/Okta%20production")["id"]
    wanted = {"filter": {"state": "delivered", "queued_from": "2026-01-01T00:00:00Z"}}
    replay = service.result("POST", f"/integrations/{healthy_id}/deliveries/replay", wanted)["replay"]
    description = "A login through a VPN from a country without an office."
    behavior = {"id": "vpn_from_abroad", "name": "VPN from Abroad", "description": description, "risk_level": "medium"}
    service.result("POST", "/behaviors", {**behavior, "enabled": True})
    source_id = _fill_directory(service)
    visitor = Visitor(service)
    visitor.sign_in()
    page = visitor.ask("GET", f"/console/accounts/acme/integrations/{integration_id}/deliveries").text
    return {
        "user_id": user["user_id"],
        "integration_id": integration_id,
        "healthy_id": healthy_id,
        "place": page.partition("/deliveries/")[2].partition('"')[0],
        "after": page.partition("after=")[2].partition("&")[0],
        "source_id": source_id,
        "product_source_id": service.result("GET", "/sources")[0]["id"],
        "replay_id": replay["id"],
        "exception_id": service.result("GET", "/exceptions")[0]["id"],
        "rule_id": service.result("GET", "/rules")[0]["id"],
        "channel_id": service.result("GET", "/notification_channels")[0]["id"],
    }


def _fill_directory(service: Service) -> str:
    """Some entries, and names that signals are lost for.

    Returns: the id of the source that sent these signals.
    """
    users = ("kai.nakamura", "pat.okafor", "lou.martin")
    entries = [{"kind": "upn", "name": f"{user}@corp.example.com", "email": f"{user}@example.com"} for user in users]
    entries += [
        {"kind": "host", "name": f"LAPTOP-{user[:3].upper()}", "email": f"{user}@example.com"} for user in users
    ]
    service.result("PUT", "/directory", entries)
    rule = {"when": "true", "gives": "finding", "behavior": "high_dlp", "names": {"host": "host", "sub": "sub"}}
    mapping = {"kind": "custom", "description": "Tests.", "rules": [{**rule, "time": "at", "id": "key"}]}
    source = service.result("POST", "/sources", {"kind": "custom", "name": "Data loss prevention", "mapping": mapping})
    secret = {"Authorization": f"Bearer {source['credential']['secret']}"}
    at = datetime.now(UTC).isoformat()
    events = [
        {"key": f"{name} {number}", "at": at, kind: name}
        for kind, name, count in (("host", "DESKTOP-4711", 41), ("host", "LAPTOP-EVA", 17), ("sub", "00u1a2b3c4", 3))
        for number in range(count)
    ]
    service.call("POST", f"/sources/{source['id']}/events", events, **secret)
    until(lambda: service.result("GET", "/directory/missed") != [])
    source_id: str = source["id"]
    return source_id


def take(service: Service, paths: dict[str, str]) -> None:
    DIRECTORY.mkdir(exist_ok=True)
    with chromium() as browser:
        for width, size in (("wide", DESKTOP), ("narrow", PHONE)):
            for scheme in ("light", "dark"):
                person = Person(browser, service, size, is_dark=scheme == "dark")
                person.sign_in()
                for name, path in paths.items():
                    page = person.open(path)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=DIRECTORY / f"{name}-{width}-{scheme}.png", full_page=True)
                person.close()


if __name__ == "__main__":
    main(sys.argv[1:])
