"""Sources: create, change, delete; their credentials and their samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from riskrelay.actions.behaviors import create_missing_behaviors
from riskrelay.actions.record_signals import Signals, mapping_of, record_events
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor, hash_token
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import refuse_above
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.sources.mappings import MappingDocument, MappingInvalidError, Problem, read_mapping
from riskrelay.core.sources.outcomes import Outcome
from riskrelay.core.sources.sources import (
    SAMPLES_KEPT_FOR,
    SOURCE_SECRET_PREFIX,
    CredentialKind,
    Sample,
    Source,
    SourceCredential,
    SourceCredentialId,
    SourceId,
    credential_row,
    sample_row,
)
from riskrelay.ports import Services, Transaction

CUSTOM = "custom"
MAX_CREDENTIALS = 10  # of one source: a few senders, and twice as many during a rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSource:
    """The source that a client requests.

    Attributes:
        mapping: the decoded document; None: the shipped mapping of the kind.
        credential: the kind of the first credential.
        key: the key of signatures, if the sender has one already; None: a new key.
    """

    kind: str
    name: str
    active: bool = True
    mapping: object = None
    silent_after: timedelta | None = None
    credential: CredentialKind = CredentialKind.HEADER
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential.

    Attributes:
        secret: it is not stored, except for the key of signatures, and cannot be shown again.
    """

    credential: SourceCredential
    secret: str


@dataclass(frozen=True, slots=True)
class CreatedSource:
    """A new source.

    Attributes:
        behaviors: the behaviors that its mapping suggests and that the account did not have. They are disabled.
    """

    source: Source
    issued: Issued
    behaviors: Sequence[BehaviorId]


async def create_source(
    services: Services, signals: Signals, account_id: AccountId, actor: Actor, wanted: WantedSource
) -> CreatedSource:
    """Store a new source with a credential, and the behaviors its mapping suggests that the account does not have.

    Raises: Invalid: the kind is not known, the mapping has faults, or the account has too many sources or behaviors.
    """
    shipped = signals.mapper.shipped
    if wanted.kind not in shipped:
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "/kind", f"must be one of {', '.join(shipped)}")])
    if wanted.kind == CUSTOM and wanted.mapping is None:
        message = "is required for the kind custom; start from that of GET …/sources/kinds"
        raise Invalid([Fault(FaultKind.REQUIRED, "/mapping", message)])
    document = None if wanted.mapping is None else await check_mapping(signals, account_id, wanted.mapping)
    now = services.clock.now()
    source = Source(
        account_id=account_id,
        source_id=SourceId(services.ids.uuid()),
        kind=wanted.kind,
        name=wanted.name,
        active=wanted.active,
        mapping=None if document is None else document.content,
        silent_after=wanted.silent_after,
        created_at=now,
    )
    issued = _issued(services, signals, source, wanted.credential, key=wanted.key)
    entry = services.audit_entry(actor, Verb.CREATED, Kind.SOURCE, source.source_id, at=now)

    def store(tx: Transaction) -> None:
        refuse_above(services.quotas.sources, tx.sources.count(), "sources", "delete one that is no longer used")
        tx.sources.add(source)
        tx.sources.add_credential(source.source_id, issued.credential)
        tx.audit.record(entry)

    suggested = (document or shipped[wanted.kind]).behaviors
    behaviors = await create_missing_behaviors(services, account_id, actor, suggested)
    await services.store.write(account_id, store)
    return CreatedSource(source, issued, behaviors)


async def check_mapping(signals: Signals, account_id: AccountId, document: object) -> MappingDocument:
    """Read an account's own mapping and check its expressions.

    Raises: Invalid: one fault per problem, below /mapping.
    """
    try:
        mapping = read_mapping(document)
    except MappingInvalidError as error:
        raise _invalid(error.problems) from None
    problems = await signals.mapper.check(mapping, account_id)
    if problems:
        raise _invalid(problems)
    return mapping


def _invalid(problems: Sequence[Problem]) -> Invalid:
    return Invalid(
        [Fault(FaultKind.WRONG_VALUE, "/mapping", f"{one.at}: {one.problem}".removeprefix(": ")) for one in problems]
    )


async def change_source(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    source_id: SourceId,
    change: Callable[[Source], Source],
) -> Source:
    """Change a source's name, mapping, active flag and silence limit.

    Raises: NotFound: no such source in this account.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.SOURCE, source_id)

    def store(tx: Transaction) -> Source:
        stored = found(tx.sources.get(source_id))
        changed = change(stored)
        if changed.kind == CUSTOM and changed.mapping is None:
            raise Invalid([Fault(FaultKind.REQUIRED, "/mapping", "is required for the kind custom")])
        if changed != stored:
            tx.sources.update(changed)
            tx.audit.record(entry)
        return changed

    return await services.store.write(account_id, store)


async def delete_source(services: Services, account_id: AccountId, actor: Actor, source_id: SourceId) -> None:
    """Delete a source with its credentials, counts and samples. Its findings are kept.

    Raises: NotFound: no such source in this account.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.SOURCE, source_id)

    def store(tx: Transaction) -> None:
        found(tx.sources.get(source_id))
        tx.sources.delete(source_id)
        tx.audit.record(entry)

    await services.store.write(account_id, store)


async def issue_credential(
    services: Services,
    signals: Signals,
    account_id: AccountId,
    actor: Actor,
    source_id: SourceId,
    kind: CredentialKind,
    *,
    key: str | None = None,
    is_only: bool = False,
) -> tuple[Source, Issued]:
    """Add a credential to a source.

    Args:
        key: the key of signatures, if the sender has one already; None: a new key.
        is_only: revoke the other credentials of the same kind at once.

    Raises:
        NotFound: no such source in this account.
        Invalid: it has too many.
    """
    now = services.clock.now()

    def store(tx: Transaction) -> tuple[Source, Issued]:
        source = found(tx.sources.get(source_id))
        issued = _issued(services, signals, source, kind, key=key)
        held = tx.sources.credentials(source_id)
        replaced = [one.credential_id for one in held if is_only and one.kind is kind]
        refuse_above(MAX_CREDENTIALS, len(held) - len(replaced), "credentials of this source", "revoke one")
        for credential_id in replaced:
            tx.audit.record(services.audit_entry(actor, Verb.REVOKED, Kind.CREDENTIAL, credential_id, at=now))
        tx.sources.revoke(source_id, replaced)
        tx.sources.add_credential(source_id, issued.credential)
        credential_id = issued.credential.credential_id
        tx.audit.record(services.audit_entry(actor, Verb.CREATED, Kind.CREDENTIAL, credential_id, at=now))
        return source, issued

    return await services.store.write(account_id, store)


async def revoke_source_credential(
    services: Services, account_id: AccountId, actor: Actor, source_id: SourceId, credential_id: SourceCredentialId
) -> None:
    """Revoke a credential of a source, with immediate effect.

    Raises: NotFound: the account has no such source, or the source no such credential.
    """
    entry = services.audit_entry(actor, Verb.REVOKED, Kind.CREDENTIAL, credential_id)

    def store(tx: Transaction) -> None:
        found(tx.sources.get(source_id))
        if not tx.sources.revoke(source_id, [credential_id]):
            raise NotFound
        tx.audit.record(entry)

    await services.store.write(account_id, store)


@dataclass(frozen=True, slots=True)
class OpenedSample:
    """A sample and its event."""

    sample: Sample
    event: object


async def read_samples(
    services: Services, signals: Signals, account_id: AccountId, source_id: SourceId
) -> list[OpenedSample]:
    """Return the samples of the last day, the latest first.

    Raises: NotFound: no such source in this account.
    """
    since = services.clock.now() - SAMPLES_KEPT_FOR

    def read(tx: Transaction) -> list[Sample]:
        found(tx.sources.get(source_id))
        return tx.sources.samples(source_id, since)

    samples = await services.store.read(account_id, read)
    return [
        OpenedSample(
            one,
            msgspec.json.decode(signals.vault.open(one.sealed_event, sample_row(account_id, source_id, one.sample_id))),
        )
        for one in samples
    ]


async def replay_samples(
    services: Services, signals: Signals, account_id: AccountId, actor: Actor, source_id: SourceId
) -> Outcome:
    """Process the samples as new events, for example after a change of the mapping. Recorded samples are deleted.

    Raises: NotFound: no such source in this account.
    """
    source = found(await services.store.read(account_id, lambda tx: tx.sources.get(source_id)))
    samples = await read_samples(services, signals, account_id, source_id)
    entry = services.audit_entry(actor, Verb.REPLAYED, Kind.SOURCE, source_id)

    def delete(tx: Transaction) -> None:
        found(tx.sources.get(source_id))
        tx.sources.delete_samples(source_id, [one.sample.sample_id for one in samples])
        tx.audit.record(entry)

    # Deleted first: events that are ignored or refused again become samples with their new reason.
    await services.store.write(account_id, delete)
    return await record_events(services, signals, source, [one.event for one in samples])


def mapping_in_use(signals: Signals, source: Source) -> MappingDocument:
    """Return the mapping that a source uses now."""
    return mapping_of(signals.mapper, source)


def _issued(services: Services, signals: Signals, source: Source, kind: CredentialKind, key: str | None) -> Issued:
    secret = key or SOURCE_SECRET_PREFIX + services.ids.secret()
    credential_id = SourceCredentialId(services.ids.uuid())
    is_signature = kind is CredentialKind.SIGNATURE
    row = credential_row(source.account_id, source.source_id, credential_id)
    credential = SourceCredential(
        credential_id=credential_id,
        kind=kind,
        secret_hash=b"" if is_signature else hash_token(secret),
        sealed_key=signals.vault.seal(secret.encode(), row) if is_signature else None,
        created_at=services.clock.now(),
    )
    return Issued(credential, secret)
