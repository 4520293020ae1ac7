"""Sources of an account: the resource, its kinds and mappings, its credentials and its samples."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.record_signals import Signals
from riskrelay.actions.sources import (
    Issued,
    WantedSource,
    change_source,
    check_mapping,
    create_source,
    delete_source,
    issue_credential,
    mapping_in_use,
    read_samples,
    replay_samples,
    revoke_source_credential,
)
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import found
from riskrelay.core.risk.activity import written
from riskrelay.core.sources.mappings import MappingDocument
from riskrelay.core.sources.outcomes import words
from riskrelay.core.sources.signals import Ignored, Refused
from riskrelay.core.sources.sources import (
    COUNTED_FOR,
    MAX_NAME_CHARACTERS,
    MAX_SILENCE,
    MIN_SILENCE,
    Became,
    Counts,
    CredentialKind,
    Source,
    SourceCredential,
    SourceCredentialId,
    SourceId,
    state_of,
    total,
)
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.bodies import PlainText, WholeNumber, read_object, read_optional
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.source_events import rendered as rendered_outcome
from riskrelay.web.auth import Caller, caller_of

Name = Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]
Key = Annotated[PlainText, Field(min_length=16, max_length=255)]
SilentAfter = Annotated[WholeNumber, Field(ge=int(MIN_SILENCE.total_seconds()), le=int(MAX_SILENCE.total_seconds()))]


class CreateBody(BaseModel):
    """The body of create. Other members are ignored."""

    kind: Annotated[PlainText, Field(max_length=64)]
    name: Name
    active: bool = True
    mapping: dict[str, Any] | None = None
    silent_after_seconds: SilentAfter | None = None
    credential: CredentialKind = CredentialKind.HEADER
    key: Key | None = None


class UpdateBody(BaseModel):
    """The body of update.

    Other members are ignored. Absent members do not change; a mapping of null is the shipped one.
    """

    name: Name | None = None
    active: bool | None = None
    mapping: dict[str, Any] | None = None
    silent_after_seconds: SilentAfter | None = None


class CredentialBody(BaseModel):
    """The body of a new credential. Other members are ignored."""

    kind: CredentialKind = CredentialKind.HEADER
    key: Key | None = None
    revoke_others: bool = False


class SourceRoutes:
    """The handlers of sources.

    Args:
        public_origin: where senders reach this service.
    """

    def __init__(self, services: Services, signals: Signals, public_origin: str) -> None:
        self._services = services
        self._signals = signals
        self._public_origin = public_origin

    async def create(self, request: Request) -> Response:
        """Create a source. Only this response contains the secret of its credential."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, CreateBody)
        wanted = WantedSource(
            kind=body.kind,
            name=body.name,
            active=body.active,
            mapping=body.mapping,
            silent_after=_silence(body.silent_after_seconds),
            credential=body.credential,
            key=body.key,
        )
        created = await create_source(self._services, self._signals, caller.account_id, caller.actor, wanted=wanted)
        return success(
            {
                **self._rendered(created.source, {}),
                "credential": self._with_secret(created.source, created.issued),
                "created_behaviors": list(created.behaviors),
                "next_step": _next_step(created.behaviors, mapping_in_use(self._signals, created.source)),
            }
        )

    async def list_all(self, request: Request) -> Response:
        """Return all sources of the account, oldest first."""
        caller = await caller_of(request, self._services, Scope.READ)
        since = self._services.clock.now() - COUNTED_FOR
        sources, counts = await self._services.store.read(
            caller.account_id, lambda tx: (tx.sources.all(), tx.sources.counts(since))
        )
        return success([self._rendered(source, counts.get(source.source_id, {})) for source in sources])

    async def get(self, request: Request) -> Response:
        """Return one source."""
        caller = await caller_of(request, self._services, Scope.READ)
        return success(await self._shown(caller, _source_id(request)))

    async def update(self, request: Request) -> Response:
        """Change a source, and return it. Its mapping is checked first."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, UpdateBody)
        given = body.model_fields_set
        mapping = (
            None
            if body.mapping is None
            else (await check_mapping(self._signals, caller.account_id, body.mapping)).content
        )

        def change(source: Source) -> Source:
            return replace(
                source,
                name=source.name if body.name is None else body.name,
                active=source.active if body.active is None else body.active,
                mapping=mapping if "mapping" in given else source.mapping,
                silent_after=_silence(body.silent_after_seconds)
                if "silent_after_seconds" in given
                else source.silent_after,
            )

        await change_source(self._services, caller.account_id, caller.actor, _source_id(request), change=change)
        return success(await self._shown(caller, _source_id(request)))

    async def delete(self, request: Request) -> Response:
        """Delete a source."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        await delete_source(self._services, caller.account_id, caller.actor, _source_id(request))
        return success({})

    async def list_kinds(self, request: Request) -> Response:
        """Return the kinds of this version, with the requirements of each."""
        await caller_of(request, self._services, Scope.READ)
        return success([_rendered_kind(document) for _, document in sorted(self._signals.mapper.shipped.items())])

    async def get_mapping(self, request: Request) -> Response:
        """Return the mapping document that a source uses."""
        caller = await caller_of(request, self._services, Scope.READ)
        source = await self._source(caller, _source_id(request))
        return success(msgspec.Raw(mapping_in_use(self._signals, source).content))

    async def create_credential(self, request: Request) -> Response:
        """Create a credential. Only this response contains its secret."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_optional(request, CredentialBody)
        source, issued = await issue_credential(
            self._services,
            self._signals,
            caller.account_id,
            caller.actor,
            source_id=_source_id(request),
            kind=body.kind,
            key=body.key,
            is_only=body.revoke_others,
        )
        return success(self._with_secret(source, issued))

    async def list_credentials(self, request: Request) -> Response:
        """Return the source's credentials, oldest first, without secrets."""
        caller = await caller_of(request, self._services, Scope.READ)
        source_id = _source_id(request)

        def read(tx: Transaction) -> list[SourceCredential]:
            found(tx.sources.get(source_id))
            return tx.sources.credentials(source_id)

        credentials = await self._services.store.read(caller.account_id, read)
        return success([_rendered_credential(one) for one in credentials])

    async def revoke_credential(self, request: Request) -> Response:
        """Revoke a credential."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        credential_id = SourceCredentialId(request.path_params["source_credential_id"])
        await revoke_source_credential(
            self._services, caller.account_id, caller.actor, _source_id(request), credential_id=credential_id
        )
        return success({})

    async def list_samples(self, request: Request) -> Response:
        """Return ignored and refused events of the last day. They name users."""
        caller = await caller_of(request, self._services, Scope.PII_READ)
        samples = await read_samples(self._services, self._signals, caller.account_id, _source_id(request))
        return success(
            [
                {
                    "id": one.sample.sample_id,
                    "became": one.sample.became.value,
                    "reason": one.sample.reason.value,
                    "pointer": one.sample.pointer,
                    "message": words(
                        Ignored(reason=one.sample.reason, detail=one.sample.detail)
                        if one.sample.became is Became.IGNORED
                        else Refused(reason=one.sample.reason, detail=one.sample.detail)
                    ),
                    "at": written(one.sample.at),
                    "event": one.event,
                }
                for one in samples
            ]
        )

    async def replay_samples(self, request: Request) -> Response:
        """Process the samples again, and return the results."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        outcome = await replay_samples(
            self._services, self._signals, caller.account_id, caller.actor, source_id=_source_id(request)
        )
        return success(rendered_outcome(outcome))

    async def _source(self, caller: Caller, source_id: SourceId) -> Source:
        return found(await self._services.store.read(caller.account_id, lambda tx: tx.sources.get(source_id)))

    async def _shown(self, caller: Caller, source_id: SourceId) -> dict[str, Any]:
        since = self._services.clock.now() - COUNTED_FOR

        def read(tx: Transaction) -> tuple[Source, Mapping[SourceId, Counts]]:
            return found(tx.sources.get(source_id)), tx.sources.counts(since, source_id)

        source, counts = await self._services.store.read(caller.account_id, read)
        return self._rendered(source, counts.get(source_id, {}))

    def _rendered(self, source: Source, counts: Counts) -> dict[str, Any]:
        """Return a source in a response.

        Args:
            counts: the counts of the last day.
        """
        silent_after = source.silent_after
        return {
            "id": source.source_id,
            "kind": source.kind,
            "name": source.name,
            "active": source.active,
            "mapping": None if source.mapping is None else msgspec.Raw(source.mapping),
            "silent_after_seconds": None if silent_after is None else int(silent_after.total_seconds()),
            "created_at": _moment(source.created_at),
            "last_event_at": None if source.last_event_at is None else _moment(source.last_event_at),
            "events_url": self._events_url(source),
            "state": state_of(source, counts, self._services.clock.now()).value,
            "last_day": {
                "findings": total(counts, (Became.FINDING,)),
                "activity": total(counts, (Became.ACTIVITY,)),
                "duplicates": total(counts, (Became.DUPLICATE,)),
                "ignored": _by_reason(counts, Became.IGNORED),
                "refused": _by_reason(counts, Became.REFUSED),
            },
        }

    def _events_url(self, source: Source) -> str:
        return f"{self._public_origin}/accounts/{source.account_id}/zt_risk_scoring/sources/{source.source_id}/events"

    def _with_secret(self, source: Source, issued: Issued) -> dict[str, Any]:
        shown = {**_rendered_credential(issued.credential), "secret": issued.secret}
        if issued.credential.kind is CredentialKind.PATH:
            shown["events_url"] = f"{self._events_url(source)}/{issued.secret}"
        return shown


def _by_reason(counts: Counts, kind: Became) -> dict[str, int]:
    return {reason.value: count for (became, reason), count in counts.items() if became is kind and reason is not None}


def _next_step(created: Any, mapping: MappingDocument) -> str:
    """Return how to enable the behaviors of the source."""
    given = dict.fromkeys(rule.behavior for rule in mapping.rules if rule.behavior is not None)
    if any(rule.gives in ("login", "session_refresh") for rule in mapping.rules):
        given["imp_travel"] = None
    if any(rule.gives == "dlp_hit" for rule in mapping.rules):
        given["high_dlp"] = None
    new = f"{len(created)} behaviors were added, disabled. " if created else ""
    how = "with PUT …/behaviors, on the console's page Behaviors, or with `riskrelay behavior set NAME --on`"
    return f"{new}Enable the behaviors that shall count, {how}: {', '.join(given)}."


def _rendered_kind(document: MappingDocument) -> dict[str, Any]:
    return {
        "kind": document.kind,
        "description": document.description,
        "gives": list(dict.fromkeys(rule.gives for rule in document.rules)),
        "behaviors": [
            {
                "id": one.behavior_id,
                "name": one.name,
                "description": one.description,
                "risk_level": one.level.word,
            }
            for one in document.behaviors
        ],
        "mapping": msgspec.Raw(document.content),
    }


def _rendered_credential(credential: SourceCredential) -> dict[str, Any]:
    return {
        "id": credential.credential_id,
        "kind": credential.kind.value,
        "created_at": _moment(credential.created_at),
    }


def _silence(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _source_id(request: Request) -> SourceId:
    return SourceId(request.path_params["source_id"])
