"""Risk behaviors, which an account enables and gives a risk level: the eight built-in ones, and the account's own."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NewType

from riskrelay.core.risk.levels import RiskLevel

BehaviorId = NewType("BehaviorId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """A built-in behavior.

    Attributes:
        behavior_id: the identifier on the wire.
        name: the name for people, which is also the reason in a security event.
        description: the condition of the behavior.
        default_level: the risk level until the account changes it.
    """

    behavior_id: BehaviorId
    name: str
    description: str
    default_level: RiskLevel


MAX_BEHAVIOR_ID_CHARACTERS = 50  # chosen: findings have room for 64
MAX_BEHAVIOR_NAME_CHARACTERS = 100  # guessed: the name is included in every security event
MAX_BEHAVIOR_DESCRIPTION_CHARACTERS = 1_000  # guessed: some sentences
MAX_RETIRED_BEHAVIORS = 1_000  # guessed: findings of retired behaviors still need their names
_ID = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class OwnBehavior:
    """An account's own behavior.

    Attributes:
        is_retired: whether it takes no new findings and is not listed. Existing findings keep its name and level.
    """

    name: str
    description: str
    is_retired: bool = False


@dataclass(frozen=True, slots=True)
class BehaviorSetting:
    """One account's settings of one behavior.

    Attributes:
        own: None: the behavior is built in.
    """

    enabled: bool
    risk_level: RiskLevel
    own: OwnBehavior | None = None

    @property
    def is_retired(self) -> bool:
        """Whether it is the account's own and was retired."""
        return self.own is not None and self.own.is_retired


def _behavior(behavior_id: str, name: str, description: str, level: RiskLevel) -> Behavior:
    return Behavior(behavior_id=BehaviorId(behavior_id), name=name, description=description, default_level=level)


# The first three ids are published (contract 18). Of the other five only the descriptions are, so the ids are our own
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
    """Complete an account's stored settings with the defaults.

    Returns: a setting for each behavior: the eight built-in ones in the table's order, then the account's own,
        including retired ones. All are disabled in a new account.
    Rule: contract 18.
    """
    return {**DEFAULT_SETTINGS, **stored}


def id_problem(behavior: str) -> str | None:
    """Return why *behavior* cannot be the id of an account's own behavior; None: it can.

    >>> id_problem("vpn_from_abroad"), id_problem("high_dlp")
    (None, 'high_dlp is a built-in behavior; choose another id')
    """
    if behavior in BEHAVIORS:
        return f"{behavior} is a built-in behavior; choose another id"
    if not is_id(behavior):
        return (
            f"must have 1 to {MAX_BEHAVIOR_ID_CHARACTERS} lower-case letters, digits and underscores, and begin with "
            "a letter"
        )
    return None


def name_problem(name: str) -> str | None:
    """Return why *name* cannot be the name of an account's own behavior; None: it can."""
    if 1 <= len(name) <= MAX_BEHAVIOR_NAME_CHARACTERS and name.isprintable() and name == name.strip():
        return None
    return (
        f"must have 1 to {MAX_BEHAVIOR_NAME_CHARACTERS} printable characters, and no space at its beginning or its end"
    )


def description_problem(description: str) -> str | None:
    """Return why *description* cannot be the description of an account's own behavior; None: it can."""
    if len(description) <= MAX_BEHAVIOR_DESCRIPTION_CHARACTERS and description.isprintable():
        return None
    return f"must be one line of at most {MAX_BEHAVIOR_DESCRIPTION_CHARACTERS:,} printable characters"


def is_id(text: str) -> bool:
    """Return whether *text* has the form of a behavior's id.

    >>> is_id("high_dlp"), is_id("High DLP")
    (True, False)
    """
    return len(text) <= MAX_BEHAVIOR_ID_CHARACTERS and _ID.fullmatch(text) is not None


def behaviors_in_use(settings: Mapping[BehaviorId, BehaviorSetting]) -> dict[BehaviorId, Behavior]:
    """Return the eight, then the account's own by id, without the retired ones."""
    own = {
        behavior: Behavior(
            behavior_id=behavior,
            name=setting.own.name,
            description=setting.own.description,
            default_level=setting.risk_level,
        )
        for behavior, setting in sorted(settings.items())
        if setting.own is not None and not setting.own.is_retired
    }
    return {**BEHAVIORS, **own}


def name_of(behavior: BehaviorId, settings: Mapping[BehaviorId, BehaviorSetting]) -> str:
    """Return the name for people, also of a retired behavior; for an unknown behavior its id.

    >>> name_of(BehaviorId("imp_travel"), {})
    'Impossible Travel'
    """
    if behavior in BEHAVIORS:
        return BEHAVIORS[behavior].name
    setting = settings.get(behavior)
    return behavior if setting is None or setting.own is None else setting.own.name


def reason_for(behaviors: Iterable[BehaviorId], settings: Mapping[BehaviorId, BehaviorSetting]) -> str:
    """Name *behaviors* for people, the eight in the table's order, then the others by id, separated by a comma.

    Returns: empty when there are none.

    >>> reason_for([BehaviorId("imp_travel"), BehaviorId("high_dlp")], {})
    'High Number of DLP Policies Triggered, Impossible Travel'
    """
    chosen = set(behaviors)
    if len(chosen) == 1:  # nearly always
        return name_of(chosen.pop(), settings)
    ordered = [*(known for known in BEHAVIORS if known in chosen), *sorted(chosen - BEHAVIORS.keys())]
    return ", ".join(name_of(behavior, settings) for behavior in ordered)
