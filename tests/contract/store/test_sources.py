"""Sources in the database, on both engines."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.sources import (
    MAX_SAMPLES_OF_REASON,
    Became,
    Counts,
    CredentialKind,
    Sample,
    Source,
    SourceCredential,
    SourceCredentialId,
    SourceId,
)
from riskrelay.ports import Installation, Store, Transaction

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
ACCOUNT, OTHER = AccountId("acme"), AccountId("other")
HOUR = timedelta(hours=1)


REFUSED: tuple[Became, Reason | None] = (Became.REFUSED, Reason.NO_USER)
FINDING: tuple[Became, Reason | None] = (Became.FINDING, None)


@pytest.fixture(autouse=True)
async def accounts(store: Store) -> None:
    """Both accounts exist."""
    for account in (ACCOUNT, OTHER):
        await store.write_installation(partial(account_added, account))


def account_added(account: AccountId, tx: Installation) -> None:
    tx.accounts.add(account, NOW)


def source(source_id: str, account_id: AccountId = ACCOUNT, **more: Any) -> Source:
    members: dict[str, Any] = {
        "account_id": account_id,
        "source_id": SourceId(source_id),
        "kind": "custom",
        "name": source_id,
        "active": True,
        "mapping": b'{"kind":"custom"}',
        "silent_after": HOUR,
        "created_at": NOW,
        **more,
    }
    return Source(**members)


def added(one: Source, tx: Transaction) -> None:
    tx.sources.add(one)


def noted(source_id: str, counts: Counts, at: datetime, tx: Transaction) -> None:
    tx.sources.note(SourceId(source_id), counts, at)


def sample(number: int, at: datetime) -> Sample:
    return Sample(
        sample_id=f"{number:036}",
        became=Became.REFUSED,
        reason=Reason.BAD_TIME,
        pointer="rules[0].time",
        detail="",
        at=at,
        sealed_event=b"x",
    )


async def test_a_source_is_kept_until_it_is_deleted(store: Store) -> None:
    """It is read as it was stored, belongs to its account only, and takes everything with it."""
    one = source("one")
    credential = SourceCredential(
        credential_id=SourceCredentialId("c"),
        kind=CredentialKind.HEADER,
        secret_hash=b"h" * 32,
        sealed_key=None,
        created_at=NOW,
    )
    await store.write(ACCOUNT, lambda tx: tx.sources.add(one))
    await store.write(ACCOUNT, lambda tx: tx.sources.add_credential(one.source_id, credential))
    await store.write(ACCOUNT, lambda tx: tx.sources.add_samples(one.source_id, [sample(1, NOW)], NOW))
    await store.write(ACCOUNT, lambda tx: tx.sources.note(one.source_id, {(Became.FINDING, None): 2}, NOW))
    assert await store.read(ACCOUNT, lambda tx: tx.sources.credentials(one.source_id)) == [credential]
    assert await store.read(OTHER, lambda tx: tx.sources.get(one.source_id)) is None
    assert await store.read(OTHER, lambda tx: tx.sources.credentials(one.source_id)) == []
    (stored,) = await store.read(ACCOUNT, lambda tx: tx.sources.all())
    assert stored.last_event_at == NOW
    changed = source("one", active=False, mapping=None, silent_after=None, last_event_at=NOW)
    await store.write(ACCOUNT, lambda tx: tx.sources.update(changed))
    assert await store.write(ACCOUNT, lambda tx: tx.sources.get(one.source_id)) == changed
    await store.write(ACCOUNT, lambda tx: tx.sources.delete(one.source_id))
    assert await store.read(ACCOUNT, lambda tx: (tx.sources.count(), tx.sources.samples(one.source_id, NOW))) == (0, [])


async def test_counts_add_up_by_outcome_and_reason(store: Store) -> None:
    """Those of one hour are added, older hours are left out of a sum, and those of another source are apart."""
    await store.write(ACCOUNT, lambda tx: tx.sources.add(source("one")))
    for counts, at in (({REFUSED: 2, FINDING: 1}, NOW), ({REFUSED: 3}, NOW), ({REFUSED: 10}, NOW - 25 * HOUR)):
        await store.write(ACCOUNT, partial(noted, "one", counts, at))
    found = await store.read(ACCOUNT, lambda tx: tx.sources.counts(NOW - 24 * HOUR))
    assert found == {"one": {REFUSED: 5, FINDING: 1}}
    assert await store.read(OTHER, lambda tx: tx.sources.counts(NOW - 24 * HOUR)) == {}


async def test_samples_are_bounded_and_expire(store: Store) -> None:
    """Of one reason only so many are kept; those of the day before make room."""
    await store.write(ACCOUNT, lambda tx: tx.sources.add(source("one")))
    one, old = SourceId("one"), NOW - 24 * HOUR
    many = [sample(number, NOW) for number in range(MAX_SAMPLES_OF_REASON + 5)]
    await store.write(ACCOUNT, lambda tx: tx.sources.add_samples(one, many, old))
    assert len(await store.read(ACCOUNT, lambda tx: tx.sources.samples(one, old))) == MAX_SAMPLES_OF_REASON
    later = NOW + 25 * HOUR
    await store.write(ACCOUNT, lambda tx: tx.sources.add_samples(one, [sample(99, later)], NOW + HOUR))
    assert [x.at for x in await store.read(ACCOUNT, lambda tx: tx.sources.samples(one, old))] == [later]
    await store.write(ACCOUNT, lambda tx: tx.sources.delete_samples(one, [sample(99, later).sample_id]))
    assert await store.read(ACCOUNT, lambda tx: tx.sources.samples(one, old)) == []


async def test_the_survey_counts_sources_that_need_attention(store: Store) -> None:
    """A silent source and one that refuses everything are counted, an inactive one is not."""
    now = (await store.read_installation(lambda tx: tx.database())).now
    for name, active in (("silent", True), ("refusing", True), ("fine", True), ("inactive", False)):
        await store.write(ACCOUNT, partial(added, source(name, active=active)))
    for name, counts, at in (
        ("silent", {FINDING: 1}, now - 2 * HOUR),
        ("inactive", {REFUSED: 50}, now - 2 * HOUR),
        ("refusing", {REFUSED: 10}, now),
        ("fine", {REFUSED: 50, FINDING: 1}, now),
    ):
        await store.write(ACCOUNT, partial(noted, name, counts, at))
    survey = await store.read_installation(lambda tx: tx.survey())
    assert (survey.silent_sources, survey.refusing_sources) == (1, 1)
