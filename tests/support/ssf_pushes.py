"""A stream that is pushed to the oracle, and what arrived on it."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from support.service import Oracle
from support.ssf_receiver import PUSH, SsfReceiver, is_unasked

_SECONDS = 60


@dataclass
class PushStream:
    """A push stream of a receiver whose endpoint is a path of the oracle.

    Args:
        below: a path of the oracle that decides how it answers.
        authorization: the Authorization header that each push is to carry.
        configuration: more members of the create request.
    """

    receiver: SsfReceiver
    oracle: Oracle
    below: str = "events"
    authorization: str | None = None
    configuration: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = f"/{self.below}/{uuid.uuid4()}"
        self.delivery = {"method": PUSH, "endpoint_url": self.oracle.url + self.path}
        if self.authorization is not None:
            self.delivery["authorization_header"] = self.authorization
        self.document = self.receiver.create_stream(delivery=self.delivery, **self.configuration)

    @property
    def id(self) -> str:
        stream_id: str = self.document["stream_id"]
        return stream_id

    def requests(self) -> list[dict[str, Any]]:
        """Every push so far, as the oracle wrote it down."""
        return [request for request in self.oracle.requests() if request["path"] == self.path]

    def wait_for_requests(self, count: int) -> list[dict[str, Any]]:
        """The first *count* pushes, once they are there."""
        return self.oracle.wait_for(self.path, count)

    def events(self, count: int) -> list[dict[str, Any]]:
        """The claims of the first *count* SETs, verified, in order; without the verification that comes unasked."""
        deadline = time.monotonic() + _SECONDS
        while True:
            claims = [self.receiver.verified(request["token"]) for request in self.requests()]
            asked = [one for one in claims if not is_unasked(one)]
            if len(asked) >= count:
                return asked[:count]
            assert time.monotonic() < deadline, f"{len(asked)} of {count} events came"
            time.sleep(0.02)
