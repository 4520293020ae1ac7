"""Convert the results of a mapping to findings and activity, or to the reason why an event is neither."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec import Struct

from riskrelay.core.risk.activity import SKEW, Activity, ActivityId, DlpHit, InSteps, Login, Timing, at_once, timing
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.exemptions import ANONYMOUS_BEHAVIOR
from riskrelay.core.risk.findings import Finding, FindingId, UserRef
from riskrelay.core.sources.logins import login_of
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import ActivitySignal, FindingSignal, Ignored, Mapped, Refused
from riskrelay.core.sources.sources import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_ID_CHARACTERS = 255

Rest = Ignored | Refused


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of an account that apply to its events.

    Attributes:
        behaviors: the eight built-in behaviors, and the account's own.
        lateness: how old activity may be.
    """

    behaviors: Mapping[BehaviorId, BehaviorSetting]
    lateness: timedelta
    now: datetime

    def is_enabled(self, behavior: BehaviorId) -> bool:
        """Whether the account takes findings of a behavior."""
        setting = self.behaviors.get(behavior)
        return setting is not None and setting.enabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The result for each event of a request, by its index.

    Attributes:
        exempt: the logins of `activity` that the detection of impossible travel does not use.
    """

    findings: dict[int, Finding] = field(default_factory=dict)
    activity: dict[int, Activity] = field(default_factory=dict)
    rest: dict[int, Rest] = field(default_factory=dict)
    exempt: dict[int, Ignored] = field(default_factory=dict)


def prepare(mapped: Iterable[Mapped], source: Source, settings: Settings, in_steps: InSteps = at_once) -> Prepared:
    """Prepare each event independently.

    Args:
        in_steps: see `travel.journeys`.

    An id is unique within its source. A repeated id is a duplicate, even if the event has changed, because products
    send a finding again when its status changes.
    """
    prepared = Prepared()
    for place, one in in_steps(enumerate(mapped)):
        became = one if isinstance(one, Ignored | Refused) else _signal(one, source, settings)
        if isinstance(became, Finding):
            prepared.findings[place] = became
        elif isinstance(became, Activity):
            prepared.activity[place] = became
        else:
            prepared.rest[place] = became
    return prepared


def _signal(signal: FindingSignal | ActivitySignal, source: Source, settings: Settings) -> Finding | Activity | Rest:
    if not source.active:
        return Ignored(reason=Reason.SOURCE_INACTIVE)
    if not signal.identities:
        return Refused(reason=Reason.UNKNOWN_USER)
    # An event without a time is a signal of now: senders deliver as it happens.
    at = settings.now if signal.at_ms is None else _EPOCH + timedelta(milliseconds=signal.at_ms)
    if at > settings.now + SKEW:
        return Refused(reason=Reason.IN_THE_FUTURE)
    if isinstance(signal, FindingSignal):
        return _finding(signal, at, source, settings)
    return _activity(signal, at, source, settings)


def _finding(signal: FindingSignal, at: datetime, source: Source, settings: Settings) -> Finding | Rest:
    behavior = BehaviorId(signal.behavior)
    if source.mapping is not None and behavior not in settings.behaviors:
        return Refused(reason=Reason.UNKNOWN_BEHAVIOR, detail=f"there is no behavior {behavior}")
    if not settings.is_enabled(behavior):
        return Ignored(reason=Reason.BEHAVIOR_DISABLED, detail=f"enable {behavior} to use this event")
    identity = _identity(source, signal.event_id)
    return Finding(
        finding_id=FindingId(identity),
        behavior=behavior,
        user=UserRef(signal.identities[0], signal.full_name),
        occurred_at=at,
        details=_details(signal, source),
        digest=sha256(identity.encode()).digest(),
    )


def _activity(signal: ActivitySignal, at: datetime, source: Source, settings: Settings) -> Activity | Rest:
    if timing(at, settings.now, settings.lateness) is Timing.LATE:
        return Ignored(reason=Reason.TOO_OLD)
    seen = DlpHit(at, signal.policy) if signal.activity == "dlp_hit" else login_of(signal, at, source.name)
    identity = _identity(source, signal.event_id)
    activity = Activity(
        activity_id=ActivityId(identity),
        user=UserRef(signal.identities[0], signal.full_name),
        seen=seen,
        digest=sha256(identity.encode()).digest(),
    )
    is_anonymous = isinstance(seen, Login) and seen.is_anonymous and settings.is_enabled(ANONYMOUS_BEHAVIOR)
    if not settings.is_enabled(activity.behavior) and not is_anonymous:
        return Ignored(reason=Reason.BEHAVIOR_DISABLED, detail=f"enable {activity.behavior} to use this event")
    return activity


def identity_start(source_id: str) -> str:
    """Return the text with which the ids of all findings of a source begin."""
    return f"{source_id}:"


def _identity(source: Source, event_id: str) -> str:
    start = identity_start(source.source_id)
    if len(start) + len(event_id) <= _MAX_ID_CHARACTERS:
        return start + event_id
    return start + sha256(event_id.encode()).hexdigest()


def _details(signal: FindingSignal, source: Source) -> dict[str, Any]:
    members = {
        "source": source.name,
        "source_kind": source.kind,
        "event_id": signal.event_id,
        "title": signal.title,
        "ip": signal.ip,
        "application": signal.application,
        **signal.evidence,
    }
    return {name: value for name, value in members.items() if value is not None}
