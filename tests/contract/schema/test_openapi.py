"""The contract: a valid document, true to itself, to the routes, and to what the service answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from riskrelay.outbound.clock import SystemClock
from riskrelay.outbound.ids import SystemIds
from riskrelay.outbound.metrics import PrometheusMetrics
from riskrelay.ports import Outside, Store
from riskrelay.web.app import ACCOUNT_PREFIXES, create_app
from support.service import Service

METHODS = ("get", "post", "put", "patch", "delete")
DOCUMENT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[3] / "specs" / "openapi.yaml").read_text())
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:contract", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a local reference."""
    while "$ref" in node:
        target: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


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


def test_every_schema_is_valid() -> None:
    """JSON Schema 2020-12, all of them."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_example_fits_its_schema() -> None:
    """And every JSON body below /accounts has one."""
    seen = 0
    for name, content in media():
        if "example" in content:
            validate(content["example"], content["schema"])
            seen += 1
        else:
            assert "/accounts/" not in name or "json" not in name.rsplit(" ", 1)[1] or "ndjson" in name, name
    assert seen > 20


def test_operations_are_named_once_and_say_how_they_fail() -> None:
    """Each has an id, a summary, a 4XX and a 5XX; below /accounts a scope."""
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    for path, _, operation in operations():
        assert operation["summary"]
        assert {"200", "4XX", "5XX"} <= set(operation["responses"])
        assert ("x-required-scope" in operation) == path.startswith("/accounts/")


async def test_the_contract_and_the_routes_are_the_same(sqlite_store: Store) -> None:
    """No route without a contract, no contract without a route, and both prefixes serve the same."""
    outside = Outside(sqlite_store, SystemClock(), SystemIds(), PrometheusMetrics(), lambda lanes: None)
    app = create_app(outside, "https://risk.example.com", lambda app: None)  # type: ignore[arg-type, return-value]
    routed = set()
    for route in app.routes:
        path = route.path.replace(":path}", "}").replace(":int}", "}")  # type: ignore[attr-defined]
        routed |= {(path, method.lower()) for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    first, second = ACCOUNT_PREFIXES
    assert {p.removeprefix(second) for p, _ in routed if p.startswith(second)} == {
        p.removeprefix(first) for p, _ in routed if p.startswith(first)
    }
    own = {(path, method) for path, method in routed if not path.startswith(second) and not path.endswith("}/")}
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


def test_what_the_service_answers_fits_the_contract(service: Service) -> None:
    """The examples of the contract, sent to a running service."""
    prefix = "/accounts/{account_id}/zt_risk_scoring"
    made = service.create_integration("https://acme.example.com")
    filled = {"{integration_id}": made["id"], "{reference_id}": made["reference_id"]}
    service.enable_behaviors()
    sent = 0
    for path, method, operation in operations():
        if not path.startswith(prefix) or method == "delete" or "{user_id}" in path:
            continue
        own = path.removeprefix(prefix)
        for name, value in filled.items():
            own = own.replace(name, value)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        status, envelope = service.call(method.upper(), own, body)
        assert status == 200, (path, envelope)
        validate(envelope, answer_schema(path, method, "200"))
        if operation["operationId"] == "createIntegration":
            filled["{integration_id}"] = envelope["result"]["id"]
        status, envelope = service.call(method.upper(), own, body, Authorization="Bearer nobody")
        assert status == 401
        validate(envelope, answer_schema(path, method, "4XX"))
        sent += 1
    assert sent == 9


def test_the_contract_is_served(service: Service) -> None:
    """As JSON, and as a page that names every operation and loads nothing from elsewhere."""
    served = yaml.safe_load(service.get("/openapi.json"))
    assert served == DOCUMENT
    page = service.get("/docs").decode()
    assert all(operation["operationId"] in page for _, _, operation in operations())
    assert "//" not in page.replace(DOCUMENT["info"]["description"], "").replace("https://", "").replace("http://", "")
    assert "src=" not in page
