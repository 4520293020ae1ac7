"""A stream: what carries an integration's security events to its receiver."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType
from zlib import crc32

from riskrelay.integrations import Integration
from riskrelay.ssf.event_types import OKTA_USER_RISK_CHANGE

StreamId = NewType("StreamId", str)

# Documented: Okta API "Publish a Security Event Token".
OKTA_EVENTS_PATH = "/security/api/v1/security-events"


class StreamStatus(StrEnum):
    """Rule: SSF 1.0 §8.1.2: paused holds events, disabled neither holds nor sends them."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Stream:
    """An integration's stream, with the integration it belongs to as it is at the same moment.

    Attributes:
        lanes: into how many lanes its events are spread by subject; at least 1.
    """

    stream_id: StreamId
    integration: Integration
    status: StreamStatus
    lanes: int

    @property
    def endpoint_url(self) -> str:
        """Where its SETs are pushed.

        Rule: Okta takes pushes at one path of the org's URL.

        A final slash of the tenant URL does not double: the tenant is echoed byte for byte, the path is ours.
        """
        return self.integration.tenant_url.rstrip("/") + OKTA_EVENTS_PATH

    @property
    def audience(self) -> str:
        """The `aud` of its SETs: the Okta org's URL, as the account wrote it."""
        return self.integration.tenant_url

    def lane_of(self, subject_key: str) -> int:
        """The lane that carries *subject_key*: always the same, so that order per subject holds."""
        return crc32(subject_key.encode()) % self.lanes


def takes(stream: Stream, event_type: str, subject: Mapping[str, Any]) -> bool:
    """Whether *stream* carries events of *event_type* about *subject*.

    Rule: the stream that every Okta integration has carries Okta's own event type only (docs/choices.md).
    """
    return event_type == OKTA_USER_RISK_CHANGE
