"""Examine the installation: find problems and say how to fix them. Nothing is changed, and no event is sent."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from riskrelay.actions.integrations import opened_tls
from riskrelay.core.delivery.reasons import explain
from riskrelay.core.delivery.survey import LaneCondition, Survey
from riskrelay.core.errors import Misconfigured, Unavailable, UnavailableCause
from riskrelay.core.integrations import Integration, OpenedTls, ReceiverTls
from riskrelay.core.keys import Algorithm, KeyState, SealedKey, key_in
from riskrelay.core.notifications.problems import LOW_DISK_BYTES, OLD_KEY
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import (
    AilingRule,
    Check,
    DatabaseFacts,
    Installation,
    Notifier,
    Probe,
    Services,
    ShadowedUser,
    TlsMaterials,
    Vault,
    Verdict,
)

_SKEW = timedelta(seconds=2)  # chosen: `iat` of SETs uses this machine's clock, leases use the database's
_MOST_SHADOWED = 20  # chosen: a list that a person can read
_MOST_RULES = 10  # guessed: more than a person reads
_CERTIFICATE_LEFT = timedelta(days=30)  # guessed: enough time to get a new certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Examining:
    """The dependencies of the examination besides `Services`.

    Attributes:
        loosened: the settings that allow more than the safe defaults.
        check_files: returns the problems of the installation's files. It reads them, off the event loop.
        public_url: the URL at which receivers reach this service.
        worker_url: the URL of the metrics of a worker on this machine; None: it has none.
        notifier: signs in to the SMTP server.
        sends_email: whether an SMTP server is set.
        knows_proxy: False: this shell does not know the egress proxy, so receivers are not checked.
    """

    loosened: Sequence[Check]
    check_files: Callable[[], Sequence[Check]]
    probe: Probe
    vault: Vault
    materials: TlsMaterials
    public_url: str
    worker_url: str | None
    knows_proxy: bool
    notifier: Notifier
    sends_email: bool


async def examine_installation(services: Services, examining: Examining) -> list[Check]:
    """Run all checks, topic by topic.

    Returns: all results, including passed checks.
    """
    checks = list(examining.loosened) or [_ok("settings", "No setting loosens a safe default.")]
    checks += await asyncio.to_thread(examining.check_files)
    try:
        facts, survey, keys, shadowed, ailing = await services.store.read_installation(_read)
    except Unavailable as error:
        return [*checks, _refusal("It cannot be read", error)]
    checks += await _writable(services, facts, survey)
    checks += _database(services, facts)
    checks += _ledger(survey)
    checks += _users(shadowed)
    checks += _rules(ailing)
    checks += _keys(services, keys, examining.vault)
    checks += await _public_url(examining, keys)
    checks += await _worker(examining)
    checks += await _email(services, examining)
    return checks + (await _receivers(services, examining) if examining.knows_proxy else [])


def _read(tx: Installation) -> tuple[DatabaseFacts, Survey, list[SealedKey], list[ShadowedUser], list[AilingRule]]:
    shadowed, ailing = tx.shadowed_users(_MOST_SHADOWED + 1), tx.ailing_rules(_MOST_RULES)
    return tx.database(), tx.survey(), tx.keys.all(), shadowed, ailing


def _rules(ailing: Sequence[AilingRule]) -> Iterable[Check]:
    for rule in ailing:
        said = f"Rule {rule.rule_id} of account {rule.account_id} " + (
            "is stopped, because its expression takes too much time or memory."
            if rule.is_stopped
            else f"has failed {rule.failures:,} times since it was changed."
        )
        fix = f"run riskrelay rule show {rule.rule_id} --account {rule.account_id}, and change the expression"
        yield Check(topic="rules", verdict=Verdict.WARNING, said=said, fix=fix)


def _users(shadowed: Sequence[ShadowedUser]) -> Iterable[Check]:
    for user in shadowed[:_MOST_SHADOWED]:
        said = (
            f"User {user.user_id} of account {user.account_id} has the same mailbox as another user, who gets all new "
            "findings. This user keeps the current level."
        )
        fix = f"run riskrelay user reset {user.user_id} --account {user.account_id}"
        yield Check(topic="users", verdict=Verdict.WARNING, said=said, fix=fix)
    if len(shadowed) > _MOST_SHADOWED:
        said = f"More than {_MOST_SHADOWED} users share a mailbox with another user."
        yield Check(
            topic="users", verdict=Verdict.WARNING, said=said, fix="reset the users above, then run doctor again"
        )


async def _writable(services: Services, facts: DatabaseFacts, survey: Survey) -> Sequence[Check]:
    try:
        await services.store.require_writable(thorough=True)
    except Unavailable as error:
        return [_refusal(f"{facts.version} can be read but not written", error)]
    return [_ok("database", f"{facts.version}, {survey.database_bytes / 1e6:,.0f} MB, readable and writable.")]


def _refusal(said: str, error: Unavailable) -> Check:
    cause = error.cause or UnavailableCause.REFUSED
    return _problem("database", f"{said}: {cause}.", cause.advice)


def _database(services: Services, facts: DatabaseFacts) -> Iterable[Check]:
    skew = abs(services.clock.now() - facts.now)
    if skew > _SKEW:
        said = f"The clocks of the database and of this machine differ by {skew.total_seconds():,.0f} s."
        yield _problem("database", said, "synchronize both with NTP")
    else:
        yield _ok("database", "The clocks of the database and of this machine agree.")
    free = services.store.load().disk_free_bytes
    if free is not None and free < LOW_DISK_BYTES:
        said = f"Only {free / 1e9:.1f} GB are free on the disk of the database."
        yield _problem("database", said, "free disk space; no request is accepted on a full disk")


def _ledger(survey: Survey) -> Iterable[Check]:
    imbalance = sum(abs(ledger.imbalance) for ledger in survey.ledgers)
    if imbalance:
        fix = "save a backup and the log, and report the problem"
        yield _problem("ledger", f"The ledger is off by {imbalance} events.", fix)
    else:
        yield _ok("ledger", "The ledger balances.")
    pending = sum(ledger.pending for ledger in survey.ledgers)
    failing, stopped = (survey.lanes.get(one, 0) for one in (LaneCondition.OPEN, LaneCondition.STOPPED))
    if pending and (failing or stopped):
        said = (
            f"{pending:,} events are waiting; the receivers of {failing} lanes fail, and {stopped} lanes are stopped."
        )
        yield Check(
            topic="ledger",
            verdict=Verdict.WARNING,
            said=said,
            fix="to see the integrations and the causes: riskrelay integration health",
        )


def _keys(services: Services, keys: Sequence[SealedKey], vault: Vault) -> Iterable[Check]:
    for algorithm in Algorithm:
        current = key_in(keys, algorithm, KeyState.CURRENT)
        if current is None:
            yield _problem("keys", f"There is no current {algorithm} key.", "run riskrelay init")
            continue
        try:
            vault.open(current.sealed_private, current.row)
        except Misconfigured:
            said = f"The master key does not decrypt the {algorithm} key {current.kid}."
            yield _problem("keys", said, "add the key that encrypted it to RISKRELAY_MASTER_KEY")
            continue
        age = current.age(services.clock.now())
        said = f"The current {algorithm} key is {age.days} days old."
        if age > OLD_KEY:
            yield Check(topic="keys", verdict=Verdict.WARNING, said=said, fix="run riskrelay key rotate")
        else:
            yield _ok("keys", said)
        if key_in(keys, algorithm, KeyState.NEXT) is None:
            said = f"No next {algorithm} key is published."
            yield Check(
                topic="keys",
                verdict=Verdict.WARNING,
                said=said,
                fix="restart riskrelay serve; it creates one at startup",
            )


class _Jwks(msgspec.Struct):
    keys: list[dict[str, object]]


async def _public_url(examining: Examining, keys: Sequence[SealedKey]) -> Sequence[Check]:
    """Check that the public URL leads to this installation."""
    url = f"{examining.public_url}/jwks.json"
    fix = (
        "check that riskrelay serve runs, that RISKRELAY_PUBLIC_URL leads to it, and that the proxy forwards all paths"
    )
    body = await examining.probe.fetch(url)
    if isinstance(body, str):
        return [_problem("public_url", f"{url} cannot be fetched: {body}.", fix)]
    try:
        served = {key.get("kid") for key in msgspec.json.decode(body, type=_Jwks).keys}
    except msgspec.DecodeError:
        return [_problem("public_url", f"{url} does not return a key set.", fix)]
    signing = {key.kid for key in keys if key.state is KeyState.CURRENT}
    if not signing <= served:
        return [_problem("public_url", f"{url} returns the keys of another installation.", fix)]
    return [_ok("public_url", f"{examining.public_url} returns the keys of this installation.")]


async def _worker(examining: Examining) -> Sequence[Check]:
    """Check that a worker serves its metrics at the configured address."""
    if examining.worker_url is None:
        return []
    answer = await examining.probe.fetch(f"{examining.worker_url}/readyz")
    if isinstance(answer, bytes):
        return [_ok("worker", f"The worker's metrics are at {examining.worker_url}/metrics.")]
    said = f"No worker responds at {examining.worker_url}/readyz: {answer}."
    fix = "start riskrelay worker on this machine; if none should run, unset RISKRELAY_METRICS_PORT"
    return [Check(topic="worker", verdict=Verdict.WARNING, said=said, fix=fix)]


async def _email(services: Services, examining: Examining) -> Sequence[Check]:
    """Check the SMTP server of notifications."""
    channels = await services.store.read_installation(lambda tx: tx.notifications.email_channels())
    if not examining.sends_email:
        if not channels:
            return []
        said = f"{channels} notification channels are e-mail addresses, and no SMTP server is set in this shell."
        fix = "set RISKRELAY_SMTP_URL and RISKRELAY_SMTP_FROM for the service and for this command"
        return [Check(topic="notifications", verdict=Verdict.WARNING, said=said, fix=fix)]
    problem = await examining.notifier.check_email()
    if problem is None:
        return [_ok("notifications", "The SMTP server accepts the sign-in.")]
    return [_problem("notifications", f"E-mails can't be sent: {problem}.", "check RISKRELAY_SMTP_URL")]


async def _receivers(services: Services, examining: Examining) -> list[Check]:
    """Check each receiver's address once for each TLS configuration, for any number of streams."""
    streams: dict[tuple[str, ReceiverTls | None], Stream] = {}
    for stream in await _pushed_streams(services):
        streams.setdefault((_origin(stream.endpoint_url), stream.integration.tls), stream)
    problems, targets = list[Check](), list[tuple[Stream, OpenedTls | None]]()
    for stream in streams.values():
        try:
            targets.append((stream, opened_tls(stream.integration, examining.vault)))
        except Misconfigured:
            problems.append(
                _unreachable(stream, "wrong_master_key", "it does not decrypt the client certificate's key")
            )
    found = await examining.probe.reach([(stream.endpoint_url, tls) for stream, tls in targets])
    problems += [
        _unreachable(stream, wrong.reason, wrong.detail)
        for (stream, _), wrong in zip(targets, found, strict=True)
        if wrong is not None
    ]
    reached = len(streams) - len(problems)
    integrations = {stream.integration.integration_id: stream.integration for stream in streams.values()}
    certificates = [_certificate(one, services.clock.now(), examining.materials) for one in integrations.values()]
    return [
        *problems,
        *filter(None, certificates),
        _ok("receivers", f"{reached} of {len(streams)} receivers can be reached."),
    ]


async def _pushed_streams(services: Services) -> list[Stream]:
    found: list[Stream] = []
    for account in await services.store.read_installation(lambda tx: tx.accounts.all()):
        streams = await services.store.read(account.account_id, lambda tx: tx.streams.taking_events())
        found += [stream for stream in streams if not stream.is_polled]
    return found


def _unreachable(stream: Stream, reason: str, detail: str) -> Check:
    explained = explain(reason)
    code = f"{reason}: {detail.rstrip('.')}" if detail else reason
    integration = stream.integration
    said = (
        f"{_origin(stream.endpoint_url)} (account {integration.account_id}, integration "
        f"{integration.integration_id}): {explained.words} ({code})."
    )
    return _problem("receivers", said, explained.advice.replace(" ID", f" {integration.integration_id}"))


def _certificate(integration: Integration, now: datetime, materials: TlsMaterials) -> Check | None:
    """Check the client certificate of an integration; None: it has none, or it is valid for long enough."""
    tls = integration.tls
    if tls is None or tls.certificate is None:
        return None
    try:
        ends = materials.facts(tls.certificate)[0].ends
    except ValueError:  # damaged in the database: the receiver cannot be reached, which another check reports
        return None
    if ends - now > _CERTIFICATE_LEFT:
        return None
    when = f"expires on {ends:%Y-%m-%d %H:%M} UTC" if ends > now else f"expired on {ends:%Y-%m-%d %H:%M} UTC"
    said = f"The client certificate of integration {integration.integration_id} {when}."
    kept = "" if tls.trusted_ca is None else " --ca FILE"  # the command deletes material that is not given again
    fix = (
        f"run riskrelay integration tls {integration.integration_id} --certificate FILE --key FILE{kept} "
        f"--account {integration.account_id}"
    )
    return Check(topic="receivers", verdict=Verdict.WARNING if ends > now else Verdict.PROBLEM, said=said, fix=fix)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _ok(topic: str, said: str) -> Check:
    return Check(topic=topic, verdict=Verdict.OK, said=said)


def _problem(topic: str, said: str, fix: str) -> Check:
    return Check(topic=topic, verdict=Verdict.PROBLEM, said=said, fix=fix)
