"""Authorization headers and tokens are in no log, no answer, no error, no metric and no database file in the clear."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from riskrelay.core.credentials import hash_token
from riskrelay.signing.sealing import new_master_key
from support.certificates import Authority
from support.databases import PostgresServer
from support.service import Oracle, Service
from support.ssf_operator import Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, Answer, SsfReceiver
from support.waiting import until

REVOKED = CAEP + "session-revoked"
CONFIGURATION = {"events_requested": [REVOKED]}


class Listener:
    """Keeps everything that a receiver and an operator are answered, after the secrets were handed over."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.answers: list[Answer] = []

    def told(self, what: str, secret: str) -> str:
        """Remember a secret."""
        self.secrets[what] = secret
        return secret

    def leaks_in(self, place: str, content: bytes) -> list[str]:
        """Which secrets are in *content*."""
        return [f"{what} in {place}" for what, secret in self.secrets.items() if secret.encode() in content]


def credentials_of(operator: Operator, listener: Listener) -> tuple[dict[str, Any], SsfReceiver]:
    """An integration with every kind of credential, and its receiver, with an access token."""
    integration = operator.create_integration()
    receiver = SsfReceiver(integration["well_known_url"], operator.tls)
    listener.told("the account's token", operator.token)
    made = operator.result("POST", "/tokens", {"name": "made", "scopes": ["read"]})
    listener.told("a token that was made over the API", made["value"])
    listener.told("a static token", operator.issue(integration)["token"])
    client = operator.issue(integration, "oauth_client")
    listener.told("a client secret", client["client_secret"])
    receiver.token = receiver.obtain_token(client["client_id"], client["client_secret"]).json["access_token"]
    listener.told("an access token", receiver.token)
    return integration, receiver


def pushes(operator: Operator, receiver: SsfReceiver, oracle: Oracle, listener: Listener) -> None:
    """Pushes with an authorization header that are accepted, refused, repeated, and that find nobody."""
    for below in ("events", "reject", "fail-once"):
        header = listener.told(f"the header of {below}", f"Bearer {uuid.uuid4()}")
        stream = PushStream(receiver, oracle, below=below, authorization=header, configuration=CONFIGURATION)
        assert {request["authorization"] for request in stream.wait_for_requests(2 if below == "fail-once" else 1)} == {
            header
        }
    header = listener.told("the header of nobody", f"Bearer {uuid.uuid4()}")
    delivery = {
        "method": "urn:ietf:rfc:8935",
        "endpoint_url": "https://127.0.0.1:1/events",
        "authorization_header": header,
    }
    receiver.create_stream(delivery=delivery, **CONFIGURATION)
    operator.send(REVOKED, {"reason_admin": {"en": "A test"}})
    path = f"/integrations/{receiver.well_known_url.rpartition('/')[2]}/deliveries"
    until(lambda: "connection_refused" in operator.call("GET", path).body.decode())


def mistakes(receiver: SsfReceiver, listener: Listener) -> None:
    """Requests that are refused although, or because, they carry a secret."""
    refused = listener.told("a token that is unknown", f"rrr_{uuid.uuid4()}")
    header = listener.told("a header that is refused", f"Bearer {uuid.uuid4()}")
    bad = {"method": "urn:ietf:rfc:8935", "endpoint_url": "ftp://x", "authorization_header": header}
    listener.answers += [
        receiver.call("GET", "configuration_endpoint", token=refused),
        receiver.call("GET", "configuration_endpoint", access_token=refused),
        receiver.call("POST", "configuration_endpoint", {"delivery": bad}),
        receiver.call("POST", "configuration_endpoint", f'{{"delivery": "{header}'.encode()),
        receiver.call("GET", "status_endpoint", stream_id=str(uuid.uuid4())),
        receiver.obtain_token("nobody", refused),
    ]
    assert {answer.status for answer in listener.answers} <= {400, 401, 404}


def asked(operator: Operator, integration: dict[str, Any], listener: Listener) -> None:
    """Everything that an operator can read afterwards."""
    for path in ("/integrations", "/tokens", "/audit", f"/integrations/{integration['id']}"):
        listener.answers.append(operator.call("GET", path))
    for below in ("credentials", "deliveries"):
        listener.answers.append(operator.call("GET", f"/integrations/{integration['id']}/{below}"))
    assert {answer.status for answer in listener.answers[-6:]} == {200}


async def every_column_of(url: str) -> bytes:
    """Every value of every column of every table of a PostgreSQL database."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [row for (table,) in tables for row in await connection.fetch(f'SELECT * FROM "{table}"')]
    finally:
        await connection.close()
    values = [value for row in rows for value in row.values()]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


@pytest.fixture
def on_postgres(postgres: PostgresServer, tmp_path: Path, authority: Authority) -> Iterator[Service]:
    """A service over https on PostgreSQL."""
    database = {"RISKRELAY_DATABASE_URL": asyncio.run(postgres.new_database())}
    service = Service(tmp_path, authority, **database, RISKRELAY_MASTER_KEY=new_master_key())
    service.start()
    yield service
    service.stop()


def written_by(service: Service) -> list[Path]:
    """The log, and the files of the database where there are any."""
    engine, _, path = service.settings["RISKRELAY_DATABASE_URL"].partition(":///")
    if engine != "sqlite":
        return [service.log]
    database = Path(path)
    assert all(file.stat().st_size for file in (service.log, database))
    return [service.log, *database.parent.glob(f"{database.name}*")]


def test_secrets_are_nowhere_in_the_clear(service: Service, operator: Operator, oracle: Oracle) -> None:
    """Searched byte by byte, after the service has written all it writes."""
    listener = everything_done(service, operator, oracle)
    leaks = [leak for file in written_by(service) for leak in listener.leaks_in(file.name, file.read_bytes())]
    assert leaks + leaks_in_answers(service, listener) == []


def test_the_log_of_attempts_contains_no_subject(service: Service, operator: Operator, oracle: Oracle) -> None:
    """Accepted, refused and repeated attempts are lines of the log; no SET, no claims, no subject and nothing that the
    receiver wrote is in it."""
    everything_done(service, operator, oracle)
    written = service.log.read_text()
    lines = [json.loads(line) for line in written.splitlines() if '"event":"attempt"' in line]
    assert {line["outcome"] for line in lines} >= {"accepted", "rejected", "transient"}
    assert {"txn", "kid", "jti", "integration", "duration_ms"} <= set(lines[0])
    pushed = [part for request in oracle.requests() for part in request["token"].split(".")[1:]]
    assert pushed
    assert [part for part in pushed if part in written] == []
    assert "sub_id" not in written
    assert re.search(r"[\w.]+@[\w.]+", written) is None


def test_secrets_are_in_no_column_of_postgresql(on_postgres: Service, authority: Authority, oracle: Oracle) -> None:
    """The same, searched in every column; what is searched for is found where it may stand, in its hashed form."""
    service, account_id = on_postgres, "secrets"
    operator = Operator(service.url, authority.client(), account_id, service.new_token(account_id))
    listener = everything_done(service, operator, oracle)
    dump = asyncio.run(every_column_of(service.settings["RISKRELAY_DATABASE_URL"]))
    assert hash_token(operator.token) in dump
    leaks = listener.leaks_in("the database", dump) + listener.leaks_in("the log", service.log.read_bytes())
    assert leaks + leaks_in_answers(service, listener) == []


def everything_done(service: Service, operator: Operator, oracle: Oracle) -> Listener:
    """Use every kind of secret, rightly and wrongly; the service has written all it writes of them."""
    listener = Listener()
    listener.told("the installation's token", service.new_token(None))
    listener.told("the sealed keys' PEM", "PRIVATE KEY")
    integration, receiver = credentials_of(operator, listener)
    pushes(operator, receiver, oracle, listener)
    mistakes(receiver, listener)
    asked(operator, integration, listener)
    operator.result("DELETE", f"/integrations/{integration['id']}")
    return listener


def leaks_in_answers(service: Service, listener: Listener) -> list[str]:
    """Secrets in what was answered, and in the metrics."""
    leaks = listener.leaks_in("/metrics", service.get("/metrics"))
    for answer in listener.answers:
        leaks += listener.leaks_in("an answer", answer.body + repr(answer.headers).encode())
    return leaks
