"""An account in which something has happened, for those who look at the console."""

from typing import Any

from support.service import Oracle, Service

DAY = (
    ("kai.nakamura@example.com", "Kai Nakamura", "suspicious_domain", {"domain": "free-prizes.example"}),
    ("kai.nakamura@example.com", "Kai Nakamura", "imp_travel", {"from": "Lisbon", "to": "Singapore", "minutes": 42}),
    ("ada.okafor@example.com", "Ada Okafor", "malicious_file", {"file": "invoice_7731.pdf.exe", "sha256": "9f2c…"}),
    ("li.wei@example.com", "Li Wei", "crowdstrike_medium_zta", {"score": 61}),
    ("mara.silva@example.com", "Mara Silva", "high_dlp", {"hits": 23, "profile": "Card numbers"}),
    ("mara.silva@example.com", "Mara Silva", "suspicious_domain", {"domain": "pastes.example"}),
    ("jonas.berg@example.com", "Jonas Berg", "high_risk_domain", {"domain": "login-okta.example"}),
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
