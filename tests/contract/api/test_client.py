"""The typed client against a running service."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from riskrelay.client import (
    AnswerLost,
    AsyncClient,
    BulkResetFilter,
    Client,
    Finding,
    InvalidRequest,
    Limits,
    Login,
    NotFound,
    RateLimited,
    Unauthorized,
    UserReference,
)
from riskrelay.client.aio.transport import HttpTransport as AsyncHttpTransport
from riskrelay.client.records import DirectoryEntry
from riskrelay.client.requests import Response
from riskrelay.client.sync.transport import HttpTransport
from support.service import Service


class Losing(HttpTransport):
    """Lose the first response, after the service has processed the request."""

    is_lost = False

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Response:
        response = super().send(method, url, headers, body, timeout_seconds)
        if not self.is_lost:
            self.is_lost = True
            raise AnswerLost("lost on purpose")
        return response


class AsyncLosing(AsyncHttpTransport):
    """The same for the asynchronous client."""

    is_lost = False

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Response:
        response = await super().send(method, url, headers, body, timeout_seconds)
        if not self.is_lost:
            self.is_lost = True
            raise AnswerLost("lost on purpose")
        return response


def client_of(service: Service, **more: Any) -> Client:
    """A client of the service's account."""
    return Client(service.url, service.token, service.account_id, **more)


def run_async(service: Service, call: Callable[[AsyncClient], Any], **more: Any) -> Any:
    """Run *call* with an asynchronous client."""

    async def calling() -> Any:
        async with AsyncClient(service.url, service.token, service.account_id, **more) as client:
            return await call(client)

    return asyncio.run(calling())


def test_a_lost_answer_counts_once(service: Service) -> None:
    """The second attempt has the id of the first: the service answers that it is a duplicate."""
    service.enable_behaviors()
    with client_of(service, transport=Losing()) as client:
        recorded = client.findings.send("high_dlp", "kai@example.com", name="Kai Berg")
        assert (recorded.accepted, recorded.duplicates) == (0, 1)
        (user,) = client.users.at_risk()
    assert (user.event_count, user.email, user.name) == (1, "kai@example.com", "Kai Berg")
    again = run_async(service, lambda c: c.findings.send("high_dlp", "kai@example.com"), transport=AsyncLosing())
    assert again.duplicates == 1
    with client_of(service) as client:
        assert len(list(client.users.findings(user.user_id))) == 2


def test_a_create_that_is_repeated_makes_one_integration(service: Service) -> None:
    """The reference id that the client made, and the retry count, say that it is the same one."""
    with client_of(service, transport=Losing()) as client:
        made = client.integrations.create("https://acme.okta.com")
        assert client.integrations.all() == [made]
        assert client.integrations.get_by_reference(made.reference_id) == made
    with client_of(service, transport=Losing()) as client:
        client.integrations.delete(made.id)  # deleted by the lost attempt
        assert client.integrations.all() == []


def test_findings_are_sent_in_any_number(service: Service) -> None:
    """A batch is stored whole or not at all; lines are sent 1,000 at a time; pages are read one after another."""
    service.enable_behaviors()
    now = datetime.now(UTC)
    with client_of(service) as client:
        batch = [
            Finding(behavior="high_dlp", user=UserReference(email="kai@example.com"), timestamp=now, details={"n": n})
            for n in range(3)
        ]
        assert client.findings.send_many(batch).accepted == 3
        with pytest.raises(InvalidRequest) as raised:
            client.findings.send_many([batch[0], {"behavior": "high_dlp", "user": {"email": "nobody"}}])
        assert raised.value.pointer.startswith("/1/user/email")
        lines = [f'{{"behavior": "imp_travel", "user": {{"email": "user{n}@example.com"}}}}\n' for n in range(1_050)]
        assert [one.accepted for one in client.findings.send_lines([*lines, "\n"])] == [1_000, 50]
        users = list(client.users.at_risk())
        assert len(users) == len({user.user_id for user in users}) == 1_051
        top = users[0]
        assert top.max_risk_level == "high"
        events = list(client.users.findings(top.user_id))
        assert {event.name for event in events} == {client.behaviors.all()["high_dlp"].name}
        with pytest.raises(ValueError, match="line 2 is not a JSON object"):
            list(client.findings.send_lines(["{}", "[]"]))


def test_the_asynchronous_client_reads_pages(service: Service) -> None:
    """An iteration ends after the last one."""
    service.enable_behaviors()

    async def work(client: AsyncClient) -> None:
        await client.findings.send_many(
            {"behavior": "high_dlp", "user": {"email": f"user{n}@example.com"}} for n in range(501)
        )
        assert len([user async for user in client.users.at_risk()]) == 501

    run_async(service, work)


def test_users_are_reset_exported_and_erased(service: Service) -> None:
    """With the reason in the history."""
    service.enable_behaviors()
    with client_of(service) as client:
        client.findings.send("high_dlp", "kai@example.com")
        (user,) = client.users.at_risk()
        assert client.users.get(user.user_id).risk_level == "high"
        assert [one.user_id for one in client.users.by_email("KAI@example.com")] == [user.user_id]
        assert client.users.by_email("ana") == []
        assert [one.risk_level for one in client.users.by_email("")] == ["high"]
        for wrong in ("k" * 321, "kai\0"):
            with pytest.raises(InvalidRequest, match="at most 320 characters"):
                client.users.by_email(wrong)
        assert client.resets.start(BulkResetFilter(level="high"), dry_run=True).count == 1
        client.users.reset(user.user_id, "False alarm")
        assert client.users.get(user.user_id).risk_level is None
        changes = list(client.users.history(user.user_id))
        assert [(change.kind, change.note) for change in changes] == [("reset", "False alarm"), ("finding", None)]
        assert client.users.export(user.user_id).user["email"] == "kai@example.com"
        assert client.users.erase(user.user_id).status in {"running", "completed"}
        with pytest.raises(NotFound):
            client.users.get(user.user_id)


def test_activity_becomes_findings(service: Service) -> None:
    """Two logins too far apart."""
    service.enable_behaviors()
    kai, now = UserReference(email="kai@example.com"), datetime.now(UTC) - timedelta(minutes=30)
    with client_of(service) as client:
        berlin = Login(user=kai, timestamp=now, latitude=52.52, longitude=13.4)
        sydney = Login(user=kai, timestamp=now + timedelta(minutes=10), latitude=-33.87, longitude=151.2)
        recorded = client.activity.send(berlin, sydney)
        assert recorded.findings, recorded
        (found,) = recorded.findings
    assert (found.behavior, found.email) == ("imp_travel", "kai@example.com")


def test_integrations_sources_and_deliveries(service: Service) -> None:
    """What the service answers fits the records."""
    with client_of(service) as client:
        made = client.integrations.create("https://127.0.0.1:1", reference_id="okta/prod")
        assert client.integrations.update(made.id, "https://127.0.0.1:2").reference_id == "okta/prod"
        limits = Limits(pushes_per_second=5, concurrency=None)
        assert client.integrations.set_limits(made.id, limits).limits == limits
        assert client.integrations.pause(made.id, "maintenance").paused is not None
        client.behaviors.set("high_dlp", enabled=True, risk_level="medium")
        rule = client.rules.add("Three", "$count(findings) >= 3", level="high")
        assert client.rules.change(msgspec.structs.replace(rule, enabled=False)).enabled is False
        assert [one.name for one in client.rules.all()] == ["Three"]
        client.rules.delete(rule.id)
        client.findings.send("high_dlp", "kai@example.com")
        (delivery,) = client.deliveries.all(made.id)
        assert client.deliveries.get(made.id, delivery.jti).state == "pending"
        assert client.replays.start(made.id, "dead", dry_run=True).count == 0
        assert client.integrations.health(made.id).streams[0].ledger.pending == 1
        issued = client.credentials.create(made.id, "static_token", scopes=["ssf.read"])
        assert issued.token is not None
        assert issued.token not in repr(issued)
        assert [one.id for one in client.credentials.all(made.id)] == [issued.id]
        created = client.sources.create("okta_system_log", "Okta")
        assert created.credential.secret not in repr(created.credential)
        assert client.sources.get(created.id).state == "waiting"
        assert client.sources.send_events(created.id, [{"nothing": "known"}]).events == 1
        assert len(client.sources.samples(created.id)) <= 1
        assert client.sources.update(created.id, name="Okta production").name == "Okta production"
        client.sources.delete(created.id)
        with pytest.raises(NotFound):
            client.sources.get(created.id)


def test_what_an_account_sets_and_keeps(service: Service) -> None:
    """Exceptions, the directory, notification channels, tokens and the audit log fit the records."""
    with client_of(service) as client:
        added = client.exceptions.add("cap", "Pilot", user="kai@example.com", behavior="imp_travel", level="low")
        assert client.exceptions.change(msgspec.structs.replace(added, reason="Two pilots")).reason == "Two pilots"
        assert [one.user for one in client.exceptions.all()] == ["kai@example.com"]
        client.exceptions.delete(added.id)
        entry = DirectoryEntry(kind="host", name="LAPTOP-7", email="kai@example.com")
        assert client.directory.put([entry]).added == 1
        assert list(client.directory.all(kind="host")) == [entry]
        assert client.directory.delete("host", "LAPTOP-7").deleted == 1
        assert client.directory.missed() == []
        channel = client.notification_channels.add("webhook", "Ops", "http://127.0.0.1:9/hook", ["backlog"])
        assert channel.secret is not None
        assert channel.secret not in repr(channel)
        assert client.notification_channels.change(channel, target="http://127.0.0.1:9/other").name == "Ops"
        assert client.notification_channels.test(channel.id).sent is False
        client.notification_channels.delete(channel.id)
        token = client.tokens.create("EDR", ["ingest"])
        assert token.value not in repr(token)
        assert [one.name for one in client.tokens.all()][-1] == "EDR"
        client.tokens.revoke(token.id)
        assert next(client.audit.all("token")).verb == "revoked"


def test_a_wrong_token_is_its_own_error(service: Service) -> None:
    """With the page that explains it."""
    with Client(service.url, "rr_wrong", service.account_id) as client, pytest.raises(Unauthorized) as raised:
        client.integrations.all()
    assert raised.value.code == 10000
    assert "/docs/errors/" in raised.value.documentation_url


def test_a_quota_is_reported_when_the_deadline_is_short(tmp_path: Path) -> None:
    """With how long to wait; with time enough, the client waits itself."""
    service = Service(tmp_path, RISKRELAY_RATE_LIMIT="2")
    service.start()
    try:
        with client_of(service, deadline_seconds=0.5) as client:
            client.integrations.all()
            client.integrations.all()
            with pytest.raises(RateLimited) as raised:
                client.integrations.all()
        assert raised.value.retry_after_seconds is not None
        assert 1 <= raised.value.retry_after_seconds <= 59
    finally:
        service.stop()
