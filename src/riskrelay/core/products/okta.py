"""Okta, as its API "Publish a Security Event Token" documents it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from riskrelay.core.integrations import IntegrationType
from riskrelay.core.keys import Algorithm
from riskrelay.core.products.rows import ImplicitStream, OriginAudience, Product
from riskrelay.core.risk.assessment import Cause, LevelChange
from riskrelay.core.risk.change_members import change_members

USER_RISK_CHANGE = "https://schemas.okta.com/secevent/okta/event-type/user-risk-change"
EVENTS_PATH = "/security/api/v1/security-events"


def user_risk_change(change: LevelChange, subject: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of Okta's user-risk-change event for *change*.

    Rule: Okta API "Publish a Security Event Token", model OktaUserRiskChangeEvent: current_level,
    previous_level, event_timestamp (integer seconds) and subject are required, and so is one of
    reason_admin and reason_user; a user without a level is `none`.
    """
    return {
        "subject": {"user": subject},
        "current_level": "none" if change.current is None else change.current.word,
        "previous_level": "none" if change.previous is None else change.previous.word,
        **change_members(change),
    }


def verification(subject: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Return a user-risk-change from none to none: Okta documents no verification event, and this one changes no user.

    Rule: as `user_risk_change`; docs/choices.md.
    """
    return {
        "subject": {"user": subject},
        "current_level": "none",
        "previous_level": "none",
        "event_timestamp": int(at.timestamp()),
        "initiating_entity": Cause.ADMIN.value,
        "reason_admin": {"en": "Verification of the connection"},
    }


OKTA = Product(
    integration_type=IntegrationType.OKTA,
    name="Okta",
    label="Okta",
    summary="an Okta organization",
    tenant_url_hint="the org's URL, such as https://example.okta.com",
    algorithms=(Algorithm.RS256,),  # documented: no other
    implicit_stream=ImplicitStream(
        events_path=EVENTS_PATH,
        event_type=USER_RISK_CHANGE,
        level_change=user_risk_change,
        verification=verification,
    ),
    audience=OriginAudience(tenant="an Okta org"),
    delivered_note="Okta also accepts events about unknown email addresses.",
    setup_steps=(
        "Open the Okta Admin Console of **{tenant_url}** as a super admin.",
        "Go to **Security**, **Device Integrations**, **Receive shared signals**, and choose **Create stream**.",
        "Give it a name, such as *riskrelay*, and choose **Well-known URL** for **Set up integration with**.",
        "Paste this as the **Well-known URL**: {well_known_url}",
        "Choose **Create**. Okta reads the issuer and the keys from the URL, so it must be able to reach it.",
        "Return to this page and send a test event.",
    ),
)
