"""Findings and activity."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from riskrelay.client.aio.session import Session
from riskrelay.client.records import ActivityRecorded, DlpHit, Finding, Login, Recorded, UserReference
from riskrelay.client.requests import NDJSON, Request, body, path

_LINES_PER_REQUEST = 1_000  # as many as the service records in a tenth of a second


class Findings:
    """Risky behaviors observed for users. A finding without an id gets one, so that no retry counts it twice."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def send(
        self,
        behavior: str,
        email: str,
        *,
        name: str | None = None,
        timestamp: datetime | None = None,
        id: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> Recorded:
        """Record one finding.

        Args:
            behavior: the behavior's id, such as high_dlp.
            email: the user's address.
            name: the user's name.
            timestamp: when it was observed; default: now.
            id: your id for the finding. A finding with the same id is stored once.
            details: shown with the finding.

        Raises: ClientError.
        """
        user = UserReference(email=email, name=name)
        finding = Finding(behavior=behavior, user=user, timestamp=timestamp, id=id or str(uuid4()), details=details)
        return await self._session.result(_recording(body(finding)))

    async def send_many(self, findings: Iterable[Finding | Mapping[str, Any]]) -> Recorded:
        """Record up to 10,000 findings: all of them, or none.

        Raises: ClientError. The pointer of a fault starts with the finding's index.
        """
        return await self._session.result(_recording(body([_with_id(finding) for finding in findings])))

    async def send_lines(self, lines: Iterable[str | bytes]) -> AsyncIterator[Recorded]:
        """Record any number of findings, a JSON object per line, such as an open file. Blank lines are skipped.

        Yields: what became of each 1,000 findings. They are stored then.
        Raises: ClientError; ValueError: a line is not a JSON object.
        """
        batch: list[bytes] = []
        for number, line in enumerate(lines, 1):
            if line.strip():
                batch.append(body(_with_id(_object(line, number))))
            if len(batch) == _LINES_PER_REQUEST:
                yield await self._session.result(_recording(b"\n".join(batch), NDJSON))
                batch = []
        if batch:
            yield await self._session.result(_recording(b"\n".join(batch), NDJSON))


class Activity:
    """Logins and DLP hits, in which the service detects behaviors. A repeated request counts once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def send(self, *activity: Login | DlpHit | Mapping[str, Any]) -> ActivityRecorded:
        """Record up to 10,000 activities. OCSF events are given as mappings.

        Raises: ClientError. The pointer of a fault starts with the activity's index.
        """
        return await self._session.result(
            Request(
                operation="recordActivity",
                method="POST",
                path=path("activity"),
                answer=ActivityRecorded,
                body=body(activity),
            )
        )


def _recording(data: bytes, content_type: str = "application/json") -> Request[Recorded]:
    return Request(
        operation="recordFindings",
        method="POST",
        path=path("findings"),
        answer=Recorded,
        body=data,
        content_type=content_type,
    )


def _with_id(finding: Finding | Mapping[str, Any]) -> Finding | dict[str, Any]:
    if isinstance(finding, Finding):
        return finding if finding.id is not None else msgspec.structs.replace(finding, id=str(uuid4()))
    return {**finding, "id": finding.get("id") or str(uuid4())}


def _object(line: str | bytes, number: int) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"line {number:,} is not a JSON object: {error}") from None
