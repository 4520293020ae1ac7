"""Every enum of the OpenAPI document has the words of the code, all of them, and no others."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import pytest

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.health import Condition
from riskrelay.core.delivery.replays import REPLAYABLE
from riskrelay.core.erasures import ErasureStatus
from riskrelay.core.integrations import IntegrationType
from riskrelay.core.jobs import JobStatus
from riskrelay.core.keys import Algorithm, KeyState
from riskrelay.core.notifications.channels import ChannelKind
from riskrelay.core.notifications.channels import Condition as NotifiedCondition
from riskrelay.core.risk.assessment import ChangeKind
from riskrelay.core.risk.behaviors import BEHAVIORS
from riskrelay.core.risk.exceptions import Effect
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import StopReason
from riskrelay.core.sources.directory import NAME_KINDS
from riskrelay.core.sources.mappings import Gives
from riskrelay.core.sources.sources import CredentialKind as SenderKind
from riskrelay.core.sources.sources import SourceState
from riskrelay.core.ssf.access import CredentialKind, ReceiverScope
from riskrelay.core.ssf.event_types import EVENT_TYPES, OF_STREAMS
from riskrelay.core.ssf.metadata import DELIVERY_POLL, DELIVERY_PUSH, RISC_POLL, RISC_PUSH
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.core.ssf.refused_requests import ReceiverOperation
from riskrelay.core.ssf.streams import StreamStatus
from support.contract import DOCUMENT

_LEVELS = [level.word for level in RiskLevel]
_PUSH, _POLL = (DELIVERY_PUSH, RISC_PUSH), (DELIVERY_POLL, RISC_POLL)

WORDS: dict[str, Iterable[Any]] = {
    "IntegrationType": IntegrationType,
    "BuiltInBehaviorId": BEHAVIORS,
    "RiskLevel": _LEVELS,
    "NullableRiskLevel": [*_LEVELS, None],
    "UserExport.user.risk_level": [*_LEVELS, None],
    "LevelChangeKind": ChangeKind,
    "ExceptionEffect": Effect,
    "Rule.stopped": [*StopReason, None],
    "ExceptionBody.effect": [effect for effect in Effect if effect is not Effect.IGNORE],
    "User.events.exception.effect": [*Effect, None],
    "TrialExamples.before": ["none", *_LEVELS],
    "TrialExamples.after": ["none", *_LEVELS],
    "StartBulkReset.filter.level": [*_LEVELS, None],
    "BulkReset.status": JobStatus,
    "Erasure.status": ErasureStatus,
    "SecurityEvent.event_type": [uri for uri in EVENT_TYPES if uri not in OF_STREAMS],
    "Scope": Scope,
    "AuditVerb": Verb,
    "AuditKind": Kind,
    "NameKind": NAME_KINDS,
    "StartReplay.filter.state": REPLAYABLE,
    "Replay.status": JobStatus,
    "Replay.filter.state": REPLAYABLE,
    "Health.refused_requests.operation": ReceiverOperation,
    "StreamHealth.condition": Condition,
    "StreamHealth.last_attempt.outcome": OutcomeKind,
    "DeliveryState": DeliveryState,
    "Delivery.attempts.outcome": OutcomeKind,
    "ReceiverScopes": ReceiverScope,
    "ReceiverCredential.kind": CredentialKind,
    "IssuedReceiverCredential.kind": CredentialKind,
    "CreateReceiverCredential.kind": CredentialKind,
    "StreamDelivery.if.method": _PUSH,
    "StreamDelivery.if.delivery_method": _PUSH,
    "StreamDelivery.method": (*_PUSH, *_POLL),
    "StreamDelivery.delivery_method": (*_PUSH, *_POLL),
    "StreamStatus.status": StreamStatus,
    "IntegrationSettings.signing_algorithm": Algorithm,
    "SigningKey.algorithm": Algorithm,
    "SigningKey.state": KeyState,
    "SourceCredentialKind": SenderKind,
    "SourceKind.gives": get_args(Gives),
    "SourceState": SourceState,
    "NotificationCondition": NotifiedCondition,
    "NotificationKind": ChannelKind,
}
IN_NO_TYPE = {
    "ActivityRecorded.findings.behavior",
    "Login.type",
    "SourceAttempt.events.became",
    "SourceSample.became",
    "Token.status",
    "StreamHealth.delivery",
}
"""Enums whose words no type of the code has."""

_KEYWORDS = {"properties", "items", "oneOf", "allOf", "anyOf"}


def enums(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[Any]]]:
    """Every enum at or below *node*, with the names of the members that lead there."""
    if isinstance(node, list):
        for item in node:
            yield from enums(item, path)
    elif isinstance(node, dict):
        if isinstance(node.get("enum"), list):
            yield ".".join(path), node["enum"]
        for name, value in node.items():
            if name not in ("example", "examples"):
                yield from enums(value, path if name in _KEYWORDS else (*path, str(name)))


FOUND = dict(enums(DOCUMENT["components"]["schemas"]))


def test_every_enum_of_the_document_is_compared() -> None:
    """One that is added to a schema is added to WORDS, too, and one outside of the schemas is moved there."""
    assert FOUND.keys() == WORDS.keys() | IN_NO_TYPE
    assert len(list(enums(DOCUMENT))) == len(FOUND)


@pytest.mark.parametrize("place", WORDS)
def test_an_enum_has_the_words_of_the_code(place: str) -> None:
    """Each once, in any order."""
    assert Counter(FOUND[place]) == Counter(list(WORDS[place]))


def test_a_refused_integration_type_names_all() -> None:
    """The answer that the document shows lists the types that there are."""
    faults = DOCUMENT["components"]["examples"]["faults"]["value"]["errors"]
    assert f"integration_type: must be {' or '.join(IntegrationType)}" in [fault["message"] for fault in faults]
