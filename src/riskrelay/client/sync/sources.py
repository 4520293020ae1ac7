"""Sources of signals."""

from collections.abc import Iterable
from typing import Any

from riskrelay.client.records import (
    CreatedSource,
    IssuedSourceCredential,
    Source,
    SourceAttempt,
    SourceCredential,
    SourceKind,
    SourceOutcome,
    SourceSample,
)
from riskrelay.client.requests import Nothing, Request, body, given, path
from riskrelay.client.sync.session import Session

UNCHANGED: Any = object()


class Sources:
    """The products that send signals, and how their events are mapped."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def kinds(self) -> list[SourceKind]:
        """Return the kinds of sources with their shipped mappings."""
        return self._session.result(
            Request(operation="listSourceKinds", method="GET", path=path("sources", "kinds"), answer=list[SourceKind])
        )

    def create(
        self,
        kind: str,
        name: str | None = None,
        *,
        active: bool = True,
        mapping: dict[str, Any] | None = None,
        silent_after_seconds: int | None = None,
        credential: str = "header",
        key: str | None = None,
    ) -> CreatedSource:
        """Create a source. The secret of its sender is only in this response.

        Args:
            kind: such as okta_system_log, or custom, which requires a mapping.
            name: default: the kind.
            credential: how the sender authenticates: header, path or signature.
            key: of signatures, if the sender knows it already.

        Raises: InvalidRequest; ClientError; AnswerLost: delete the source that `all` shows, if any.
        """
        wanted = given(
            kind=kind,
            name=name or kind,
            active=active,
            mapping=mapping,
            silent_after_seconds=silent_after_seconds,
            credential=credential,
            key=key,
        )
        return self._session.result(
            Request(
                operation="createSource",
                method="POST",
                path=path("sources"),
                answer=CreatedSource,
                body=wanted,
                is_repeatable=False,
            )
        )

    def all(self) -> list[Source]:
        """Return the account's sources with their state and the counts of the last day."""
        return self._session.result(
            Request(operation="listSources", method="GET", path=path("sources"), answer=list[Source])
        )

    def get(self, source_id: str) -> Source:
        """Return a source. Raises: NotFound; ClientError."""
        return self._session.result(
            Request(operation="getSource", method="GET", path=path("sources", source_id), answer=Source)
        )

    def update(
        self,
        source_id: str,
        *,
        name: str | None = None,
        active: bool | None = None,
        mapping: dict[str, Any] | None = UNCHANGED,
        silent_after_seconds: int | None = None,
    ) -> Source:
        """Change a source. A new mapping applies to new events.

        Args:
            name, active, silent_after_seconds: None: unchanged.
            mapping: None: the shipped mapping of the kind; default: unchanged.

        Raises: NotFound; InvalidRequest; ClientError.
        """
        wanted: dict[str, Any] = {"name": name, "active": active, "silent_after_seconds": silent_after_seconds}
        wanted = {member: value for member, value in wanted.items() if value is not None}
        if mapping is not UNCHANGED:
            wanted["mapping"] = mapping
        return self._session.result(
            Request(
                operation="updateSource",
                method="PUT",
                path=path("sources", source_id),
                answer=Source,
                body=body(wanted),
            )
        )

    def delete(self, source_id: str) -> None:
        """Delete a source with its credentials, counts and samples. Its findings are kept.

        Raises: NotFound; ClientError.
        """
        self._session.result(
            Request(
                operation="deleteSource",
                method="DELETE",
                path=path("sources", source_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )

    def mapping(self, source_id: str) -> dict[str, Any]:
        """Return the mapping document that a source uses. Raises: NotFound; ClientError."""
        return self._session.result(
            Request(
                operation="getSourceMapping",
                method="GET",
                path=path("sources", source_id, "mapping"),
                answer=dict[str, Any],
            )
        )

    def credentials(self, source_id: str) -> list[SourceCredential]:
        """Return the credentials of a source's sender, without their secrets. Raises: NotFound; ClientError."""
        return self._session.result(
            Request(
                operation="listSourceCredentials",
                method="GET",
                path=path("sources", source_id, "credentials"),
                answer=list[SourceCredential],
            )
        )

    def create_credential(
        self, source_id: str, kind: str = "header", *, key: str | None = None, revoke_others: bool = False
    ) -> IssuedSourceCredential:
        """Create a credential for a source's sender. Its secret is only in this response.

        Raises: NotFound; ClientError; AnswerLost: revoke the credential that `credentials` shows, if any.
        """
        return self._session.result(
            Request(
                operation="createSourceCredential",
                method="POST",
                path=path("sources", source_id, "credentials"),
                answer=IssuedSourceCredential,
                body=given(kind=kind, key=key, revoke_others=revoke_others),
                is_repeatable=False,
            )
        )

    def revoke_credential(self, source_id: str, credential_id: str) -> None:
        """Revoke a credential of a source's sender. Raises: NotFound; ClientError."""
        self._session.result(
            Request(
                operation="revokeSourceCredential",
                method="DELETE",
                path=path("sources", source_id, "credentials", credential_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )

    def send_events(self, source_id: str, events: Iterable[Any]) -> SourceOutcome:
        """Send up to 10,000 events as their product writes them. A repeat counts once.

        Raises: NotFound; ClientError.
        """
        return self._session.result(
            Request(
                operation="sendSourceEvents",
                method="POST",
                path=path("sources", source_id, "events"),
                answer=SourceOutcome,
                body=body(list(events)),
            )
        )

    def try_events(self, source_id: str, events: Iterable[Any]) -> SourceAttempt:
        """Return what each event would become. Nothing is stored. Raises: NotFound; ClientError."""
        return self._session.result(
            Request(
                operation="trySourceEvents",
                method="POST",
                path=path("sources", source_id, "try"),
                answer=SourceAttempt,
                body=body(list(events)),
            )
        )

    def samples(self, source_id: str) -> list[SourceSample]:
        """Return events of the last day that were ignored or refused. Raises: NotFound; ClientError."""
        return self._session.result(
            Request(
                operation="listSourceSamples",
                method="GET",
                path=path("sources", source_id, "samples"),
                answer=list[SourceSample],
            )
        )

    def replay_samples(self, source_id: str) -> SourceOutcome:
        """Process the samples as new events, for example after a change of the mapping.

        Raises: NotFound; AnswerLost; ClientError.
        """
        return self._session.result(
            Request(
                operation="replaySourceSamples",
                method="POST",
                path=path("sources", source_id, "samples", "replay"),
                answer=SourceOutcome,
                is_repeatable=False,
            )
        )
