"""The contract: a valid document, true to itself, to the routes, and to what the service answers."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Scope
from riskrelay.core.risk.assessment import ChangeKind
from riskrelay.core.risk.behaviors import BEHAVIORS
from riskrelay.core.ssf.access import ReceiverScope
from riskrelay.ports import Store
from riskrelay.web.account_api import problem_table
from riskrelay.web.app import BASE_PATHS, create_app
from support.contract import DOCUMENT, examples, operations, resolved
from support.crossing import OF_SENDERS, OF_THE_CONSOLE, paused_bulk_reset
from support.service import Service
from support.services import services_of
from support.transmitting import transmitting_of

REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:contract", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)


def absolute(node: Any) -> Any:
    """The same schema, its local references made absolute, so that it can be used outside the document."""
    if isinstance(node, dict):
        return {key: f"urn:contract{value}" if key == "$ref" else absolute(value) for key, value in node.items()}
    return [absolute(item) for item in node] if isinstance(node, list) else node


def validate(instance: Any, schema: dict[str, Any]) -> None:
    Draft202012Validator(absolute(schema), registry=REGISTRY, format_checker=FormatChecker()).validate(instance)


def media() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every request and response body of the contract, with a name."""
    for path, method, operation in operations():
        places = {status: resolved(answer) for status, answer in operation["responses"].items()}
        if "requestBody" in operation:
            places["request"] = resolved(operation["requestBody"])
        for place, body in places.items():
            for kind, content in body.get("content", {}).items():
                yield f"{method} {path} {place} {kind}", content


def nodes(node: Any = DOCUMENT) -> Iterator[dict[str, Any]]:
    """Every object of the document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def test_the_document_holds_together() -> None:
    """OpenAPI 3.1: each reference has a target, each schema is JSON Schema 2020-12, and no component is left over."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    references = {node["$ref"] for node in nodes() if "$ref" in node}
    assert all(resolved({"$ref": reference}) is not None for reference in references)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for _, content in media():
        Draft202012Validator.check_schema(content["schema"])
    for kind in ("schemas", "responses", "parameters", "examples", "links"):
        assert {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]} <= references, kind


def test_the_parameters_of_a_path_are_declared() -> None:
    """Those of the template, no others, each required."""
    for path, item in DOCUMENT["paths"].items():
        declared = [resolved(parameter) for parameter in item.get("parameters", [])]
        assert {p["name"] for p in declared} == set(re.findall(r"{(\w+)}", path)), path
        assert all(p["in"] == "path" and p["required"] and "example" in p for p in declared)


def test_every_body_has_examples_that_fit_its_schema() -> None:
    """Requests and answers, failures too; a line of NDJSON is of the schema of one item."""
    for name, content in media():
        assert examples(content), name
        for value in examples(content):
            validate(value, content["schema"])
    ndjson = [content for name, content in media() if name.endswith("request application/x-ndjson")]
    for content, schema in zip(ndjson, ("Finding", "Activity", "DirectoryEntryBody", "SecurityEvent"), strict=True):
        for line in examples(content)[0].splitlines():
            validate(json.loads(line), DOCUMENT["components"]["schemas"][schema])


def test_an_envelope_has_no_other_members() -> None:
    """Contract 1: what the schemas of /accounts must refuse."""
    for name, content in media():
        if not re.search(r" /(accounts|user|installation)/", name) or " request " in name:
            continue
        if re.search(r"/services/collector|get .*/events(/{secret})? 200", name):
            continue  # what senders of other products read
        for value in examples(content):
            with pytest.raises(ValidationError):
                validate({**value, "page": 1}, content["schema"])
            with pytest.raises(ValidationError):
                validate({key: value[key] for key in value if key != "messages"}, content["schema"])


def test_the_errors_shown_are_those_of_the_table() -> None:
    """Code, status and words as problems.py has them, so that the two cannot drift apart."""
    known = {(row.code, str(row.status)): row.message for row in problem_table.ROWS}
    for name, example in DOCUMENT["components"]["examples"].items():
        for error in example["value"]["errors"]:
            message = known[error["code"], example["summary"][:3]]
            assert error["documentation_url"].endswith(f"/docs/errors/{error['code']}")
            assert name == "faults" or message in error["message"]


def test_the_behaviors_shown_are_those_of_the_table() -> None:
    """All of them, with their names, as an answer has them."""
    shown = examples(DOCUMENT["components"]["responses"]["Behaviors"]["content"]["application/json"])[0]
    rows = shown["result"]["behaviors"].items()
    assert [(name, row["name"], row["description"]) for name, row in rows] == [
        (row.behavior_id, row.name, row.description) for row in BEHAVIORS.values()
    ]
    assert DOCUMENT["components"]["schemas"]["BuiltInBehaviorId"]["enum"] == list(BEHAVIORS)


@pytest.mark.parametrize(
    ("name", "words"), [("Scope", Scope), ("AuditKind", Kind), ("AuditVerb", Verb), ("LevelChangeKind", ChangeKind)]
)
def test_the_words_shown_are_those_of_the_code(name: str, words: type[StrEnum]) -> None:
    """All of them, and no others."""
    assert DOCUMENT["components"]["schemas"][name]["enum"] == [word.value for word in words]


def test_operations_are_named_once_and_say_how_they_fail() -> None:
    """Each has an id, words, a 4XX and a 5XX; below /accounts a scope, elsewhere no prefix; a receiver's endpoints have
    scopes of their own, and nothing else asks for credentials."""
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    for path, _, operation in operations():
        assert operation["summary"]
        assert operation["description"]
        made, *failed = operation["responses"]
        assert made == "200" or (path.startswith("/ssf/") and made in ("201", "204"))  # SSF 1.0 §8.1 says which
        assert failed == ["4XX", "5XX"]
        if path.startswith(("/accounts/", "/installation/", "/user/")):
            assert operation["x-required-scope"] in {*Scope, "any"}
            assert "security" not in operation
            continue
        assert DOCUMENT["paths"][path]["servers"] == [{"url": "/"}]
        if operation["security"]:
            assert path.startswith("/ssf/")
            assert ReceiverScope(operation["x-receiver-scope"])


async def test_the_contract_and_the_routes_are_the_same(sqlite_store: Store) -> None:
    """No route without a contract, no contract without a route, and both prefixes serve the same. The pages of the
    console are for people."""
    app = create_app(services_of(sqlite_store), transmitting_of(), "https://risk.example.com", lambda _app: None)  # type: ignore[arg-type, return-value]
    routed = set()
    for route in app.routes:
        path = route.path.replace(":path}", "}").replace(":int}", "}")  # type: ignore[attr-defined]
        routed |= {(path, method.lower()) for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    first, second = BASE_PATHS
    routed = {(path, method) for path, method in routed if path != "/" and not path.startswith(OF_THE_CONSOLE)}
    own = {(path, method) for path, method in routed if not path.startswith(second) and not path.endswith("}/")}
    twins = {(path.removeprefix(second), method) for path, method in routed if path.startswith(second)}
    assert first == ""
    assert twins == {(path, method) for path, method, operation in operations() if "x-required-scope" in operation}
    assert own == {(path, method) for path, method, _ in operations()}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service."""
    service = Service(tmp_path_factory.mktemp("contract"))
    service.start()
    yield service
    service.stop()


def answer_schema(path: str, method: str, status: str) -> dict[str, Any]:
    answer = resolved(DOCUMENT["paths"][path][method]["responses"][status])
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


def requests(operation: dict[str, Any]) -> list[tuple[str, bytes | None]]:
    """The bodies to send, with their media types: each example, or none where there is no body."""
    contents = resolved(operation.get("requestBody", {})).get("content", {})
    return [
        (kind, value.encode() if isinstance(value, str) else json.dumps(value).encode())
        for kind, content in contents.items()
        for value in examples(content)
    ] or [("application/json", None)]


def test_what_the_service_answers_fits_the_contract(service: Service) -> None:
    """Every operation that takes credentials with every example of the contract, sent to a running service; the
    deletions last."""
    made = service.create_integration("https://acme.example.com")
    filled = {
        "{account_id}": service.account_id,
        "{behavior_id}": "vpn_from_abroad",  # which the example of an earlier request adds
        "{integration_id}": made["id"],
        "{reference_id}": made["reference_id"],
        "{source_id}": service.result("POST", "/sources", {"kind": "duo", "name": "Duo"})["id"],
    }
    service.enable_behaviors()
    filled["{reset_id}"] = paused_bulk_reset(service)
    token = {"Authorization": f"Bearer {service.new_token(None)}"}
    nobody = {"Authorization": "Bearer nobody"}
    tokens: dict[str, str] = {}
    for path, method, operation in sorted(operations(), key=_deletions_last):
        if "x-required-scope" not in operation or path == OF_SENDERS:
            continue
        own = path.replace("{token_id}", tokens.get(path.removesuffix("/{token_id}"), ""))
        for name, value in filled.items():
            own = own.replace(name, value)
        if operation["operationId"] == "deleteDirectory":
            own += "?all=true"
        for kind, body in requests(operation):
            headers = {"Content-Type": kind}
            status, _, envelope = service.exchange(method.upper(), own, body, **headers, **nobody)
            assert status == 401
            validate(envelope, answer_schema(path, method, "4XX"))
            status, _, envelope = service.exchange(method.upper(), own, body, **headers, **token)
            assert status == 200, (path, envelope)
            validate(envelope, answer_schema(path, method, "200"))
            if operation["operationId"] == "createIntegration":
                filled["{integration_id}"] = envelope["result"]["id"]
                mail = f"{envelope['result']['id']}@example.com"
                service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": mail}})
                deliveries = service.result("GET", f"/integrations/{envelope['result']['id']}/deliveries")
                filled["{jti}"] = deliveries[0]["jti"]
            if operation["operationId"] == "addRule":
                filled["{rule_id}"] = envelope["result"]["id"]
            if operation["operationId"] == "addNotificationChannel":
                filled["{channel_id}"] = envelope["result"]["id"]
            if operation["operationId"] == "addException":
                filled["{exception_id}"] = envelope["result"]["id"]
            if operation["operationId"] == "startReplay":
                filled["{replay_id}"] = envelope["result"]["replay"]["id"]
            if operation["operationId"] == "createReceiverCredential":
                filled["{credential_id}"] = envelope["result"]["id"]
            if operation["operationId"] == "createSource":
                filled["{source_id}"] = envelope["result"]["id"]
                filled["{source_credential_id}"] = envelope["result"]["credential"]["id"]
            if operation["operationId"] in ("createToken", "createInstallationToken"):
                tokens[path] = envelope["result"]["id"]
            if operation["operationId"] == "recordFindings":
                for change in envelope["result"]["changes"]:
                    filled["{user_id}"] = change["user_id"]
    assert "{user_id}" in filled


def _deletions_last(operation: tuple[str, str, dict[str, Any]]) -> tuple[bool, int]:
    """Parts before what they are part of."""
    path, method, _ = operation
    return method == "delete", -path.count("/") if method == "delete" else 0


def fetch(url: str, method: str = "GET") -> tuple[int, str, bytes]:
    """The status, the media type and the body of an answer without credentials."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read()


def test_the_open_routes_answer_as_the_contract_says(service: Service) -> None:
    """200, another method, and where there is one an unknown id: status, media type and form."""
    made = service.create_integration("https://open.example.com")
    for path, _, operation in operations():
        if "x-required-scope" in operation or path.startswith("/ssf/"):
            continue
        known = {"integration_id": made["id"], "code": "1101", "endpoint": "streams", "page": "architecture"}
        own = path.format(**known)
        unknown = path.format(integration_id="none", code="9999", endpoint="x", page="../specs")
        asked = [(200, own, "GET"), (405, own, "POST")] + ([(404, unknown, "GET")] if unknown != path else [])
        for expected, url, verb in asked:
            status, kind, body = fetch(service.url + url, verb)
            assert status == expected, (url, verb)
            answer = resolved(operation["responses"]["200" if status == 200 else "4XX"])["content"][kind]
            validate(json.loads(body) if kind == "application/json" else body.decode(), answer["schema"])


def test_the_contract_is_served(service: Service) -> None:
    """As JSON, and as a page that names every operation, with the anchor of its id."""
    served = yaml.safe_load(service.get("/openapi.json"))
    assert served == DOCUMENT
    page = service.get("/docs").decode()
    assert all(f'id="{operation["operationId"]}"' in page for _, _, operation in operations())


_VERBS = {
    *("Add", "Cancel", "Check", "Create", "Delete", "Erase", "Explain", "Export", "Get", "List", "Open", "Pause"),
    *("Poll", "Record", "Remove", "Replace", "Replay", "Reset", "Resume", "Retire", "Retry", "Revoke", "Rotate"),
    *("Send", "Set", "Start", "Try", "Update", "Verify"),
}


def test_the_name_of_an_operation_can_be_scanned() -> None:
    """A verb and an object, at most five words, in sentence case, without a full stop. No two are equal."""
    names = [operation["summary"] for _, _, operation in operations()]
    assert [name for name in names if name.split()[0] not in _VERBS] == []
    assert [name for name in names if not 2 <= len(name.split()) <= 5 or name.endswith(".")] == []
    words = {word for name in names for word in name.split()[1:]}
    assert {word for word in words if word != word.lower()} <= {"TLS", "OpenAPI"}
    assert len(set(names)) == len(names)
