"""The kinds of risky conduct an account can switch on and weigh. One table: BEHAVIORS."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NewType

from riskrelay.core.risk.levels import RiskLevel

BehaviorId = NewType("BehaviorId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """A kind of risky conduct that this service knows.

    Attributes:
        behavior_id: the identifier on the wire.
        name: for people; also the reason that a security event gives.
        description: what has to happen for the behavior to be triggered.
        default_level: how much it weighs until the account says otherwise.
    """

    behavior_id: BehaviorId
    name: str
    description: str
    default_level: RiskLevel


@dataclass(frozen=True, slots=True)
class BehaviorSetting:
    """What one account decided about one behavior."""

    enabled: bool
    risk_level: RiskLevel


def _behavior(behavior_id: str, name: str, description: str, level: RiskLevel) -> Behavior:
    return Behavior(behavior_id=BehaviorId(behavior_id), name=name, description=description, default_level=level)


# The first three ids are published (contract 18); of the other five only the conduct is, so the ids are ours
# (docs/choices.md).
_ROWS = (
    _behavior(
        "high_dlp",
        "High Number of DLP Policies Triggered",
        "Fifteen or more DLP profile hits within one minute.",
        RiskLevel.HIGH,
    ),
    _behavior(
        "imp_travel",
        "Impossible Travel",
        "Two successful logins too far apart for the time between them.",
        RiskLevel.MEDIUM,
    ),
    _behavior(
        "sentinel_one",
        "SentinelOne Infection Detected",
        "A login on a device with an active threat or infection.",
        RiskLevel.HIGH,
    ),
    _behavior(
        "crowdstrike_low_zta",
        "CrowdStrike Low Device Score",
        "A login on a device with a zero-trust assessment score of 0 to 50.",
        RiskLevel.MEDIUM,
    ),
    _behavior(
        "crowdstrike_medium_zta",
        "CrowdStrike Medium Device Score",
        "A login on a device with a zero-trust assessment score of 50 to 79.",
        RiskLevel.LOW,
    ),
    _behavior(
        "malicious_file",
        "Interaction with a Malicious File",
        "The user uploaded or downloaded a file known to be malicious, whether or not that was blocked.",
        RiskLevel.HIGH,
    ),
    _behavior(
        "suspicious_domain",
        "Suspicious Security Domain Visited",
        "The user visited a domain of a security threat or security risk category: phishing, malware, command and "
        "control, and the like.",
        RiskLevel.MEDIUM,
    ),
    _behavior(
        "high_risk_domain",
        "High-Risk Domain Visited",
        "The user visited a domain of a high-risk content category: questionable content, violence, or what the "
        "Children's Internet Protection Act (CIPA) asks schools to filter.",
        RiskLevel.LOW,
    ),
)

BEHAVIORS: Mapping[BehaviorId, Behavior] = {row.behavior_id: row for row in _ROWS}

DEFAULT_SETTINGS: Mapping[BehaviorId, BehaviorSetting] = {
    row.behavior_id: BehaviorSetting(enabled=False, risk_level=row.default_level) for row in _ROWS
}


def settings_with(stored: Mapping[BehaviorId, BehaviorSetting]) -> dict[BehaviorId, BehaviorSetting]:
    """Complete what an account stored with the defaults.

    Returns: a setting for every known behavior, in the table's order; all are disabled in a new account.
    Rule: contract 18.
    """
    return {**DEFAULT_SETTINGS, **stored}


def reason_for(behaviors: Iterable[BehaviorId]) -> str:
    """Name *behaviors* for people, in the table's order, separated by a comma; empty when there are none.

    >>> reason_for([BehaviorId("imp_travel"), BehaviorId("high_dlp")])
    'High Number of DLP Policies Triggered, Impossible Travel'
    """
    chosen = set(behaviors)
    return ", ".join(row.name for row in _ROWS if row.behavior_id in chosen)
