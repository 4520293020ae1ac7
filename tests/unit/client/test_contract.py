"""The client and the OpenAPI document say the same: operations, paths, bodies, and the members of every record."""

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from riskrelay.client import BulkResetFilter, Client, DlpHit, Finding, Limits, Login, UserReference
from riskrelay.client.records import DirectoryEntry, NotificationChannel, RiskException, Rule, RuleFailures
from riskrelay.client.requests import Answer, Nothing, Request

ROOT = Path(__file__).parents[3]
PREFIX = "/accounts/{account_id}/zt_risk_scoring"
NOON = datetime(2026, 3, 17, 12, tzinfo=UTC)
KAI = UserReference(email="kai@example.com", name="Kai")
A_FINDING = {"behavior": "imp_travel", "user": {"email": "kai@example.com"}}
A_MAPPING = {"kind": "custom", "rules": []}
AN_ID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"

A_RULE = Rule(
    id=AN_ID,
    name="Three",
    description=None,
    enabled=False,
    within_seconds=86_400,
    when="$count(findings) >= 3",
    level="high",
    session_revoked=False,
    stopped=None,
    failures=RuleFailures(count=0, last=None, last_at=None),
    created_at=NOON,
)

AN_EXCEPTION = RiskException(
    id=AN_ID,
    user="kai@example.com",
    group=None,
    pattern=None,
    behavior="imp_travel",
    effect="cap",
    level="low",
    reason="Pilot",
    ends_at=None,
    has_ended=False,
    created_at=NOON,
)
A_CHANNEL = NotificationChannel(
    id=AN_ID,
    kind="webhook",
    name="Ops",
    target="https://hooks.example.com/…",
    conditions=["backlog"],
    backlog_after_seconds=600,
    active=True,
    created_at=NOON,
    last_result=None,
    waiting=None,
)

# What the client leaves out: settings of an account, which a person makes, and what senders and SDKs call themselves.
LEFT_OUT = {
    "verifySource",
    "sendSourceEventsByPath",
    "verifySourceByPath",
    "sendToCollector",
    "sendEventToCollector",
    "getCollectorHealth",
    "getCollectorHealthOne",
    "getDetection",
    "updateDetection",
    "getLevels",
    "updateLevels",
    "tryRules",
    "getNetworks",
    "updateNetworks",
    "queueSecurityEvent",
}

CALLS: list[Callable[[Client], Any]] = [
    lambda c: c.findings.send("high_dlp", "kai@example.com", name="Kai", timestamp=NOON, id="1", details={"a": 1}),
    lambda c: c.findings.send_many([Finding(behavior="high_dlp", user=KAI), A_FINDING]),
    lambda c: list(c.findings.send_lines([b'{"behavior": "high_dlp", "user": {"email": "kai@example.com"}}\n'])),
    lambda c: c.activity.send(
        Login(
            user=KAI,
            timestamp=NOON,
            type="login",
            latitude=1.0,
            longitude=2.0,
            accuracy_km=1.0,
            ip="192.0.2.1",
            asn=1,
            country="DE",
            city="Bonn",
            source="okta",
            anonymous=False,
            application="mail",
            id="1",
        ),
        DlpHit(user=KAI, timestamp=NOON, profile="cards", type="dlp_hit", id="2"),
    ),
    lambda c: c.sources.kinds(),
    lambda c: c.sources.create(
        "custom",
        "Mine",
        mapping={"kind": "custom", "rules": []},
        silent_after_seconds=600,
        credential="signature",
        key="k" * 32,
    ),
    lambda c: c.sources.all(),
    lambda c: c.sources.get(AN_ID),
    lambda c: c.sources.update(AN_ID, name="Mine", active=True, mapping=None, silent_after_seconds=600),
    lambda c: c.sources.delete(AN_ID),
    lambda c: c.sources.mapping(AN_ID),
    lambda c: c.sources.credentials(AN_ID),
    lambda c: c.sources.create_credential(AN_ID, "signature", key="k" * 32, revoke_others=True),
    lambda c: c.sources.revoke_credential(AN_ID, AN_ID),
    lambda c: c.sources.send_events(AN_ID, [{"a": 1}]),
    lambda c: c.sources.try_events(AN_ID, [{"a": 1}]),
    lambda c: c.sources.samples(AN_ID),
    lambda c: c.sources.replay_samples(AN_ID),
    lambda c: list(c.users.at_risk()),
    lambda c: c.users.by_email("kai@example.com"),
    lambda c: c.users.get(AN_ID),
    lambda c: list(c.users.findings(AN_ID)),
    lambda c: list(c.users.history(AN_ID)),
    lambda c: c.users.reset(AN_ID, "False alarm"),
    lambda c: c.users.erase(AN_ID),
    lambda c: c.users.export(AN_ID),
    lambda c: c.resets.start(
        BulkResetFilter(level="high", behavior="high_dlp", last_event_from=NOON, last_event_to=NOON, users=[AN_ID]),
        reason="False alarm",
        dry_run=True,
    ),
    lambda c: c.resets.all(),
    lambda c: c.resets.get(AN_ID),
    lambda c: c.resets.pause(AN_ID),
    lambda c: c.resets.resume(AN_ID),
    lambda c: c.resets.cancel(AN_ID),
    lambda c: c.integrations.create("https://acme.okta.com", reference_id="okta"),
    lambda c: c.integrations.all(),
    lambda c: c.integrations.get(AN_ID),
    lambda c: c.integrations.get_by_reference("okta/prod"),
    lambda c: c.integrations.update(AN_ID, "https://acme.okta.com", reference_id="okta", active=True),
    lambda c: c.integrations.delete(AN_ID),
    lambda c: c.integrations.health(AN_ID),
    lambda c: c.integrations.health_of_all(),
    lambda c: c.integrations.verify(AN_ID, "state"),
    lambda c: c.integrations.pause(AN_ID, "maintenance"),
    lambda c: c.integrations.resume(AN_ID),
    lambda c: c.integrations.set_limits(AN_ID, Limits(pushes_per_second=1, concurrency=None)),
    lambda c: c.integrations.settings(AN_ID),
    lambda c: c.integrations.set_signing_algorithm(AN_ID, "ES256"),
    lambda c: c.integrations.tls(AN_ID),
    lambda c: c.integrations.set_tls(AN_ID, ca="PEM", certificate="PEM", key="PEM"),
    lambda c: c.integrations.remove_tls(AN_ID),
    lambda c: c.credentials.create(AN_ID, "static_token", name="poller", scopes=["ssf.read"], expires_at=NOON),
    lambda c: c.credentials.all(AN_ID),
    lambda c: c.credentials.revoke(AN_ID, AN_ID),
    lambda c: list(c.deliveries.all(AN_ID, "dead")),
    lambda c: c.deliveries.get(AN_ID, AN_ID),
    lambda c: c.deliveries.retry(AN_ID, AN_ID),
    lambda c: c.replays.start(
        AN_ID, "delivered", reason="x", queued_from=NOON, queued_to=NOON, users=["kai@example.com"]
    ),
    lambda c: c.replays.all(AN_ID),
    lambda c: c.replays.pause(AN_ID, AN_ID),
    lambda c: c.replays.resume(AN_ID, AN_ID),
    lambda c: c.replays.cancel(AN_ID, AN_ID),
    lambda c: c.behaviors.all(),
    lambda c: c.behaviors.set("high_dlp", enabled=True, risk_level="high"),
    lambda c: c.behaviors.add("vpn", "VPN", risk_level="low", description="d", enabled=True),
    lambda c: c.behaviors.change("vpn", name="VPN", description="d", risk_level="low", enabled=False),
    lambda c: c.behaviors.retire("vpn"),
    lambda c: c.rules.all(),
    lambda c: c.rules.get(AN_ID),
    lambda c: c.rules.add("Three", "$count(findings) >= 3", level="high", description="d", session_revoked=True),
    lambda c: c.rules.change(A_RULE),
    lambda c: c.rules.delete(AN_ID),
    lambda c: c.rules.try_for("kai@example.com", "$count(findings) >= 3"),
    lambda c: list(c.exceptions.all()),
    lambda c: c.exceptions.get(AN_ID),
    lambda c: c.exceptions.add("cap", "Pilot", group="Pilots", behavior="imp_travel", level="low", ends_at=NOON),
    lambda c: c.exceptions.change(AN_EXCEPTION),
    lambda c: c.exceptions.delete(AN_ID),
    lambda c: list(c.directory.all(kind="host", name="LAPTOP-7", email="kai@example.com")),
    lambda c: c.directory.put([DirectoryEntry(kind="host", name="LAPTOP-7", email="kai@example.com", groups=["Ops"])]),
    lambda c: c.directory.delete("host", "LAPTOP-7"),
    lambda c: c.directory.delete_all(),
    lambda c: c.directory.missed(),
    lambda c: c.notification_channels.all(),
    lambda c: c.notification_channels.get(AN_ID),
    lambda c: c.notification_channels.add("slack", "#ops", "https://hooks.example.com/1", ["backlog"]),
    lambda c: c.notification_channels.change(A_CHANNEL, target="https://hooks.example.com/2"),
    lambda c: c.notification_channels.delete(AN_ID),
    lambda c: c.notification_channels.test(AN_ID),
    lambda c: c.tokens.all(),
    lambda c: c.tokens.create("EDR", ["ingest"], expires_on=NOON),
    lambda c: c.tokens.revoke(AN_ID),
    lambda c: list(c.audit.all("integration")),
]


class Stopped(Exception):
    """A request was recorded and not sent."""


class Recorder:
    """Stand in for a session: keep the request and send nothing."""

    def __init__(self) -> None:
        self.requests: list[Request[Any]] = []

    def answer(self, request: Request[Any]) -> Answer[Any]:
        self.requests.append(request)
        raise Stopped

    result = answer

    def by_cursor(self, request_of: Callable[[str | None], Request[Any]]) -> Iterator[Any]:
        self.answer(request_of("abc"))
        yield


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    loaded: dict[str, Any] = yaml.load((ROOT / "specs/openapi.yaml").read_text(), Loader=yaml.CSafeLoader)
    return loaded


@cache
def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and document of each operation, by its id."""
    return {
        operation["operationId"]: (method.upper(), path, {"shared": item.get("parameters", []), **operation})
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if "operationId" in operation
    }


def resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Follow references, and merge `allOf`."""
    while "$ref" in schema:
        found: Any = document()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    merged: dict[str, Any] = {}
    for part in (*map(resolved, schema.get("allOf", ())), schema):  # a later part refines an earlier one
        joined: dict[str, Any] = {"properties": {**merged.get("properties", {}), **part.get("properties", {})}}
        if isinstance(part.get("required"), list):  # of an object; a parameter has true or false
            joined["required"] = [*merged.get("required", ()), *part["required"]]
        merged = {**merged, **part, **joined}
    return merged


def requests_of(call: Callable[[Client], Any]) -> list[Request[Any]]:
    """The requests that *call* sends."""
    client = Client("http://127.0.0.1:1", "token")
    recorder = Recorder()
    for noun in vars(client).values():
        if hasattr(noun, "_session"):
            noun._session = recorder
    with pytest.raises(Stopped):
        call(client)
    return recorder.requests


@cache
def all_requests() -> list[Request[Any]]:
    """The requests of CALLS."""
    return [request for call in CALLS for request in requests_of(call)]


def by_operation(request: Request[Any]) -> str:
    return request.operation


def test_every_operation_is_there_or_left_out_on_purpose() -> None:
    """A new operation of an account gets a method, or a line in LEFT_OUT."""
    nouns = {"integrations", "delivery", "findings", "behaviors", "users", "sources", "notifications", "credentials"}
    wanted = {
        name
        for name, (_, path, operation) in operations().items()
        if nouns & set(operation["tags"]) and path.startswith(PREFIX)
    }
    assert {request.operation for request in all_requests()} | LEFT_OUT == wanted
    assert LEFT_OUT.isdisjoint(request.operation for request in all_requests())


def test_every_method_is_called_here() -> None:
    """CALLS leaves out no method of the client."""
    client = Client("http://127.0.0.1:1", "token")
    methods = [
        f"{name}.{method}"
        for name, noun in vars(client).items()
        if not name.startswith("_")
        for method, _ in inspect.getmembers(noun, inspect.ismethod)
        if not method.startswith("_")
    ]
    source = inspect.getsource(inspect.getmodule(test_every_method_is_called_here))  # type: ignore[arg-type]
    assert [method for method in methods if f"c.{method}(" not in source] == []
    assert len(methods) > 50


@pytest.mark.parametrize("request_", all_requests(), ids=by_operation)
def test_a_request_is_as_the_document_says(request_: Request[Any]) -> None:
    """Its method, path, query, and body."""
    method, template, operation = operations()[request_.operation]
    assert request_.method == method
    path, _, query = request_.path.partition("?")
    steps, wanted = (PREFIX + path).split("/"), template.split("/")
    assert len(steps) == len(wanted)
    assert all(step == part or part.startswith("{") for step, part in zip(steps, wanted, strict=True))
    parameters = [resolved(one) for one in (*operation["shared"], *operation.get("parameters", ()))]
    names = {one["name"] for one in parameters if one["in"] == "query"}
    assert {pair.split("=")[0] for pair in query.split("&") if pair} <= names
    if request_.body is None:
        assert not resolved(operation.get("requestBody", {})).get("required", False)
        return
    content = resolved(operation["requestBody"])["content"]
    if request_.content_type != "application/json":
        assert request_.content_type in content
        return
    schema = {
        "$ref": "#/schema",
        "components": document()["components"],
        "schema": content["application/json"]["schema"],
    }
    Draft202012Validator(schema).validate(msgspec.json.decode(request_.body))


@pytest.mark.parametrize("request_", all_requests(), ids=by_operation)
def test_a_result_is_as_the_document_says(request_: Request[Any]) -> None:
    """Its record has the members of the schema, with their types and nulls, however deep."""
    _, _, operation = operations()[request_.operation]
    content = resolved(operation["responses"]["200"])["content"]
    envelope = resolved(content["application/json"]["schema"])
    assert list(differences(request_.answer, resolved(envelope)["properties"]["result"], "result")) == []


PLAIN: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool}


def differences(kind: Any, schema: Mapping[str, Any], where: str, *, may_be_absent: bool = False) -> Iterator[str]:
    """Compare the type of a member with its schema; None stands for null, and for a member that may be absent."""
    nullable, schema = without_null(resolved(schema))
    if get_origin(kind) in (Union, types.UnionType):
        (plain,) = [one for one in get_args(kind) if one is not type(None)]
        if not (nullable or may_be_absent):
            yield f"{where} is never null"
        yield from plain_differences(plain, schema, where)
    else:
        if nullable and kind is not Any:
            yield f"{where} may be null"
        yield from plain_differences(kind, schema, where)


def without_null(schema: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether null is allowed, and the schema without it."""
    for word in ("oneOf", "anyOf"):
        if word in schema:
            rest = [resolved(one) for one in schema[word] if resolved(one).get("type") != "null"]
            if len(rest) < len(schema[word]):
                return True, rest[0]
    if isinstance(schema.get("type"), list):
        kinds = [one for one in schema["type"] if one != "null"]
        return len(kinds) < len(schema["type"]), {**schema, "type": kinds[0]}
    return schema.get("enum", [0])[-1] is None, schema


def plain_differences(kind: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Compare a type that is never None with a schema without null."""
    if kind is Any:
        return
    if kind is Nothing:
        if schema.get("properties"):
            yield f"{where} has members"
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from record_differences(kind, schema, where)
    elif get_origin(kind) is list:
        if schema.get("type") != "array":
            yield f"{where} is no list"
        else:
            yield from differences(get_args(kind)[0], schema["items"], f"{where}[]")
    elif get_origin(kind) is dict:
        if not isinstance(schema.get("additionalProperties"), dict):  # any object
            if get_args(kind)[1] is not Any or not ({"object"} == {schema.get("type")} or "oneOf" in schema):
                yield f"{where} is no object with free members"
        else:
            yield from differences(get_args(kind)[1], schema["additionalProperties"], f"{where}{{}}")
    elif kind is datetime:
        if schema.get("format") != "date-time":
            yield f"{where} is no time"
    elif PLAIN.get(schema.get("type", "string")) is not kind or schema.get("format") == "date-time":
        yield f"{where} is {schema.get('type')}, not {kind.__name__}"


def record_differences(kind: type[msgspec.Struct], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Compare the members of a record with those of an object. A member that may be absent has a default."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    properties = schema.get("properties", {})
    for name in fields.keys() ^ properties.keys():
        yield f"{where}.{name} is only in {'the record' if name in fields else 'the document'}"
    for name in fields.keys() & properties.keys():
        is_required = name in schema.get("required", ())
        if fields[name].required != is_required:
            yield f"{where}.{name} is {'required' if is_required else 'optional'} in the document"
        yield from differences(fields[name].type, properties[name], f"{where}.{name}", may_be_absent=not is_required)
