"""What the behaviors are called and what they mean (contract 18)."""

import pytest

from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId
from riskrelay.core.risk.levels import RiskLevel

NAMES = {
    "high_dlp": "High Number of DLP Policies Triggered",
    "imp_travel": "Impossible Travel",
    "sentinel_one": "SentinelOne Infection Detected",
    "crowdstrike_low_zta": "CrowdStrike Low Device Score",
    "crowdstrike_medium_zta": "CrowdStrike Medium Device Score",
    "malicious_file": "Interaction with a Malicious File",
    "suspicious_domain": "Suspicious Security Domain Visited",
    "high_risk_domain": "High-Risk Domain Visited",
}


def test_names_are_written_as_the_original_writes_them() -> None:
    """Every behavior, in the table's order."""
    assert {row.behavior_id: row.name for row in BEHAVIORS.values()} == NAMES


@pytest.mark.parametrize(
    ("behavior", "words", "not_words"),
    [
        ("suspicious_domain", ["phishing", "malware", "command and control"], ["violence", "questionable"]),
        ("high_risk_domain", ["questionable content", "violence", "CIPA"], ["phishing", "malware"]),
        ("malicious_file", ["uploaded", "downloaded", "blocked"], ["opened"]),
    ],
)
def test_a_description_says_what_the_behavior_covers(behavior: str, words: list[str], not_words: list[str]) -> None:
    """Security threats are the suspicious domains, questionable content the high-risk ones; blocked files count."""
    description = BEHAVIORS[BehaviorId(behavior)].description
    assert [word for word in words if word not in description] == []
    assert [word for word in not_words if word in description] == []


def test_a_security_threat_weighs_more_than_questionable_content() -> None:
    """The default levels."""
    assert BEHAVIORS[BehaviorId("suspicious_domain")].default_level is RiskLevel.MEDIUM
    assert BEHAVIORS[BehaviorId("high_risk_domain")].default_level is RiskLevel.LOW
